// A press of a button, or of a line that stands for runs, is told to the server with the button's data and what is typed into
// its form, as the event `select` or as the one that the button names; one that takes long says so at once. Enter in a form
// presses its button.
element.addEventListener("click", event => {
  const button = event.target.closest("button:not([popovertarget], [data-copy]), path[data-runs]");
  if (!button) return;
  const beside = button.closest("table, [role=group]") || element;
  if (button.ariaPressed) beside.querySelectorAll("button[aria-pressed]").forEach(b => b.setAttribute("aria-pressed", b === button));
  const typed = button.form ? Object.fromEntries(new FormData(button.form)) : {};
  if (button.dataset.meanwhile) {
    button.disabled = true;
    button.textContent = button.dataset.meanwhile;
  }
  trigger(button.dataset.event || "select", { ...typed, ...button.dataset });
});
element.addEventListener("submit", event => event.preventDefault());
