// Draws the live chart. Gradio runs this file once for each chart, as the body of a function that is given
// `element` (our part of the page), `props.value` (see chart.py for its shape) and `watch` (tell me when it changes).
//
// Every update writes into elements that are already there: nothing is rebuilt, so hover, focus and switches survive.
// Names of runs are typed by people: text enters through textContent and setAttribute only.

const HEIGHT = 228;
const EDGE = { top: 8, right: 10, bottom: 36, left: 42 };
const SPLITS = { train: "training", corrupted: "wrong-label", val: "validation" };   // in the order of the legend

// What outlives an update: where the reader points, what they switched on and off, and what was said to them last.
const view = { cursor: null, hidden: new Set(), log: recall("reglab.log") === "yes", statuses: null, hint: null, caption: "" };
const charts = ["accuracy", "loss"].map(makeChart);
let runs = [];
let many = false;         // more than two runs, or three curves each: a legend with a head, and names that wrap
let epochs = { label: "epoch", max: 20 };

part("log").checked = view.log;
part("log").addEventListener("change", event => {
  view.log = event.target.checked;
  remember("reglab.log", view.log ? "yes" : "no");
  charts.forEach(drawChart);
});
showHintsOfTheTable();
draw();
watch("value", draw);

function draw() {
  const value = (typeof props.value === "string" ? JSON.parse(props.value || "{}") : props.value) || {};   // text, see chart.py
  runs = list(value.runs).map((run, index) => ({ ...run, role: run.role || "run", name: run.name || `run ${index + 1}` }));
  const ofRun = items => list(items).filter(item => runs[item.run])
    .map(item => ({ ...item, role: runs[item.run].role, name: runs[item.run].name }));

  many = runs.length > 2 || list(value.accuracy).some(series => series.split === "corrupted");
  set(part("root"), "data-empty", runs.length === 0);
  set(part("root"), "data-many", many);
  part("root").style.setProperty("--runs", runs.length);
  write(part("title"), value.title);
  write(part("note"), value.note);
  epochs = { label: "epoch", max: 20, ...value.x };
  for (const chart of charts) {
    chart.series = ofRun(value[chart.name]).map(readSeries);
    drawChart(chart);
  }
  drawStrip(part("gaps"), list(value.gaps), 0.6);
  drawStrip(part("memorised"), list(value.memorised), 1);
  part("memorised").hidden = !list(value.memorised).length;
  drawProgress();
  drawDiagnosis(ofRun(value.diagnosis));
  drawResults(value);
  announce();
}

function readSeries(series) {
  const y = list(series.y).map(number);
  const split = series.split in SPLITS ? series.split : "val";
  const x = list(series.x).length ? list(series.x) : y.map((_, epoch) => epoch);
  return { ...series, x, y, split, label: series.label || split, key: `${series.run} ${split}` };
}


// ---------------------------------------------------------------------------------------------- one chart

function makeChart(name) {
  const figure = element.querySelector(`[data-chart=${name}]`);
  const svg = figure.appendChild(draft("svg", { role: "img", tabindex: 0, height: HEIGHT }));
  const layer = (kind, tag = "g") => svg.appendChild(draft(tag, { class: kind }));
  const chart = {
    name, figure, svg, width: 0, series: [],
    rows: layer("grid rows"), columns: layer("grid columns"), base: layer("base", "line"), axis: layer("axis", "text"),
    cursor: layer("cursor", "line"), lines: layer("lines"), dots: layer("dots"),
  };
  // The width comes from here and is never asked for while drawing: asking makes the browser lay out the page at once.
  new ResizeObserver(([entry]) => {
    chart.width = entry.contentRect.width;
    drawChart(chart);
  }).observe(svg);
  followPointer(chart);
  return chart;
}

function drawChart(chart) {
  drawLegend(chart);
  describe(chart);
  if (!chart.width) return;                       // in a tab that is not open; the ResizeObserver calls again
  const seen = chart.series.filter(visible);
  chart.x = acrossAxis(chart, seen);
  chart.y = chart.name === "accuracy" ? accuracyAxis() : view.log ? logAxis(seen) : lossAxis(seen);
  drawGrid(chart);
  rows(chart.lines, seen, () => draft("path"), (path, series) => {
    set(path, "data-role", series.role);
    set(path, "data-split", series.split);
    set(path, "d", outline(series, chart.x.at, chart.y.at));
  });
  drawCursor(chart, seen);
}

