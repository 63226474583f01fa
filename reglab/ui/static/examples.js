// A press gives the example to the box for pictures, as if its file had been chosen there.
element.addEventListener("click", async event => {
  const button = event.target.closest("button");
  if (!button) return;
  const blob = await (await fetch(button.querySelector("img").src)).blob();
  const file = new File([blob], `${button.textContent.trim()}.png`, { type: blob.type });
  document.querySelector(".reglab-picture").dispatchEvent(new CustomEvent("given", { detail: file }));
});
