// Copies the text of the field that a button names, and says so.
element.addEventListener("click", async event => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = element.querySelector(button.dataset.copy), words = button.textContent;
  text.select();
  const done = await navigator.clipboard?.writeText(text.value).then(() => true, () => false);
  button.textContent = done || document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = words; }, 2000);
});
