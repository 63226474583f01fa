// Train, Stop and this button stand in a bar at the foot of a narrow page, where the curves come first and the set-up below them.
// It leads to the one or the other, whichever is not in sight. Where the page goes after a press of Train, and of one of the
// buttons under the curves, stands here as well.
const button = element.querySelector("button"), bar = element.closest("#bar");
const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
const isNarrow = () => matchMedia("(max-width: 1099px)").matches;
const go = (to, block = "start") => document.querySelector(to)?.scrollIntoView({ block, behavior });
const drawn = () => new Promise(done => setTimeout(done, 120));          // until Gradio has put the answer on the page

const middle = new IntersectionObserver(([entry]) => {
  button.textContent = entry.isIntersecting ? "Set-up" : "Curves";
}, { rootMargin: "-45% 0px -45% 0px" });
drawn().then(function look() {                                            // the curves may be put onto the page after this bar
  const stage = document.querySelector("#stage");
  if (stage) middle.observe(stage);
  else drawn().then(look);
});
button.addEventListener("click", () => go(button.textContent === "Set-up" ? "#controls" : "#stage"));

// A button that can no longer be pressed loses the focus: whoever pressed Train goes on at Stop, and back at the end.
let last = null;
document.addEventListener("focusin", event => { last = event.target; });
new MutationObserver(async () => {
  const [left, next] = ["#train", "#stop"].map(id => bar.querySelector(id)).sort((a, b) => (b === last) - (a === last));
  if (left !== last || !left.disabled) return;
  await drawn();
  if (left.disabled && !next.disabled && [document.body, left].includes(document.activeElement)) next.focus({ preventScroll: true });
}).observe(bar, { subtree: true, attributeFilter: ["disabled"] });

window.reglabBar = {
  async afterTrain() {
    await drawn();
    const refused = document.querySelector("#notice .warning");
    if (isNarrow()) go(refused ? "#notice" : "#stage", refused ? "center" : "start");
  },
  async afterNext() {
    await drawn();
    const refused = document.querySelector("#notice .warning"), note = document.querySelector("#notice [data-control]");
    if (refused) return go("#notice", "center");
    if (!note) return isNarrow() && go("#stage");
    const control = document.getElementById(note.dataset.control);
    const seen = control?.checkVisibility() ? control : note;
    seen.scrollIntoView({ block: "center", behavior });
    seen.classList.add("reglab-changed");
    setTimeout(() => seen.classList.remove("reglab-changed"), 4000);
  },
};
