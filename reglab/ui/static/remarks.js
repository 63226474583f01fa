// What is said beside controls: why one is refused, and of a number field what it means or what it is by itself. Gradio runs
// this as the body of a function that is given `props` and `watch`. The value is {id of a control: {error, note, usual, ...}}.
let refused = [], before = {};

function tell(tries = 10) {
  const said = props.value || {}, refusing = !Object.values(said).some(one => !one.error);
  const told = refusing ? { ...before } : {};                       // a refusal says nothing new of the other fields
  for (const id in said) told[id] = { ...(refusing && before[id]), ...said[id] };
  window.reglabTold = told;
  const missing = Object.keys(told).filter(id => !document.getElementById(id));
  for (const field of document.querySelectorAll(".number")) field.parentElement.dispatchEvent(new Event("told"));
  const now = Object.keys(said).filter(id => said[id].error);
  for (const id of refused.filter(id => !now.includes(id))) refuse(id, "");
  for (const id of now) refuse(id, said[id].error);
  refused = now;
  before = Object.fromEntries(Object.entries(told).map(([id, { error, ...rest }]) => [id, rest]));
  if (missing.length && tries) setTimeout(() => window.reglabTold === told && tell(tries - 1), 100);  // not drawn yet
}

function refuse(id, why) {
  const control = document.getElementById(id), input = control?.querySelector("input, textarea");
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
