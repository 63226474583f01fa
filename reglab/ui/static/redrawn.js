// A drawing that comes anew, since a run has gone on, is as its reader left it: what was open or closed, how far a table was
// scrolled, and where the keyboard was. A piece is known by its runs, its label or its text.
const folds = new Map(), scrolls = new Map();
let focused = null;                                // [kind, name, which of those], nothing once the mouse was pressed elsewhere
const nameOf = piece => piece.dataset.runs || piece.ariaLabel || piece.textContent.trim();
const alike = (kind, name) => [...element.querySelectorAll(kind)].filter(piece => nameOf(piece) === name);

element.addEventListener("toggle", ({ target }) => {
  if (target.isConnected && target.localName === "details") folds.set(nameOf(target.querySelector("summary")), target.open);
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
  for (const fold of element.querySelectorAll("details")) {
    fold.open = folds.get(nameOf(fold.querySelector("summary"))) ?? fold.open;
  }
  for (const table of element.querySelectorAll("[tabindex][aria-label]")) {
    if (scrolls.has(table.ariaLabel)) table.scrollTo(...scrolls.get(table.ariaLabel));
  }
  if (!focused || document.activeElement !== document.body) return;
  const [kind, name, which] = focused;
  alike(kind, name)[which]?.focus({ preventScroll: true });
});
