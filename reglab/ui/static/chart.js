// Draws the live chart. Gradio runs this file, and after it chart_axes.js, chart_below.js, chart_elements.js and
// chart_legend.js, once for each chart, as the body of one function that is given `element` (our part of the page),
// `props.value` (see chart.py for its shape) and `watch` (tell me when it changes). So the other files hold functions only.
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
