// A press of a button, or of a line that stands for runs, is told to the server with the button's data; one that takes
// long says so at once.
element.addEventListener("click", event => {
  const button = event.target.closest("button, path[data-runs]");
  if (!button) return;
  element.querySelectorAll("button[aria-pressed]").forEach(b => b.setAttribute("aria-pressed", b === button));
  if (button.dataset.meanwhile) {
    button.disabled = true;
    button.textContent = button.dataset.meanwhile;
  }
  trigger("select", { ...button.dataset });
});
