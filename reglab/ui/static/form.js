// A form with one value in and out: {name of a field: what was typed, chosen or ticked}. Nothing is read or rounded here: what is
// typed stays as it is typed, and the server says what is wrong with it. Its props: `said`, words of the server for the places
// marked `data-say`, with `refused` {field: why} and whether a button marked `data-able` can be pressed; `options` of its lists.
const form = element.querySelector("form");
const all = (what, from = form) => [...from.querySelectorAll(what)];
let said = {}, told = "";

all("select[data-like]").forEach(list => list.append(...[...form.elements[list.dataset.like].children].map(each => each.cloneNode(true))));

function read() {
  const value = {};
  for (const field of all("[name]")) {
    const { name, type, checked } = field;
    if (type === "radio") value[name] = checked ? field.value : value[name] ?? "";
    else if (type !== "checkbox") value[name] = field.value;
    else if (!field.hasAttribute("value")) value[name] = checked;
    else value[name] = [...(value[name] ?? []), ...(checked ? [field.value] : [])];
  }
  return value;
}

function write(values) {
  for (const field of all("[name]").filter(each => each.name in values)) {
    const value = values[field.name];
    if (field.type === "radio") field.checked = field.value === value;
    else if (field.type === "checkbox") field.checked = field.hasAttribute("value") ? (value || []).includes(field.value) : Boolean(value);
    else if (field.value !== `${value ?? ""}`) field.value = value ?? "";
  }
}

// ---- what depends on what
function show() {
  const now = { ...read(), ...said };
  for (const part of all("[data-when]")) {
    const [name, values] = part.dataset.when.split("=");
    part.hidden = !values.split("|").includes(String(now[name] ?? ""));
  }
  for (const place of all("[data-say]")) {
    const words = said[place.dataset.say] ?? "";
    if ("value" in place && place.tagName !== "BUTTON") place.value = words;
    else if (place.textContent !== words) place.textContent = words;
    (place.closest("[data-around]") || place).hidden = !words;
  }
  for (const line of all("[data-refused]")) {
    const why = said.refused?.[line.dataset.refused] ?? "", field = form.elements[line.dataset.refused];
    if (line.textContent !== why) line.textContent = why;
    if (why) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
  for (const button of all("[data-able]")) button.disabled = !said[button.dataset.able];
  for (const slider of all("[data-for]")) {
    const typed = form.elements[slider.dataset.for];
    slider.value = typed.value || typed.placeholder;
    slider.setAttribute("aria-valuetext", typed.value || typed.placeholder);
  }
}

function commit(event) {
  props.value = read();
  told = JSON.stringify(props.value);
  show();
  trigger(event || "input");
}

// What is typed counts at every stroke, but into a field marked `data-whole` only once it is left.
const isHalf = (field, event) => "whole" in field.dataset !== (event.type === "change");

function take(event) {
  const { dataset, value, selectedOptions, name } = event.target;
  if (isHalf(event.target, event)) return;
  if (dataset.for) form.elements[dataset.for].value = value;
  if (dataset.proposes) form.elements[dataset.proposes].value = selectedOptions[0]?.dataset.usual ?? "";
  commit();
  if (dataset.event) trigger(dataset.event, { name, value });
}
form.addEventListener("input", take);
form.addEventListener("change", take);
form.addEventListener("submit", event => {
  event.preventDefault();
  commit("submit");
});
form.addEventListener("click", event => {
  const button = event.target.closest("button[type=button]");
  if (!button || button.dataset.copy) return;
  if (button.dataset.fill) write(JSON.parse(button.dataset.fill));
  commit();
  trigger("select", { ...button.dataset });
});

// ---- what the server sends
function draw() {
  for (const [name, options] of Object.entries(props.options || {})) {
    const list = form.elements[name], there = JSON.stringify(options);
    if (list.dataset.options === there) continue;
    list.dataset.options = there;
    list.replaceChildren(...options.map(([words, value]) => new Option(words, value)));
    told = "";
  }
  said = props.said || {};
  const value = JSON.stringify(props.value || {});
  if (value !== told) write(props.value || {});
  told = value;
  show();
}
watch(["value", "said", "options"], draw);
draw();
