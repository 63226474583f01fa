// Where the page goes: to the curves after a press of Train, to what was refused, and to the control that was set. On a narrow
// page Train and Stop stand in a bar at its foot, where the curves come first and the set-up below them; a button leads from the
// one to the other. Begins with the chart of the Train tab, and waits until the bar is there.
const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
const isNarrow = () => matchMedia("(max-width: 1099px)").matches;
const drawn = () => new Promise(done => setTimeout(done, 120));          // until Gradio has put the answer on the page
let last = null, pressed = 0;                                            // what had the focus, and when Train was pressed

(async () => {
  while (!document.querySelector("#bar #stop") || !document.querySelector("#notice")) await drawn();
  const bar = document.querySelector("#bar");
  bar.append(between());
  new ResizeObserver(() => document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`)).observe(bar);  // a row more while a run trains
  document.addEventListener("focusin", event => { last = event.target; });
  bar.addEventListener("click", event => { if (event.target.closest("#train")) pressed = performance.now(); });
  new MutationObserver(() => followRuns(bar)).observe(bar, { subtree: true, attributeFilter: ["disabled"] });
  new MutationObserver(followNotice).observe(document.querySelector("#notice"), { childList: true, subtree: true, characterData: true });
})();

function go(to, block = "start") {
  to.scrollIntoView({ block, behavior });
}

// The button in the bar: to the set-up while the curves are in the middle of the screen, else to the curves.
function between() {
  const button = document.createElement("button"), stage = document.querySelector("#stage");
  button.type = "button";
  button.id = "jump";
  button.className = "reglab-button";
  button.textContent = "Set-up";
  new IntersectionObserver(([entry]) => {
    button.textContent = entry.isIntersecting ? "Set-up" : "Curves";
  }, { rootMargin: "-45% 0px -45% 0px" }).observe(stage);
  button.addEventListener("click", () => go(button.textContent === "Set-up" ? document.querySelector("#controls") : stage));
  return button;
}

// A button that can no longer be pressed loses the focus: whoever pressed Train goes on at Stop, and back at the end.
async function followRuns(bar) {
  const [train, stop] = ["#train", "#stop"].map(id => bar.querySelector(id));
  if (train.disabled && performance.now() - pressed < 20000) {
    pressed = 0;
    if (isNarrow()) go(document.querySelector("#stage"));
  }
  const [left, next] = last === train ? [train, stop] : [stop, train];
  if (left !== last || !left.disabled) return;
  await drawn();
  if (left.disabled && !next.disabled && [document.body, left].includes(document.activeElement)) next.focus({ preventScroll: true });
}

// What was refused comes into sight; what was set is marked for a moment.
function followNotice() {
  const refused = document.querySelector("#notice .warning"), note = document.querySelector("#notice [data-control]");
  if (refused && isNarrow()) go(refused, "center");
  if (!note) return;
  const control = document.getElementById(note.dataset.control);
  const seen = control?.checkVisibility() ? control : note;
  go(seen, "center");
  seen.classList.add("reglab-changed");
  setTimeout(() => seen.classList.remove("reglab-changed"), 4000);
}
