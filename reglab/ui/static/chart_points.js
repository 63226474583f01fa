// The curves as a table: a row for each epoch, a column for each curve. Filled only while it is open.

function drawPoints() {
  const box = part("points"), whole = box.querySelector("table");
  box.hidden = !charts.some(chart => chart.series.some(series => series.y.length));
  if (!box.open || box.hidden) return;
  write(part("judged"), value.judged);
  const columns = charts.flatMap(chart => chart.series.filter(visible).map(series => ({
    name: `${runs.length > 1 ? `${series.name}, ` : ""}${SPLITS[series.split]} ${chart.name}`, role: series.role,
    at: new Map(series.x.map((x, i) => [x, Number.isFinite(series.y[i]) ? valueOf(chart, series, i) : "–"])),
  })));
  rows(whole.tHead.rows[0], [{ name: epochs.label }, ...columns], headOfPoints, (cell, { name, role }) => {
    set(cell, "data-role", role);
    write(cell, name);
  });
  rows(whole.tBodies[0], epochsSeen(), () => make("tr"), (row, x) => {
    const cells = [tidy(x), ...columns.map(column => column.at.get(x) ?? "")];
    rows(row, cells, () => make(row.children.length ? "td" : "th"), (cell, text, place) => {
      if (!place) set(cell, "scope", "row");
      write(cell, text);
    });
  });
}

function headOfPoints() {
  const cell = make("th");
  cell.scope = "col";
  return cell;
}
