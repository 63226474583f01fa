// The list of runs of the Results tab. Gradio runs this as the body of a function that is given `element`, `props`, `trigger`
// and `watch`. What the server sends: {rows: [{id, name, what, whose, status, when, val, gap, seed, set_up}, ...] newest first,
// groups: [[what it is, name], ...], chosen: [id, ...], followed, trash: {id, name, runs} or null}. What it gets: {chosen, followed}.
const MOST = 100;                                  // rows that are drawn before somebody asks for all of them
const part = selector => element.querySelector(selector);
const all = part("details"), search = part("#runs-search"), group = part("#runs-group"), bySetUp = part("#runs-by-set-up");
const body = part("tbody"), more = part(".more"), spoken = part("output");
const isNarrow = matchMedia("(max-width: 899px)"); // there the list stands above what it chooses, and folds away
const orders = { val: line => line.val === null ? Infinity : -line.val, gap: line => line.gap === null ? Infinity : line.gap };
let rows = [], chosen = new Set(), followed = [], sort = "when", everything = false;
let asked = "", isAsking = false;                   // the group that was chosen, and whether the answer is under way
// A page may be opened by an address that names runs: they win over what the server would choose.
const address = new URLSearchParams(location.search);
let wished = address.get("tab") === "results" ? (address.get("run") || "").split(",") : [];

const mean = (of, key) => {
  const found = of.map(row => row[key]).filter(Number.isFinite);
  return found.length ? found.reduce((sum, each) => sum + each, 0) / found.length : null;
};
const percent = share => share === null ? "" : `${(share * 100).toFixed(1)} %`;
const points = share => share === null ? "" : (share * 100).toFixed(1).replace("-", "\u2212");
const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });

// ---- what stands in the list
// A row stands for one run, or for one person's runs that differ in nothing but their seed.
function lines() {
  const found = new Map();
  for (const row of rows) {
    const key = bySetUp.checked ? row.set_up : row.id;
    found.set(key, [...(found.get(key) || []), row]);
  }
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const told = [...found.values()].map(of => ({ of, name: of.length > 1 ? of[0].what : of[0].name, val: mean(of, "val"), gap: mean(of, "gap") }));
  const hits = told.filter(line => words.every(word => line.of.some(row => row.words.includes(word))));
  const order = orders[sort];                      // newest first is how they come
  return order ? hits.sort((a, b) => order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0) : hits;
}

function draw() {
  const hits = lines(), shown = everything ? hits : hits.filter((line, n) => n < MOST || line.of.some(row => chosen.has(row.id)));
  body.replaceChildren(...shown.map(drawn));
  part(".none").hidden = hits.length > 0;
  part(".none").textContent = rows.length ? "No run matches." : "There is no run yet: train one first.";
  more.hidden = shown.length === hits.length;
  more.textContent = `Show all ${hits.length.toLocaleString("en")}`;
  mark();
}

function drawn(line) {
  const row = document.createElement("tr"), first = line.of[0], alone = line.of.length === 1;
  const box = made("input", "", { type: "checkbox", ariaLabel: `Choose ${line.name}` });
  const name = made("button", line.name, { type: "button", className: "name", title: "See this alone" });
  const about = made("small", "");
  const statuses = [...new Set(line.of.map(each => each.status))];
  const status = made("span", statuses.join(", "), { className: `status ${statuses.includes("failed") ? "failed" : ""}` });
  const seeds = alone ? (first.seed && !line.name.endsWith(`seed ${first.seed}`) ? `seed ${first.seed}` : "") : `mean of ${line.of.length} runs`;
  const told = [first.whose, seeds].filter(Boolean).map(text => made("span", text));
  if (status.textContent !== "finished") told.unshift(status);
  if (first.when) told.push(made("time", first.when, { dateTime: first.when }));   // times.js writes it out
  about.append(...told.flatMap((each, n) => n ? [" · ", each] : [each]));
  const what = made("td", "");
  what.append(name);
  if (!line.name.startsWith(first.what)) what.append(made("small", first.what));
  what.append(about);
  const cells = [made("td", ""), what, made("td", percent(line.val)), made("td", points(line.gap))];
  const target = made("label", "");                // large enough to be hit
  target.append(box);
  cells[0].append(target);
  row.append(...cells);
  row.of = line.of.map(each => each.id);
  row.dataset.runs = row.of.join(" ");
  return row;
}

