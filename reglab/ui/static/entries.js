// A list to choose from, searched without asking the server. `value` is the entry whose page is shown; `address` is the name by
// which the address of the page knows it, if it does. One stop for the Tab key; arrows, Home and End go through the list.
const search = element.querySelector("input"), all = element.querySelector("details");
const buttons = [...element.querySelectorAll("button")], shown = () => buttons.filter(b => !b.hidden);
const isNarrow = matchMedia("(max-width: 899px)");   // there the list stands above the page, and folds away

function mark(entry) {
  for (const button of buttons) button.setAttribute("aria-current", button.dataset.entry === entry);
  stop(buttons.find(b => b.dataset.entry === entry && !b.hidden));
}
const marked = () => buttons.find(b => b.ariaCurrent === "true")?.dataset.entry;
function stop(button = shown()[0]) {
  for (const each of buttons) each.tabIndex = each === button ? 0 : -1;
}

search?.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(" ");
  for (const button of buttons) button.hidden = !words.every(word => button.dataset.words.includes(word));
  for (const group of element.querySelectorAll("section")) group.hidden = !group.querySelector("button:not([hidden])");
  element.querySelector(".none").hidden = shown().length > 0;
  all.open = true;
  stop(shown().find(b => b.ariaCurrent === "true"));
});
element.addEventListener("keydown", event => {
  const there = shown(), at = there.indexOf(event.target);
  if (event.target === search && event.key === "Enter") return there[0]?.click();
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: there.length - 1 }[event.key];
  if (to === undefined || (event.target === search ? event.key !== "ArrowDown" : at < 0)) return;
  event.preventDefault();
  if (to < 0 && search) return search.focus();
  stop(there[Math.min(Math.max(to, 0), there.length - 1)]);
  element.querySelector("button[tabindex='0']")?.focus();
});
element.addEventListener("click", event => {
  const chosen = event.target.closest("button");
  if (!chosen) return;
  if (props.address) {                             // Back leads to the one before, whose name the address may not have had yet
    window.reglabAddress?.({ [props.address]: marked() });
    window.reglabAddress?.({ [props.address]: chosen.dataset.entry }, undefined, "pushState");
  }
  mark(chosen.dataset.entry);
  trigger("select", { entry: chosen.dataset.entry });
  all.open = !isNarrow.matches;
  if (isNarrow.matches) window.scrollTo({ top: 0 });
});
// Back, to an entry that was open before.
addEventListener("reglab-address", ({ detail }) => {
  const entry = element.isConnected && props.address && detail[props.address];
  if (entry && entry !== marked() && buttons.some(b => b.dataset.entry === entry)) {
    mark(entry);
    trigger("select", { entry });
  }
});
isNarrow.addEventListener("change", () => { all.open = !isNarrow.matches; });
all.open = !isNarrow.matches;
watch("value", () => mark(props.value));
mark(props.value);
