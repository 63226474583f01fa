// Draws the live chart. Gradio runs this file, and after it the other chart_*.js, once for each chart, as the body of one
// function that is given `element` (our part of the page), `props.value` (see chart.py for its shape), `watch` (tell me when
// it changes) and `trigger` (tell the server). So the other files hold functions only.
//
// Every update writes into elements that are already there: nothing is rebuilt, so hover, focus and switches survive.
// Names of runs are typed by people: text enters through textContent and setAttribute only.

const SPLITS = { train: "training", corrupted: "wrong-label", val: "validation" };   // in the order of the switches
const ruler = document.createElement("canvas").getContext("2d");                     // measures words without a layout
ruler.font = `600 12px ${getComputedStyle(element).fontFamily}`;

// What outlives an update: where the reader points, what they switched off, how far a playback is, what was said last.
const view = {
  cursor: null, hidden: new Set(), log: recall("reglab.log") === "yes", until: null, hint: null, caption: "",
  frame: 0, statuses: null, wasLive: false,
};
const charts = ["accuracy", "loss"].map(makeChart);
let value = {};
let runs = [];
let many = false;         // more than two runs, or three curves each: a row of switches for every run, and names that wrap
let epochs = { label: "epoch", max: 20 };

part("log").checked = view.log;
part("log").addEventListener("change", event => {
  view.log = event.target.checked;
  remember("reglab.log", view.log ? "yes" : "no");
  charts.forEach(drawChart);
});
showHintsOfTheTable();
listenToButtons();
draw();
watch("value", draw);

function draw() {
  value = (typeof props.value === "string" ? JSON.parse(props.value || "{}") : props.value) || {};   // text, see chart.py
  runs = list(value.runs).map((run, index) => ({ ...run, role: run.role || "run", name: run.name || `run ${index + 1}` }));
  many = runs.length > 2 || list(value.accuracy).some(series => series.split === "corrupted");
  set(part("root"), "data-empty", !list(value.accuracy).some(series => list(series.y).length));
  set(part("root"), "data-many", many);
  set(part("root"), "data-over", runs.length > 0 && runs.every(run => run.status === "finished"));
  part("root").style.setProperty("--runs", runs.length);
  write(part("title"), value.title);
  write(part("note"), value.note);
  write(part("doing"), doingInWords());
  epochs = { label: "epoch", max: 20, ...value.x };
  for (const chart of charts) chart.series = ofRun(value[chart.name]).map(readSeries);
  offerPlayback();
  drawSwitches();
  charts.forEach(drawChart);
  drawStrip(part("gaps"), list(value.gaps), 0.6);
  drawStrip(part("memorised"), list(value.memorised), 1);
  part("gaps").hidden = runs.length < 3;              // else they stand in the chart, and so does what is learned by heart
  part("memorised").hidden = runs.length < 3 || !list(value.memorised).length;
  drawProgress();
  drawDiagnosis(ofRun(value.diagnosis));
  drawResults();
  drawNext();
  drawPoints();
  announce();
}

function ofRun(items) {
  return list(items).filter(item => runs[item.run])
    .map(item => ({ ...item, role: runs[item.run].role, name: runs[item.run].name }));
}

function readSeries(series) {
  const y = list(series.y).map(number);
  const split = series.split in SPLITS ? series.split : "val";
  const x = list(series.x).length ? list(series.x) : y.map((_, epoch) => epoch);
  return { ...series, x, y, se: list(series.se).map(number), split, label: series.label || split, key: `${series.run} ${split}` };
}


// ---------------------------------------------------------------------------------------------- one chart

// To the keyboard and to those who hear the page it is a slider over the epochs, whose value says what every curve has there.
function makeChart(name) {
  const figure = element.querySelector(`[data-chart=${name}]`), frame = figure.querySelector(".plot");
  const svg = frame.appendChild(draft("svg", { "aria-hidden": true }));
  const layer = (kind, tag = "g") => svg.appendChild(draft(tag, { class: kind }));
  const chart = {
    name, figure, frame, svg, width: 0, series: [], seen: [],
    rows: layer("grid rows"), columns: layer("grid columns"), base: layer("base", "line"), axis: layer("axis", "text"), changes: layer("changes"),
    cursor: layer("cursor", "line"), leaders: layer("leaders"), brackets: layer("brackets"), tips: layer("tips"), lines: layer("lines"),
    dots: layer("dots"), labels: layer("labels"),
  };
  // The width comes from here and is never asked for while drawing: asking makes the browser lay out the page at once.
  new ResizeObserver(([entry]) => {
    chart.width = entry.contentRect.width;
    drawChart(chart);
  }).observe(frame);
  followPointer(chart);
  return chart;
}