// The dots sit on the latest point, or where the reader points.
function drawCursor(chart, seen = chart.series.filter(visible)) {
  const x = Math.round(chart.x.at(view.cursor ?? 0)) + 0.5;
  set(chart.cursor, "visibility", view.cursor === null || x > chart.width ? "hidden" : "visible");    // a new run may be shorter
  stretch(chart.cursor, x, EDGE.top, x, HEIGHT - EDGE.bottom);
  rows(chart.dots, seen, () => draft("circle"), (dot, series) => {
    const spot = spotOf(series);
    const y = spot < 0 ? NaN : chart.y.at(series.y[spot]);
    set(dot, "data-role", series.role);
    set(dot, "data-split", series.split);
    set(dot, "r", Number.isFinite(y) ? 3 : 0);
    if (!Number.isFinite(y)) return;
    set(dot, "cx", chart.x.at(series.x[spot]).toFixed(1));
    set(dot, "cy", y.toFixed(1));
  });
}

// The point of a series that the legend speaks of: the latest one, or the last one at most an epoch before the cursor.
// -1 where there is none: a run that stopped at epoch 7 has nothing to say about epoch 12.
function spotOf(series) {
  let spot = -1;
  for (let i = 0; i < series.x.length; i++) {
    if (Number.isNaN(series.y[i])) continue;
    if (view.cursor === null || (series.x[i] <= view.cursor && series.x[i] > view.cursor - 1)) spot = i;
  }
  return spot;
}

function visible(series) {
  return !view.hidden.has(series.key);
}

