// What stands at the ends of the curves: which run, which split and the value; and in the accuracy the gap, as a bracket
// from a run's validation to its training accuracy. No two labels overlap: they are moved apart, and a thin line leads back.

// What the labels of a chart say, and how wide they may be: the names of the runs where there is room, or as much of them
// as tells them apart. Where there is none, the switches above say which colour is which run.
function wordsOfLabels(chart, seen) {
  const wide = text => ruler.measureText(text).width;
  const splits = Math.max(0, ...seen.map(series => wide(`${series.label} `)));
  const values = wide(chart.name === "accuracy" ? "100.0 %" : view.log ? "0.0001" : "0.000");
  const gap = chart.name === "accuracy" ? wide("gap 100.0 points") : 0;
  const most = chart.width * 0.38 - splits - values;
  const names = runs.length > 1 ? whatDiffers(runs.map(run => run.name)) : [];
  const needed = Math.max(0, ...names.map(name => wide(`${name} `)));
  const fits = needed <= most, cut = !fits && many && most >= 64;
  const shown = fits ? names : cut ? names.map(name => shortened(name, most, wide)) : [];
  const widest = Math.max(splits + values + (fits ? needed : cut ? most : 0), gap);
  const brackets = chart.name === "accuracy" ? 5 * runs.length + 8 : 0;
  return { names: shown, brackets, room: Math.ceil(widest + brackets + 14) };
}

// Of "basic_cnn, dropout 0.3, 5,000 images" and "basic_cnn, dropout 0.5, 5,000 images" the dropout.
function whatDiffers(names) {
  const parts = names.map(name => name.split(", "));
  const own = parts.map(each => each.filter(word => !parts.every(other => other.includes(word))).join(", "));
  return own.every(Boolean) ? own : names;
}

function shortened(name, most, wide) {
  let kept = name;
  while (kept && wide(`${kept}… `) > most) kept = kept.slice(0, -1);
  return kept === name ? name : `${kept.trimEnd()}…`;
}

function drawLabels(chart) {
  const ends = chart.seen.map(series => endOf(chart, series)).filter(Boolean);
  const gaps = chart.name === "accuracy" ? runs.map((_, index) => gapOf(chart, index)).filter(Boolean) : [];
  const far = Math.max(0, ...ends.map(end => end.x), ...tipped(chart.seen).map(({ tip }) => chart.x.at(tip[1][0])));
  const at = far + chart.words.brackets + 10;
  gaps.forEach((gap, place) => { gap.x = gap.at + 7 + 5 * place; });
  const { top, bottom } = chart.box, step = 15;
  const fit = (ends.length + gaps.length) * step <= bottom - top + step;
  const labels = [...ends, ...(fit ? gaps.map(labelOfGap) : [])].sort((a, b) => a.y - b.y);
  apart(labels.map(label => label.y), Math.min(step, (bottom - top) / Math.max(1, labels.length - 1)), top, bottom)
    .forEach((y, place) => { labels[place].to = y; });

  rows(chart.brackets, gaps, () => draft("path"), (path, gap) => {
    set(path, "data-role", gap.role);
    set(path, "d", `M${gap.x - 3} ${gap.from.toFixed(1)}H${gap.x}V${gap.to.toFixed(1)}H${gap.x - 3}`);
  });
  const led = labels.filter(label => Math.abs(label.to - label.y) > 3 || at - label.x > 40);
  rows(chart.leaders, led, () => draft("path"), (path, label) => {
    set(path, "data-role", label.role);
    set(path, "d", `M${(label.x + 5).toFixed(1)} ${label.y.toFixed(1)}L${(at - 4).toFixed(1)} ${label.to.toFixed(1)}`);
  });
  rows(chart.labels, labels, labelOfEnd, (text, label) => {
    set(text, "data-role", label.role);
    set(text, "data-split", label.split);
    place(text, at.toFixed(1), (label.to + 4).toFixed(1));
    label.words.forEach((word, place) => write(text.children[place], word));
  });
}

function labelOfEnd() {
  const text = draft("text");
  text.append(draft("tspan"), draft("tspan"), draft("tspan"));
  return text;
}

// Where a curve ends, and what it has there, or where the reader points: then the label stays and its value changes.
function endOf(chart, series) {
  const last = series.y.findLastIndex(Number.isFinite);
  const y = last < 0 ? NaN : chart.y.at(series.y[last]);
  if (!Number.isFinite(y)) return null;
  const spot = spotOf(series), name = chart.words.names[series.run];
  const said = spot < 0 ? "–" : words(chart, series.y[spot]);
  return { x: chart.x.at(series.x[last]), y, role: series.role, split: series.split, words: [name ? `${name} ` : "", `${series.label} `, said] };
}

function labelOfGap(gap) {
  return { x: gap.x - 4, y: (gap.from + gap.to) / 2, role: gap.role, split: "gap", words: ["", "gap ", gap.text] };
}

// Between the clean training and the validation accuracy of a run, at its latest point or where the reader points.
function gapOf(chart, run) {
  const of = split => chart.seen.find(series => series.run === run && series.split === split);
  const [train, val] = [of("train"), of("val")];
  if (!train || !val || !chart.y) return null;
  const [one, other] = [spotOf(train), spotOf(val)];
  if (one < 0 || other < 0) return null;
  const isLatest = view.cursor === null && view.until === null;
  const difference = points(train.y[one] - val.y[other]), error = Math.hypot(train.se[one], val.se[other]);
  const told = isLatest && list(value.gaps).find(gap => gap.run === run)?.text;
  const spoken = told || (Number.isFinite(error) ? difference.replace(" ", ` ± ${(error * 100).toFixed(1)} `) : difference);
  const behind = isLatest && tipped([train]).length ? train.tip[1][0] : train.x[one];  // the bracket is behind the curve
  const text = spoken.includes("±") ? spoken.replace(" points", "") : spoken;        // no wider than its place
  return { role: train.role, text, spoken, at: chart.x.at(behind), from: chart.y.at(train.y[one]), to: chart.y.at(val.y[other]) };
}

// The places nearest to the wanted ones, which are in order, that are at least `step` apart and within the bounds:
// neighbours that are too close form a block around the middle of their wishes.
function apart(wanted, step, low, high) {
  const blocks = [];
  wanted.forEach((y, place) => {
    let block = { sum: y - place * step, count: 1 };
    while (blocks.length && blocks.at(-1).sum / blocks.at(-1).count >= block.sum / block.count) {
      const before = blocks.pop();
      block = { sum: before.sum + block.sum, count: before.count + block.count };
    }
    blocks.push(block);
  });
  const base = blocks.flatMap(block => Array(block.count).fill(block.sum / block.count));
  const most = high - step * (wanted.length - 1);
  return base.map((y, place) => Math.max(low, Math.min(y, Math.max(low, most))) + place * step);
}