function drawChart(chart) {
  if (!chart.width) return describe(chart);       // in a tab that is not open; the ResizeObserver calls again
  const whole = chart.series.filter(visible);
  const height = charts[0].width < 400 ? 232 : 286;                                  // less on a phone, for both to be alike
  chart.words = wordsOfLabels(chart, whole);
  chart.box = { left: chart.name === "accuracy" ? 42 : 34, right: chart.width - chart.words.room, top: 8 + roomForChanges(), bottom: height - 36 };
  chart.x = acrossAxis(chart, whole);
  chart.y = chart.name === "accuracy" ? accuracyAxis(chart) : view.log ? logAxis(chart, whole) : lossAxis(chart, whole);
  set(chart.svg, "height", height);
  drawGrid(chart);
  drawChanges(chart);
  drawCurves(chart);
  describe(chart);
}

// All that moves: the curves as far as they are played back, and what stands at their ends.
function drawCurves(chart) {
  chart.seen = chart.series.filter(visible).map(played);
  rows(chart.lines, chart.seen, () => draft("path"), (path, series) => {
    set(path, "data-role", series.role);
    set(path, "data-split", series.split);
    set(path, "d", outline(series, chart.x.at, chart.y.at));
  });
  drawTips(chart);
  drawCursor(chart);
}

// How the curves go on within the epoch, which is not over: lighter.
function drawTips(chart) {
  rows(chart.tips, tipped(chart.seen), () => draft("path"), (path, { role, split, tip }) => {
    const [x, y] = [0, 1].map(side => tip.map(point => point[side]));
    set(path, "data-role", role);
    set(path, "data-split", split);
    set(path, "d", outline({ x, y }, chart.x.at, chart.y.at));
  });
}

function tipped(seen) {
  return view.until === null ? seen.filter(series => list(series.tip).length === 2) : [];
}

// The dots sit on the latest point, or where the reader points.
function drawCursor(chart) {
  const x = Math.round(chart.x.at(view.cursor ?? 0)) + 0.5;
  set(chart.cursor, "visibility", view.cursor === null || x > chart.width ? "hidden" : "visible");    // a new run may be shorter
  stretch(chart.cursor, x, chart.box.top, x, chart.box.bottom);
  rows(chart.dots, chart.seen, () => draft("circle"), (dot, series) => {
    const spot = spotOf(series);
    const y = spot < 0 ? NaN : chart.y.at(series.y[spot]);
    set(dot, "data-role", series.role);
    set(dot, "data-split", series.split);
    set(dot, "r", Number.isFinite(y) ? 3 : 0);
    if (!Number.isFinite(y)) return;
    set(dot, "cx", chart.x.at(series.x[spot]).toFixed(1));
    set(dot, "cy", y.toFixed(1));
  });
  drawLabels(chart);
  const moment = chart.figure.querySelector("output");
  set(moment, "data-pointing", view.cursor !== null);
  const latest = tipped(chart.seen).length ? "lighter: within the epoch, still training" : "";
  write(moment, view.cursor !== null ? `${epochs.label} ${tidy(view.cursor)}${errorOf(chart)}` : latest);
}

// The point of a series that is spoken of: the latest one, or the last one at most an epoch before the cursor.
// -1 where there is none: a run that stopped at epoch 7 has nothing to say about epoch 12.
function spotOf(series) {
  let spot = -1;
  for (let i = 0; i < series.x.length; i++) {
    if (Number.isNaN(series.y[i])) continue;
    if (view.cursor === null || (series.x[i] <= view.cursor && series.x[i] > view.cursor - 1)) spot = i;
  }
  return spot;
}

