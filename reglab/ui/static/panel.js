// The set-up on the Train tab's left. Gradio runs this as the body of a function that is given `element`, `props`, `trigger`
// and `watch`, after panel.py has said what the controls are. The value is described there as well.
//
// The elements are made once, and every value that arrives is written into them: focus and caret stay where they are.
// What is said of controls one by one comes from remarks.js, which finds them by their ids.
const SETUP = window.reglabSetup, make = window.reglabElement, timm = new Set(SETUP.timm);
const state = window.reglabPanel ??= {                // outlives being drawn anew
  values: {}, access: {}, about: "", brought: null, turn: 0, touched: {},   // name -> the turn as of which it was set last
  told: 0,                                          // the turn that the newest answer so far was about
};
const drawn = [];                                   // what writes a value, or whether it is locked, into an element
const folds = {};

// ---- one control
function number(name, spec) {
  const box = make("div", { id: spec.id, class: "control" }), field = { ...spec, called: spec.label }, draws = [];
  window.reglabNumber(box, field, event => event === "input" && touch(name, field.value), (_, draw) => draws.push(draw));
  drawn.push(() => {
    Object.assign(field, { value: state.values[name], locked: isLocked(name) });
    for (const draw of draws) draw();
  });
  return keep(name, box);
}

function choice(name, spec) {
  const select = make("select", { id: `${spec.id}-input`, "aria-describedby": `${spec.id}-hint` },
    ...spec.choices.map(([label, value]) => make("option", { value }, label)));
  select.addEventListener("change", () => touch(name, select.value));
  drawn.push(() => {
    if (select.value !== state.values[name]) select.value = state.values[name];
    select.disabled = isLocked(name);
  });
  return keep(name, make("div", { id: spec.id, class: "control choice" }, label(spec), hint(spec), select));
}

function check(name, spec, kind = "check") {
  const box = make("input", { type: "checkbox", id: `${spec.id}-input`, "aria-describedby": `${spec.id}-hint ${spec.id}-note` });
  box.addEventListener("change", () => touch(name, box.checked));
  drawn.push(() => {
    box.checked = Boolean(state.values[name]);
    box.disabled = isLocked(name);
  });
  return keep(name, make("div", { id: spec.id, class: `control ${kind}` }, box, label(spec), hint(spec), note(spec.id)));
}

const label = spec => make("label", { for: `${spec.id}-input` }, spec.label);
const hint = spec => make("span", { class: "hint", id: `${spec.id}-hint`, title: spec.hint }, spec.hint);
const note = id => make("p", { class: "note", id: `${id}-note`, "aria-live": "polite" });
const isLocked = name => state.access[name] === "locked";
const isHidden = name => state.access[name] === "hidden";

function keep(name, box) {
  drawn.push(() => { box.hidden = isHidden(name); });
  return box;
}

function control(name, spec) {
  return spec.choices ? choice(name, spec) : "usual" in spec ? number(name, spec) : check(name, spec);
}
const controls = names => names.map(name => control(name, SETUP.fields[name]));

// ---- what they stand in
function button(words, attributes, pressed) {
  const made = make("button", { type: "button", ...attributes }, words);
  made.addEventListener("click", pressed);
  return made;
}

// A button that shows and hides what it is about.
function fold(id, words, redraw) {
  return button(words, { "aria-expanded": "false", "aria-controls": id, class: "fold" }, () => {
    folds[id] = !folds[id];
    redraw();
  });
}

const brought = make("p", { id: "brought", "aria-live": "polite" }), about = make("p", { id: "about", "aria-live": "polite" });
const main = make("div", { class: "fields", role: "group", "aria-label": "Data, network and training" }, ...controls(SETUP.main));
main.children[1].after(brought);
const transfer = make("div", { id: "transfer", role: "group", "aria-label": "Pretrained network" },
  make("div", { class: "fields" }, ...controls(SETUP.transfer)), note("transfer"));
const rest = make("div", { id: "more-settings", class: "fields", role: "group", "aria-label": "More settings" },
  ...controls(SETUP.more));
const more = fold(rest.id, "More settings", sight);
const reset = button("Reset to defaults", { id: "reset", class: "quiet" }, () => press({ reset: "all" }));
const recipes = make("div", { id: "presets", role: "group", "aria-label": "Recipes" }, ...SETUP.recipes.map((title, i) =>
  button(title, { id: `preset-${i}` }, () => press({ recipe: title }))));
const find = make("input", { type: "search", placeholder: "Search techniques", "aria-label": "Search techniques" });
const answer = make("output", { "aria-live": "polite" });
find.addEventListener("input", sight);
find.addEventListener("keydown", event => {
  if (event.key !== "Escape") return;
  find.value = "";
  sight();
});

