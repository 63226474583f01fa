// Which curves are drawn: a switch for each, one for both charts. Names and values stand at the curves themselves.

function drawSwitches() {
  const [box, all] = [part("switches"), charts.flatMap(chart => chart.series)];
  const splits = Object.keys(SPLITS).filter(split => all.some(series => series.split === split));
  box.style.setProperty("--splits", splits.length || 1);
  box.hidden = !runs.length;
  rows(box, runs, () => make("div", make("span")), (row, run, index) => {            // a row also for a run still waiting
    const own = splits.map(split => all.find(series => series.run === index && series.split === split)).filter(Boolean);
    paintName(row.firstChild, run);
    rows(row, own, switchButton, (button, series) => {
      const word = series.label === series.split ? SPLITS[series.split] : series.label;
      button.series = series;
      set(button, "data-role", series.role);
      set(button, "data-split", series.split);
      set(button, "aria-pressed", visible(series));
      set(button, "aria-label", `${series.name}, ${word}`);
      set(button, "title", series.hint);
      button.style.gridColumn = many ? 2 + splits.indexOf(series.split) : "";        // a run may lack one of the curves
      write(button.lastChild, word);
    }, 1);
  });
}

function switchButton() {
  const sample = draft("svg", { width: 22, height: 8, "aria-hidden": true });
  sample.append(draft("line", { x1: 1, x2: 21, y1: 4, y2: 4 }));
  const button = make("button", sample, make("span"));
  button.type = "button";
  button.addEventListener("click", () => {
    view.hidden.delete(button.series.key) || view.hidden.add(button.series.key);
    drawSwitches();
    charts.forEach(drawChart);
    drawPoints();
  });
  return button;
}