// How far the points that are pointed at may be off: one standard error, the largest of theirs.
function errorOf(chart) {
  const errors = chart.seen.map(series => series.se[spotOf(series)]).filter(Number.isFinite);
  return errors.length ? `, ± ${points(Math.max(...errors))}` : "";
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
  const { left, right, bottom } = chart.box;
  const tick = () => {
    const group = draft("g");
    group.append(draft("line"), draft("text"));
    return group;
  };
  rows(chart.rows, chart.y.ticks, tick, ({ children: [line, text] }, value) => {
    const y = Math.round(chart.y.at(value)) + 0.5;              // on the half pixel a thin line stays thin
    stretch(line, left, y, right, y);
    place(text, left - 8, y + 4);
    write(text, chart.y.words(value));
  });
  rows(chart.columns, chart.x.ticks, tick, ({ children: [line, text] }, value) => {
    const x = Math.round(chart.x.at(value)) + 0.5;
    stretch(line, x, bottom, x, bottom + 4);
    place(text, x, bottom + 17);
    write(text, chart.x.words(value));
  });
  stretch(chart.base, left, bottom + 0.5, right, bottom + 0.5);
  place(chart.axis, (left + right) / 2, bottom + 32);
  write(chart.axis, epochs.label);
}

function describe(chart) {
  const spots = chart.series.map(series => [series, spotOf(series)]).filter(([, spot]) => spot >= 0);
  const told = spots.map(([series, spot]) => `${series.name} ${SPLITS[series.split]} ${valueOf(chart, series, spot)}`);
  const gaps = chart.name === "accuracy" ? runs.map((run, index) => [run.name, gapOf(chart, index)]) : [];
  for (const [name, gap] of gaps) if (gap) told.push(`${name} gap ${gap.spoken}`);
  const last = Math.max(0, ...spots.map(([series, spot]) => series.x[spot]));
  const moment = `${view.cursor === null ? "latest, " : ""}${epochs.label} ${tidy(view.cursor ?? last)}`;
  set(chart.frame, "aria-valuemax", Math.max(0, ...epochsSeen()));
  set(chart.frame, "aria-valuenow", view.cursor ?? last);
  set(chart.frame, "aria-valuetext", told.length ? `${moment}: ${told.join(", ")}` : "nothing yet");
}


// ----------------------------------------------------------------------------------------- pointing at an epoch

function followPointer(chart) {
  const point = event => {
    if (!chart.x) return;
    const wanted = chart.x.back(event.clientX - chart.svg.getBoundingClientRect().left);
    moveCursor(epochsSeen().reduce((best, x) => Math.abs(x - wanted) < Math.abs(best - wanted) ? x : best, Infinity));
  };
  chart.frame.addEventListener("pointermove", point);
  chart.frame.addEventListener("pointerdown", point);
  // A finger that is lifted leaves its reading behind until it taps elsewhere; a mouse that leaves takes it along.
  chart.frame.addEventListener("pointerleave", event => event.pointerType !== "touch" && moveCursor(null));
  chart.frame.addEventListener("blur", () => moveCursor(null));
  chart.frame.addEventListener("keydown", event => {
    const seen = epochsSeen(), last = seen.length - 1;
    const here = view.cursor === null ? last + 1 : seen.findLastIndex(x => x <= view.cursor);
    const on = Math.min(here + 1, last), back = here - 1;
    const to = { ArrowLeft: back, ArrowDown: back, ArrowRight: on, ArrowUp: on, Home: 0, End: last }[event.key];
    if (to === undefined && event.key !== "Escape") return;
    event.preventDefault();
    moveCursor(event.key === "Escape" ? null : seen[Math.max(0, to)]);
  });
}

function moveCursor(epoch) {
  const next = Number.isFinite(epoch) ? epoch : null;
  if (next === view.cursor) return;
  if (next !== null) endPlayback();
  view.cursor = next;
  for (const chart of charts) {
    describe(chart);
    if (chart.width) drawCursor(chart);
  }
}

function epochsSeen() {
  const seen = charts.flatMap(chart => chart.series.filter(visible).flatMap(series => series.x));
  return [...new Set(seen)].sort((a, b) => a - b);
}
