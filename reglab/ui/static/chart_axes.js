// The axes of the charts: their marks and where a value lies.
// An axis is {ticks, words(value), at(value) -> pixels}.

function acrossAxis(chart, seen) {
  const far = Math.max(1, number(epochs.max) || 0, ...seen.map(series => series.x.at(-1) || 0));
  const { left, right } = chart.box, wide = Math.max(1, right - left);
  return {
    ticks: ticksUpTo(far, Math.min(10, Math.floor(wide / 44)), 1),
    words: tidy,
    at: epoch => left + epoch / far * wide,
    back: pixels => (pixels - left) / wide * far,
  };
}

function accuracyAxis(chart) {
  return { ticks: [0, 0.2, 0.4, 0.6, 0.8, 1], words: share => `${Math.round(share * 100)} %`, at: upwards(chart, 0, 1) };
}

function lossAxis(chart, seen) {
  const high = Math.max(...positives(seen), 0) || 2.5;
  const ticks = ticksUpTo(high, 5);
  const step = ticks[1], top = Math.ceil(high / step - 1e-9) * step;
  if (ticks.at(-1) < top - step / 2) ticks.push(top);
  return { ticks, words: value => value >= 1e5 ? value.toExponential(0) : value.toFixed(decimals(step)), at: upwards(chart, 0, top) };
}

function logAxis(chart, seen) {
  const values = positives(seen);
  const low = values.length ? Math.min(...values) : 0.01, high = values.length ? Math.max(...values) : 10;
  const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high));
  const oneTwoFive = range(from - 1, to).flatMap(power => [1, 2, 5].map(digit => Number(`${digit}e${power}`)));
  const start = oneTwoFive.findLast(tick => tick <= low), end = oneTwoFive.find(tick => tick >= high && tick > start) || start * 10;
  const inside = oneTwoFive.filter(tick => tick >= start && tick <= end);
  const decades = inside.filter(tick => Number.isInteger(Math.log10(tick)));
  const ticks = inside.length <= 9 ? inside : decades.filter((_, i) => i % Math.ceil(decades.length / 7) === 0);
  const at = upwards(chart, Math.log10(start), Math.log10(end));
  return {
    ticks,
    words: tick => tick >= 1e-3 && tick < 1e5 ? String(tick) : tick.toExponential(0),
    at: value => value > 0 ? at(Math.log10(value)) : NaN,               // what a log scale cannot show breaks the line
  };
}

function upwards(chart, low, high) {
  const { top, bottom } = chart.box;
  return value => top + (1 - (value - low) / (high - low)) * (bottom - top);
}

function positives(seen) {
  const values = seen.flatMap(series => [...series.y, ...tipped([series]).map(({ tip }) => tip[1][1])]);
  return values.filter(value => value > 0 && value < Infinity);
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
