// Steps through the points of a drawing that the server made, as the live chart does: arrows, Home and End; Escape, or leaving
// it, ends that. What stands at a point is a row of the table below the drawing (points.html). Loaded in the head, once for all.
(() => {
  const plotOf = event => event.target.closest?.(".reglab-plot");
  const texts = row => [...row.cells].map(cell => cell.textContent);
  const rowsOf = plot => [...plot.nextElementSibling.querySelector("tbody").rows];

  function point(plot, row) {                      // at none, it says what it said at first
    const whole = plot.dataset.whole ??= plot.getAttribute("aria-valuetext"), rows = rowsOf(plot);
    const [axis, ...names] = texts(plot.nextElementSibling.querySelector("thead tr")), [where, ...values] = row ? texts(row) : [];
    const told = values.map((value, n) => value && `${names[n]} ${value}`).filter(Boolean);
    plot.toggleAttribute("data-pointing", Boolean(row));
    plot.setAttribute("aria-valuenow", row ? rows.indexOf(row) : rows.length - 1);
    plot.setAttribute("aria-valuetext", row ? `${axis} ${where}: ${told.join(", ")}` : whole);
    if (!row) return;
    const { x } = row.dataset, share = 100 * x / plot.querySelector("svg").viewBox.baseVal.width;
    const reading = plot.querySelector(".reading"), line = plot.querySelector(".cursor");
    reading.textContent = [`${axis} ${where}`, ...told].join("\n");
    reading.style.inset = share < 50 ? `0 auto auto ${share}%` : `0 ${100 - share}% auto auto`;   // where there is more room
    for (const end of ["x1", "x2"]) line.setAttribute(end, x);
  }

  document.addEventListener("keydown", event => {
    const plot = plotOf(event), rows = plot && rowsOf(plot);
    if (!rows?.length) return;
    const last = rows.length - 1, here = "pointing" in plot.dataset ? Number(plot.ariaValueNow) : last + 1;
    const on = Math.min(here + 1, last), back = Math.max(here - 1, 0);
    const to = { ArrowLeft: back, ArrowDown: back, ArrowRight: on, ArrowUp: on, Home: 0, End: last }[event.key];
    if (to === undefined && event.key !== "Escape") return;
    event.preventDefault();
    point(plot, rows[to]);
  });
  document.addEventListener("focusout", event => {
    const plot = plotOf(event);
    if (plot) point(plot);
  });
})();
