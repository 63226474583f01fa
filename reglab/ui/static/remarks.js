// What is said beside controls: why one is refused, what goes with it, and of a number field what it is by itself. Gradio runs
// this as the body of a function that is given `props` and `watch`. The value is {id of a control: {error, note, usual, ...}}.
let refused = [], before = {}, turn = 0;

function tell(tries = 10) {
  const said = props.value || {}, refusing = !Object.values(said).some(one => !one.error);
  const told = refusing ? { ...before } : {};                       // a refusal says nothing new of the other fields
  for (const id in said) told[id] = { ...(refusing && before[id]), ...said[id] };
  // The page may have several such boxes, each for controls of its own.
  const others = Object.entries(window.reglabTold || {}).filter(([id]) => !(id in before));
  window.reglabTold = { ...Object.fromEntries(others), ...told };
  const now = ++turn, missing = Object.keys(told).filter(id => !document.getElementById(id));
  for (const field of document.querySelectorAll(".number-control")) field.parentElement.dispatchEvent(new Event("told"));
  for (const id of new Set([...Object.keys(before), ...Object.keys(told)])) note(id, told[id]?.note || "");
  const wrong = Object.keys(said).filter(id => said[id].error);
  for (const id of refused.filter(id => !wrong.includes(id))) refuse(id, "");
  for (const id of wrong) refuse(id, said[id].error);
  refused = wrong;
  before = Object.fromEntries(Object.entries(told).map(([id, { error, ...rest }]) => [id, rest]));
  if (missing.length && tries) setTimeout(() => now === turn && tell(tries - 1), 100);  // not drawn yet
}

// Number fields write their own, since theirs may also come from whoever made them.
function note(id, words) {
  const line = document.getElementById(`${id}-note`);
  if (line && !line.closest(".number-control")) line.textContent = words;
}

function refuse(id, why) {
  const control = document.getElementById(id), input = control?.querySelector("input, textarea, select");
  if (!input) return;
  let line = control.querySelector(".refused");
  if (!line) {
    line = Object.assign(document.createElement("p"), { className: "refused", id: `${id}-refused`, ariaLive: "polite" });
    control.append(line);
    input.setAttribute("aria-describedby", [input.getAttribute("aria-describedby"), line.id].filter(Boolean).join(" "));
  }
  line.textContent = why;
  if (why) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

watch("value", () => tell());
tell();
