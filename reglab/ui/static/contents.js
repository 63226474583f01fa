// The list is searched and chosen from without asking the server; `value` is the entry whose page is shown.
const search = element.querySelector("input"), all = element.querySelector("details");
const buttons = [...element.querySelectorAll("button")];
const isNarrow = matchMedia("(max-width: 899px)");   // there the list stands above the page, and folds away
const mark = entry => buttons.forEach(b => b.setAttribute("aria-current", b.dataset.entry === entry));
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(" ");
  buttons.forEach(b => { b.hidden = !words.every(word => b.dataset.words.includes(word)); });
  element.querySelectorAll("section").forEach(s => { s.hidden = !s.querySelector("button:not([hidden])"); });
  element.querySelector(".none").hidden = buttons.some(b => !b.hidden);
  all.open = true;
});
search.addEventListener("keydown", event => {
  if (event.key === "Enter") buttons.find(b => !b.hidden)?.click();
});
element.addEventListener("click", event => {
  const chosen = event.target.closest("button");
  if (!chosen) return;
  mark(chosen.dataset.entry);
  trigger("select", { entry: chosen.dataset.entry });
  all.open = !isNarrow.matches;
  window.scrollTo({ top: 0 });
});
isNarrow.addEventListener("change", () => { all.open = !isNarrow.matches; });
all.open = !isNarrow.matches;
watch("value", () => mark(props.value));
mark(props.value);
