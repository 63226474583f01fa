// The finished example is played back once, on the first visit of a browser, and again whenever somebody asks for it.

// Called with every value. Whoever prefers reduced motion sees the curves at rest, until they press Replay.
function offerPlayback() {
  part("intro").hidden = !value.example;
  if (!value.example) return endPlayback();
  if (view.until !== null || recall("reglab.played") || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  view.until = 0;                                                                    // waits until somebody can see it
  new IntersectionObserver((entries, observer) => {
    if (view.until === 0 && !entries.some(entry => entry.isIntersecting)) return;
    observer.disconnect();
    if (view.until === 0) play();
  }, { threshold: 0.5 }).observe(charts[0].frame);
}

function play() {
  const far = Math.max(1, ...epochsSeen()), lasts = 3200;                            // milliseconds
  let began = null, drawn = -Infinity;
  moveCursor(null);
  remember("reglab.played", "yes");
  view.until = 0;
  write(part("replay"), "Skip");
  const step = now => {
    began ??= now;
    if (now - began >= lasts) return endPlayback();
    view.frame = requestAnimationFrame(step);
    if (now - drawn < 30) return;                                                    // thirty pictures a second are enough
    drawn = now;
    view.until = (now - began) / lasts * far;
    charts.forEach(chart => chart.width && drawCurves(chart));
  };
  cancelAnimationFrame(view.frame);
  view.frame = requestAnimationFrame(step);
}

function endPlayback() {
  if (view.until === null) return;
  cancelAnimationFrame(view.frame);
  view.until = null;
  write(part("replay"), "Replay");
  for (const chart of charts) {
    if (chart.width && chart.y) drawCurves(chart);
    describe(chart);
  }
}

// A series as far as it is played back, with the last piece of its line as far as it has come.
function played(series) {
  if (view.until === null) return series;
  const last = series.x.findLastIndex(x => x <= view.until);
  const x = series.x.slice(0, last + 1), y = series.y.slice(0, last + 1);
  if (last >= 0 && last + 1 < series.x.length) {
    const share = (view.until - series.x[last]) / (series.x[last + 1] - series.x[last]);
    x.push(view.until);
    y.push(series.y[last] + share * (series.y[last + 1] - series.y[last]));
  }
  return { ...series, x, y };
}

function listenToButtons() {
  part("replay").addEventListener("click", () => view.until === null ? play() : endPlayback());
  part("begin").addEventListener("click", () => document.querySelector("#train")?.click());
  part("notify").addEventListener("change", askToNotify);
  part("points").addEventListener("toggle", drawPoints);
}
