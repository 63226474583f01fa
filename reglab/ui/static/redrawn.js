// A drawing that comes anew, since a run has gone on, is as its reader left it: what was open or closed, how far a table was
// scrolled, and where the keyboard was. A piece is known by its runs, its label or its text. A form that folds is as it was drawn:
// closed once it has done its work, open with what was typed if that was refused.
const folds = new Map(), scrolls = new Map();
let focused = null;                                // [kind, name, which of those], nothing once the mouse was pressed elsewhere
const nameOf = piece => piece.dataset.runs || piece.ariaLabel || piece.textContent.trim();
const alike = (kind, name) => [...element.querySelectorAll(kind)].filter(piece => nameOf(piece) === name);

element.addEventListener("toggle", ({ target }) => {
  if (target.isConnected && target.matches("details:not(:has(form))")) folds.set(nameOf(target.querySelector("summary")), target.open);
}, true);
element.addEventListener("scroll", ({ target }) => {
  if (target.isConnected && target.ariaLabel) scrolls.set(target.ariaLabel, [target.scrollLeft, target.scrollTop]);
}, true);
addEventListener("pointerdown", () => { focused = null; });
addEventListener("focusin", ({ target }) => {
  if (!element.contains(target)) return void (focused = null);
  const [kind, name] = [target.localName, nameOf(target)];
  focused = [kind, name, alike(kind, name).indexOf(target)];
});

watch("value", () => {
  for (const fold of element.querySelectorAll("details:not(:has(form))")) {
    fold.open = folds.get(nameOf(fold.querySelector("summary"))) ?? fold.open;
  }
  for (const table of element.querySelectorAll("[tabindex][aria-label]")) {
    if (scrolls.has(table.ariaLabel)) table.scrollTo(...scrolls.get(table.ariaLabel));
  }
  const at = document.activeElement, hidden = element.contains(at) && at.closest("details:not([open])");
  if (!focused || !(hidden || at === document.body)) return;
  const [kind, name, which] = focused;
  const piece = alike(kind, name)[which];
  (piece?.closest("details:not([open])")?.querySelector("summary") ?? piece)?.focus({ preventScroll: true });
});