// Which rows are chosen, without drawing any anew.
function mark() {
  for (const row of body.rows) {
    const box = row.querySelector("input"), n = row.of.filter(id => chosen.has(id)).length;
    box.checked = n === row.of.length;
    box.indeterminate = n > 0 && !box.checked;
    row.classList.toggle("chosen", n > 0);
  }
  const names = [...new Set(rows.filter(row => chosen.has(row.id)).map(row => row.name))];
  const several = chosen.size > names.length || names.length > 2;
  part("summary span").textContent = chosen.size === 1 ? "1 run:" : `${chosen.size} runs:`;
  part("[data-part=chosen]").textContent = !names.length ? "none chosen" : several ? `${names[0]} …` : names.join(" and ");
}

// ---- what is chosen
const view = () => document.querySelector("#results-views > .tab-wrapper [aria-selected=true]")?.dataset.tabId;

function choose(ids, tell = true) {
  chosen = new Set(ids);
  mark();
  keep();
  if (!tell) return;
  group.value = asked = "";                        // other runs than those of a group
  trigger("input", { view: view() });
  spoken.textContent = chosen.size === 1 ? "1 run is chosen." : `${chosen.size} runs are chosen.`;
}

const known = ids => ids.filter(id => rows.some(row => row.id === id));

function keep() {
  props.value = JSON.stringify({ chosen: [...chosen], followed });
  window.reglabAddress?.({ run: [...chosen].slice(0, 20).join(",") }, "results");
}

body.addEventListener("change", event => {
  const { of } = event.target.closest("tr");
  choose(event.target.checked ? [...chosen, ...of] : [...chosen].filter(id => !of.includes(id)));
});
body.addEventListener("click", event => {
  const name = event.target.closest("button.name");
  if (!name) return;
  choose(name.closest("tr").of);
  if (!isNarrow.matches) return;
  all.open = false;
  all.scrollIntoView({ block: "start" });
});
part("thead").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  sort = button.dataset.sort;
  for (const head of element.querySelectorAll("th[aria-sort]")) {
    head.ariaSort = !head.contains(button) ? "none" : sort === "gap" ? "ascending" : "descending";
  }
  draw();
});
search.addEventListener("input", draw);
bySetUp.addEventListener("change", draw);
more.addEventListener("click", () => { everything = true; draw(); });
// The box goes on saying which group it is, or the arrow keys, which choose at every press, would begin anew each time.
function chooseGroup() {
  asked = group.value;
  isAsking = asked !== "";
  if (isAsking) trigger("select", { do: "group", group: asked });
}
group.addEventListener("change", chooseGroup);
part(".trash").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button) trigger("select", { ...button.dataset });
});
part("#host form")?.addEventListener("submit", event => {
  event.preventDefault();
  const key = part("#host-key");
  window.reglabHost(key.value);                    // which sends it along as a header from now on
  key.value = "";
  trigger("select", { do: "greet" });
});
addEventListener("reglab-address", event => {      // somebody went back to an address
  const named = event.detail.tab === "results" ? known((event.detail.run || "").split(",")) : [];
  if (named.length && named.join() !== [...chosen].join()) choose(named);
});
isNarrow.addEventListener("change", () => { all.open = !isNarrow.matches; });

// ---- what the server says
function take() {
  let told = {};
  try { told = JSON.parse(props.value || "{}"); } catch { return; }
  if (!told.rows) return;                          // what this list has sent itself
  rows = told.rows.map(row => ({ ...row, words: [row.name, row.what, row.whose, row.status].join(" ").toLowerCase() }));
  followed = told.followed;
  const wanted = isAsking || told.chosen.join() === [...chosen].join() ? group.value : "";
  group.replaceChildren(made("option", "Choose a group …", { value: "" }),
    ...told.groups.map(([what, name]) => made("option", what, { value: name })));
  group.value = told.groups.some(([, name]) => name === wanted) ? wanted : "";
  group.hidden = !told.groups.length;
  part(".trash").hidden = !told.trash;
  if (told.trash) {
    part("#bring-back").textContent = `Bring back “${told.trash.name}”`;
    part("#bring-back").dataset.run = told.trash.id;
    part("#empty-trash").textContent = told.trash.runs > 1 ? `Empty the trash (${told.trash.runs} runs)` : "Empty the trash";
  }
  const named = known(wished), others = named.length > 0 && named.join() !== told.chosen.join();
  wished = [];
  chosen = new Set(others ? named : told.chosen);
  draw();
  choose(chosen, others);
  if (others) body.querySelector(".chosen").scrollIntoView({ block: "nearest" });
  else trigger("filled", { view: view() });
  isAsking = false;
  if (group.value !== asked) chooseGroup();        // another one was chosen while the answer was under way
}

all.open = !isNarrow.matches;
watch("value", take);
take();