const stays = new Set();                            // what was on once stays in sight, until its group is folded or all is set
const groups = Object.entries(SETUP.groups).map(([title, techniques]) => {
  const id = `group-${title.toLowerCase()}`, count = make("span", { class: "count" });
  const parts = Object.entries(techniques).map(([key, spec]) => technique(key, spec));
  const heading = fold(id, title, () => {
    if (!folds[id]) for (const part of parts) stays.delete(part.key);
    sight();
  });
  heading.append(count);
  const list = make("div", { id }, ...parts.map(part => part.box));
  const box = make("div", { class: "section", role: "group", "aria-label": title }, make("h3", {}, heading), list);
  return { id, heading, count, parts, box };
});

function technique(key, spec) {
  const inside = Object.entries(spec.settings).map(([name, one]) => control(name, one));
  const box = make("div", { class: "technique", id: `technique-${key}` }, check(key, spec, "toggle"),
    ...(inside.length ? [make("div", { class: "settings", role: "group", "aria-label": spec.label }, ...inside)] : []));
  return { key, box, words: `${spec.label} ${spec.hint} ${spec.words}`.toLowerCase(), course: SETUP.course.includes(key) };
}

const toggles = new Set(groups.flatMap(group => group.parts.map(part => part.key)));
const board = make("div", { id: "board" }, make("h2", {}, "Regularizers"), recipes,
  make("div", { id: "search" }, find, answer), about, ...groups.map(group => group.box));
element.replaceChildren(make("h2", {}, "Set-up"), main, transfer, make("div", { class: "line" }, more, reset), rest, board);

// ---- what is in sight
function sight() {
  transfer.hidden = !timm.has(state.values.model);
  more.hidden = SETUP.more.every(isHidden);
  rest.hidden = more.hidden || !folds[rest.id];
  more.setAttribute("aria-expanded", !rest.hidden);
  const locks = Object.keys(state.access);
  recipes.hidden = locks.some(name => toggles.has(name.split(".")[0]));
  reset.hidden = locks.length > 0;
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { id, heading, count, parts, box } of groups) {
    const there = parts.filter(part => !isHidden(part.key));
    for (const part of parts) {
      if (state.values[part.key]) stays.add(part.key);
      const hit = words.length ? words.every(word => part.words.includes(word)) : folds[id] || part.course || stays.has(part.key);
      part.box.hidden = !hit || isHidden(part.key);
    }
    const seen = parts.filter(part => !part.box.hidden).length;
    count.textContent = `, ${there.length} technique${there.length === 1 ? "" : "s"}`;
    heading.setAttribute("aria-expanded", words.length ? seen > 0 : Boolean(folds[id]));
    heading.disabled = words.length > 0;
    box.hidden = words.length ? !seen : !there.length;
    found += seen;
  }
  board.hidden = groups.every(group => group.parts.every(part => isHidden(part.key)));
  answer.textContent = found || !words.length ? "" : `No technique matches “${find.value.trim()}”.`;
}

// ---- in and out
function touch(name, value) {
  state.values[name] = value;
  state.touched[name] = state.turn += 1;
  send();
  sight();
  trigger("input", { changed: name });
  if (SETUP.deciding.includes(name)) press({ changed: name });
}

function send() {
  props.value = JSON.stringify({ values: state.values, asof: state.turn });
}

function press(what) {
  trigger("select", what);
}

function receive() {
  const told = (typeof props.value === "string" ? JSON.parse(props.value) : props.value) || {};
  if ("about" in told) stays.clear();
  const { values = {}, changes, asof, ...rest } = told;
  if (asof === undefined) Object.assign(state, { touched: {}, told: 0 });   // a whole set-up, which answers nothing that was sent
  const at = asof ?? 0, isLate = Boolean(changes) && at < state.told;       // answers may overtake one another
  if (!isLate) Object.assign(state, rest);
  const names = changes ? changes.filter(name => !(state.touched[name] > at)) : Object.keys(values);
  for (const name of names) state.values[name] = values[name];
  if (changes) {
    for (const name of names) state.touched[name] = at;
    state.told = Math.max(state.told, at);
  }
  for (const draw of drawn) draw();
  if (changes && (isLate || at < state.turn)) send();                       // something was set while the answer was under way
  about.textContent = state.about || "";
  about.hidden = !state.about;
  const { sentence = "", ways = [] } = state.brought || {};
  brought.replaceChildren(sentence, ...ways.map(([event, what, words]) => button(words, {}, () => press({ [event]: what }))));
  brought.hidden = !sentence;
  sight();
}

watch("value", receive);
receive();