function outline(series, across, up) {
  let line = "", pen = "M";
  for (let i = 0; i < series.y.length; i++) {
    const y = up(series.y[i]);
    if (Number.isFinite(y)) {
      line += `${pen}${across(series.x[i]).toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    } else pen = "M";
  }
  return line;
}

function drawGrid(chart) {
  const right = chart.width - EDGE.right, bottom = HEIGHT - EDGE.bottom;
  const tick = () => {
    const group = draft("g");
    group.append(draft("line"), draft("text"));
    return group;
  };
  rows(chart.rows, chart.y.ticks, tick, ({ children: [line, text] }, value) => {
    const y = Math.round(chart.y.at(value)) + 0.5;              // on the half pixel a thin line stays thin
    stretch(line, EDGE.left, y, right, y);
    place(text, EDGE.left - 8, y + 4);
    write(text, chart.y.words(value));
  });
  rows(chart.columns, chart.x.ticks, tick, ({ children: [line, text] }, value) => {
    const x = Math.round(chart.x.at(value)) + 0.5;
    stretch(line, x, bottom, x, bottom + 4);
    place(text, x, bottom + 17);
    write(text, chart.x.words(value));
  });
  stretch(chart.base, EDGE.left, bottom + 0.5, right, bottom + 0.5);
  place(chart.axis, (EDGE.left + right) / 2, HEIGHT - 4);
  write(chart.axis, epochs.label);
}

function drawLegend(chart) {
  const legend = chart.figure.querySelector(".legend");
  const splits = Object.keys(SPLITS).filter(split => chart.series.some(series => series.split === split));
  legend.style.setProperty("--splits", splits.length || 1);
  rows(legend.firstElementChild, splits, headOfColumn, (head, split) => {            // seen where there are many curves
    const series = chart.series.find(series => series.split === split);
    set(head, "data-split", split);
    set(head, "title", series.hint);
    write(head.lastChild, series.label);
  }, 1);
  rows(legend, runs, () => make("div", make("span")), (row, run, index) => {         // a row also for a run still waiting
    paintName(row.firstChild, run);
    rows(row, chart.series.filter(series => series.run === index), legendButton, (button, series) => {
      const spot = spotOf(series);
      button.series = series;
      set(button, "data-role", series.role);
      set(button, "data-split", series.split);
      set(button, "aria-pressed", visible(series));
      set(button, "aria-label", `${series.name}, ${SPLITS[series.split]} ${chart.name}`);
      set(button, "title", series.hint);
      button.style.gridColumn = many ? 2 + splits.indexOf(series.split) : "";        // a run may lack one of the curves
      write(button.children[1], series.label);
      write(button.children[2], spot < 0 ? "–" : words(chart, series.y[spot]));
    }, 1);
  }, 1);
  const moment = chart.figure.querySelector("output");
  set(moment, "data-pointing", view.cursor !== null);
  write(moment, view.cursor !== null ? `${epochs.label} ${tidy(view.cursor)}` : chart.series.length ? "latest" : "");
}

function headOfColumn() {
  return make("span", lineSample(), make("span"));
}

function lineSample() {
  const sample = draft("svg", { width: 22, height: 8 });
  sample.append(draft("line", { x1: 1, x2: 21, y1: 4, y2: 4 }));
  return sample;
}

function legendButton() {
  const button = make("button", lineSample(), make("span"), make("span"));
  button.type = "button";
  button.addEventListener("click", () => {
    view.hidden.delete(button.series.key) || view.hidden.add(button.series.key);
    charts.forEach(drawChart);                    // one curve, one switch: hidden in both charts
  });
  return button;
}

function describe(chart) {
  const latest = chart.series.filter(series => series.y.some(Number.isFinite)).map(series => {
    const last = series.y.findLastIndex(Number.isFinite);
    return `${series.name} ${SPLITS[series.split]} ${words(chart, series.y[last])} at ${epochs.label} ${tidy(series.x[last])}`;
  });
  const title = chart.name[0].toUpperCase() + chart.name.slice(1);
  set(chart.svg, "aria-label", `${title}: ${latest.join(", ") || "nothing yet"}.`);
}


// ----------------------------------------------------------------------------------------- pointing at an epoch

function followPointer(chart) {
  const point = event => {
    if (!chart.x) return;
    const wanted = chart.x.back(event.clientX - chart.svg.getBoundingClientRect().left);
    moveCursor(epochsSeen().reduce((best, x) => Math.abs(x - wanted) < Math.abs(best - wanted) ? x : best, Infinity));
  };
  chart.svg.addEventListener("pointermove", point);
  chart.svg.addEventListener("pointerdown", point);
  // A finger that is lifted leaves its reading behind until it taps elsewhere; a mouse that leaves takes it along.
  chart.svg.addEventListener("pointerleave", event => event.pointerType !== "touch" && moveCursor(null));
  chart.svg.addEventListener("blur", () => moveCursor(null));
  chart.svg.addEventListener("keydown", event => {
    const seen = epochsSeen(), last = seen.length - 1;
    const here = view.cursor === null ? last + 1 : seen.findLastIndex(x => x <= view.cursor);
    const to = { ArrowLeft: here - 1, ArrowRight: Math.min(here + 1, last), Home: 0, End: last }[event.key];
    if (to === undefined && event.key !== "Escape") return;
    event.preventDefault();
    moveCursor(event.key === "Escape" ? null : seen[Math.max(0, to)]);
  });
}

function moveCursor(epoch) {
  const next = Number.isFinite(epoch) ? epoch : null;
  if (next === view.cursor) return;
  view.cursor = next;
  for (const chart of charts) {
    drawLegend(chart);
    if (chart.width) drawCursor(chart);
  }
}

function epochsSeen() {
  const seen = charts.flatMap(chart => chart.series.filter(visible).flatMap(series => series.x));
  return [...new Set(seen)].sort((a, b) => a - b);
}


// ------------------------------------------------------------------------------------------------------ axes
// An axis is {ticks, words(value), at(value) -> pixels}.

function acrossAxis(chart, seen) {
  const far = Math.max(1, number(epochs.max) || 0, ...seen.map(series => series.x.at(-1) || 0));
  const wide = chart.width - EDGE.left - EDGE.right;
  return {
    ticks: ticksUpTo(far, Math.min(10, Math.floor(wide / 44)), 1),
    words: tidy,
    at: epoch => EDGE.left + epoch / far * wide,
    back: pixels => (pixels - EDGE.left) / wide * far,
  };
}

function accuracyAxis() {
  return { ticks: [0, 0.2, 0.4, 0.6, 0.8, 1], words: share => `${Math.round(share * 100)} %`, at: upwards(0, 1) };
}

function lossAxis(seen) {
  const high = Math.max(...positives(seen), 0) || 2.5;
  const ticks = ticksUpTo(high, 5);
  const step = ticks[1], top = Math.ceil(high / step - 1e-9) * step;
  if (ticks.at(-1) < top - step / 2) ticks.push(top);
  return { ticks, words: value => value >= 1e5 ? value.toExponential(0) : value.toFixed(decimals(step)), at: upwards(0, top) };
}

function logAxis(seen) {
  const values = positives(seen);
  const low = values.length ? Math.min(...values) : 0.01, high = values.length ? Math.max(...values) : 10;
  const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high));
  const oneTwoFive = range(from - 1, to).flatMap(power => [1, 2, 5].map(digit => Number(`${digit}e${power}`)));
  const start = oneTwoFive.findLast(tick => tick <= low), end = oneTwoFive.find(tick => tick >= high && tick > start) || start * 10;
  const inside = oneTwoFive.filter(tick => tick >= start && tick <= end);
  const decades = inside.filter(tick => Number.isInteger(Math.log10(tick)));
  const ticks = inside.length <= 9 ? inside : decades.filter((_, i) => i % Math.ceil(decades.length / 7) === 0);
  const at = upwards(Math.log10(start), Math.log10(end));
  return {
    ticks,
    words: tick => tick >= 1e-3 && tick < 1e5 ? String(tick) : tick.toExponential(0),
    at: value => value > 0 ? at(Math.log10(value)) : NaN,               // what a log scale cannot show breaks the line
  };
}

function upwards(low, high) {
  const tall = HEIGHT - EDGE.top - EDGE.bottom;
  return value => EDGE.top + (1 - (value - low) / (high - low)) * tall;
}

function positives(seen) {
  return seen.flatMap(series => series.y.filter(value => value > 0 && value < Infinity));
}

// 0, step, 2 step, ... not above `high`; the step is 1, 2 or 5 times a power of ten.
function ticksUpTo(high, wanted, smallest = 0) {
  const rough = Math.max(high / Math.max(1, wanted), smallest);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find(digit => digit * power >= rough * 0.999) * power;
  return range(0, Math.floor(high / step + 1e-9)).map(i => i * step).concat(high < step ? [step] : []);
}

function decimals(step) {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
}


// --------------------------------------------------------------------------------------- below the charts

// A bar for every run, also before its first number comes, so that nothing below has to move.
function drawStrip(strip, items, least) {
  const values = items.map(item => number(item.value)).filter(Number.isFinite);
  const low = Math.min(0, ...values), high = Math.max(least, ...values);
  const percent = value => `${((value - low) / (high - low) * 100).toFixed(2)}%`;
  rows(strip, runs, () => make("div", make("span"), make("i", make("b")), make("span")), (row, run, index) => {
    const item = items.find(item => item.run === index);
    const value = Number.isFinite(number(item?.value)) ? item.value : 0;
    const bar = row.children[1].firstChild;
    paintName(row.firstChild, run);
    set(bar, "data-role", run.role);
    bar.style.left = percent(Math.min(0, value));
    bar.style.right = `calc(100% - ${percent(Math.max(0, value))})`;
    write(row.lastChild, item?.text || "–");
  }, 1);
  strip.hidden = runs.length === 0;
}

function drawProgress() {
  const cells = () => make("div", make("span"), make("i", make("b")), make("span"), make("span"), make("span"), make("small"));
  rows(part("progress"), runs, cells, (row, run) => {
    const [name, track, epoch, speed, end, detail] = row.children;
    const done = run.status === "finished" ? 1 : run.epochs > 0 ? Math.min(1, (run.epoch || 0) / run.epochs) : 0;
    const ofEpochs = Number.isFinite(run.epoch) && run.epochs ? `epoch ${Math.floor(run.epoch)} / ${run.epochs}` : "";
    const inMotion = run.status === "running" || run.status === "finished";
    set(row, "data-status", run.status);
    paintName(name, run);
    set(track.firstChild, "data-role", run.role);
    track.firstChild.style.right = `${(100 - done * 100).toFixed(2)}%`;
    write(epoch, inMotion ? run.preparing || ofEpochs || "starting" : statusInWords(run));
    write(speed, inMotion && run.images_per_second ? `${Math.round(run.images_per_second).toLocaleString("en")} images/s` : "");
    write(end, run.status === "finished" ? "finished" : inMotion && Number.isFinite(run.seconds_left) ? `${clock(run.seconds_left)} left` : "");
    write(detail, [!many && run.detail, run.status !== "failed" && run.message].filter(Boolean).join(" · "));
    set(row, "title", many ? run.detail : null);                                     // five recipes would fill the screen
  });
}

function statusInWords(run) {
  const at = run.epoch >= 1 ? ` at epoch ${Math.floor(run.epoch)}` : "";
  return {
    queued: run.place ? `queued · place ${run.place}` : "queued",
    stopped: `stopped${at}`,
    interrupted: `interrupted${at}`,
    failed: run.message ? `failed: ${run.message}` : `failed${at}`,
  }[run.status] || run.status || "";
}

function drawDiagnosis(items) {
  rows(part("diagnosis"), items, () => make("div", make("span"), make("p", make("b"), make("span"))), (row, item) => {
    const [lead, rest] = splitAtColon(item.text || "");
    paintName(row.firstChild, item);
    set(row, "data-role", item.role);
    set(row, "data-kind", item.kind);
    write(row.lastChild.firstChild, lead);
    write(row.lastChild.lastChild, rest);
  });
}

// "Overfitting since epoch 6: validation loss rose ..." -> the finding, and what it rests on.
function splitAtColon(text) {
  const colon = text.indexOf(":");
  return colon > 0 && colon < 60 ? [text.slice(0, colon + 1), text.slice(colon + 1)] : ["", text];
}

function drawResults(value) {
  const { columns, rows: results, hint, caption } = value.table || {};
  write(part("verdict"), value.verdict);
  view.caption = caption;
  drawCaption();
  rows(element.querySelector("thead tr"), list(columns), () => make("th", make("span")), ({ firstChild: title }, column) => {
    write(title, column);
    set(title, "data-hint", hint?.[column]);
    set(title, "aria-description", hint?.[column]);
    set(title, "tabindex", hint?.[column] ? 0 : null);
  });
  rows(element.querySelector("tbody"), list(results), () => make("tr"), (line, result) => {
    rows(line, list(result.cells), () => make("td"), (cell, text, index) => {
      set(cell, "data-role", index === 0 ? runs[result.run]?.role : null);
      write(cell, text);
    });
  });
  element.querySelector(".scroller").hidden = !list(columns).length;
  part("results").hidden = !list(columns).length && !value.verdict;
}

// The meaning of an underlined column, in the place of the caption: readable with mouse, finger and keyboard,
// and never in front of the numbers it explains.
function showHintsOfTheTable() {
  const head = element.querySelector("thead");
  const show = event => {
    view.hint = event.target.dataset.hint;
    drawCaption();
  };
  const hide = () => {
    view.hint = null;
    drawCaption();
  };
  head.addEventListener("mouseover", show);
  head.addEventListener("focusin", show);
  head.addEventListener("mouseleave", hide);
  head.addEventListener("focusout", hide);
}

function drawCaption() {
  set(part("caption"), "data-hinting", Boolean(view.hint));
  write(part("caption"), view.hint || view.caption);
}

// Said aloud when a run starts, ends or fails, not each second.
function announce() {
  const news = runs.map(run => `${run.name}: ${run.status === "running" ? "running" : statusInWords(run)}`);
  const statuses = runs.map(run => run.status).join();
  if (view.statuses !== null && view.statuses !== statuses) write(part("spoken"), news.join(". "));
  view.statuses = statuses;
}


// --------------------------------------------------------------------------------------------- words and numbers

function words(chart, value) {
  if (chart.name === "accuracy") return `${(value * 100).toFixed(1)} %`;
  const size = Math.abs(value);
  return size >= 1e5 || (size > 0 && size < 1e-3) ? value.toExponential(1) : value.toFixed(size < 10 ? 3 : 1);
}

function tidy(epoch) {
  return String(Math.round(epoch * 100) / 100);
}

function clock(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

function pad(n) {
  return String(n).padStart(2, "0");
}

function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : NaN;
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function range(from, to) {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}


// ----------------------------------------------------------------------------------------------------- the page

function part(name) {
  return element.querySelector(`[data-part=${name}]`);
}

// One child of `parent` for each item, after the first `skip` children: made when missing, kept when there, dropped when too many.
function rows(parent, items, makeOne, fill, skip = 0) {
  while (parent.children.length > items.length + skip) parent.lastElementChild.remove();
  while (parent.children.length < items.length + skip) parent.append(makeOne());
  items.forEach((item, index) => fill(parent.children[index + skip], item, index));
}

function paintName(node, run) {
  set(node, "class", "name");
  set(node, "data-role", run.role);
  set(node, "title", run.name);                   // a long name is cut off with an ellipsis
  write(node, run.name);
}

function make(tag, ...children) {
  const node = document.createElement(tag);
  node.append(...children);
  return node;
}

function draft(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  return node;
}

function stretch(line, x1, y1, x2, y2) {
  set(line, "x1", x1);
  set(line, "y1", y1);
  set(line, "x2", x2);
  set(line, "y2", y2);
}

function place(text, x, y) {
  set(text, "x", x);
  set(text, "y", y);
}

// Both write only what differs: an untouched element costs the browser nothing.
function write(node, text) {
  const next = text === undefined || text === null ? "" : String(text);
  if (node.textContent !== next) node.textContent = next;
}

function set(node, name, value) {
  if (value === undefined || value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// A browser may refuse to remember (private windows, embedded pages): then the switch is simply off next time.
function remember(key, value) {
  try { localStorage.setItem(key, value); } catch { /* see above */ }
}

function recall(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}
