// The legend of a chart: a row for each run, in it a switch with the latest value for each curve.

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
