// Below the charts: bars of the gap where the charts have no room for it, progress, diagnosis, results, and what to try next.

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
    const ofEpochs = Number.isFinite(run.epoch) && run.epochs ? `epoch ${epochInWords(run)} / ${run.epochs}` : "";
    const inMotion = run.status === "running" || run.status === "finished";
    set(row, "data-status", run.status);
    paintName(name, run);
    set(track.firstChild, "data-role", run.role);
    track.firstChild.style.right = `${(100 - doneShare(run) * 100).toFixed(2)}%`;
    write(epoch, inMotion ? run.preparing || ofEpochs || "starting" : statusInWords(run));
    write(speed, inMotion && run.images_per_second ? `${Math.round(run.images_per_second).toLocaleString("en")} images/s` : "");
    write(end, run.status === "finished" ? "finished" : inMotion && Number.isFinite(run.seconds_left) ? `${clock(run.seconds_left)} left` : "");
    const isCrowd = runs.length > 2;                                                 // five recipes would fill the screen
    write(detail, [!isCrowd && run.detail, run.status !== "failed" && run.message].filter(Boolean).join(" · "));
    set(row, "title", isCrowd ? run.detail : null);
  });
}

// "2.4" while the third epoch is trained.
function epochInWords(run) {
  return run.status === "running" && run.epoch % 1 ? (Math.floor(run.epoch * 10) / 10).toFixed(1) : Math.floor(run.epoch);
}

function statusInWords(run) {
  const at = run.epoch >= 1 ? ` at epoch ${Math.floor(run.epoch)}` : "";
  return {
    queued: run.place > 1 ? `queued, ${run.place - 1} before it` : run.place ? "queued, next in line" : "queued",
    stopped: `stopped${at}`,
    interrupted: `interrupted${at}`,
    stalled: "not answering: it will be ended if that goes on",
    failed: run.message ? `failed: ${run.message}` : `failed${at}`,
  }[run.status] || run.status || "";
}

// Where there is no point to draw yet: what happens meanwhile.
function doingInWords() {
  if (!runs.length) return part("doing").dataset.invitation;
  return (runs.find(run => run.status === "running") || runs[0]).doing || statusInWords(runs[0]);
}

// The buttons after the end; what they do is the server's, which is told which one was pressed.
function drawNext() {
  const steps = list(value.next);
  part("next").hidden = !steps.length;
  rows(part("next"), steps, nextButton, (button, step) => {
    set(button, "data-next", step.what);
    write(button.firstChild, step.label);
    write(button.lastChild, step.hint);
  }, 1);
}

function nextButton() {
  const button = make("button", make("b"), make("span"));
  button.type = "button";
  button.addEventListener("click", () => {
    trigger("select", { next: button.dataset.next });
    if (button.dataset.next === "seeds" && charts[0].width < 400) part("root").scrollIntoView();     // where they are seen
  });
  return button;
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

function drawResults() {
  const { columns, rows: results, hint, caption } = value.table || {};
  write(part("verdict"), value.verdict);
  view.caption = caption;
  drawCaption();
  rows(part("results").querySelector("thead tr"), list(columns), () => make("th", make("span")), ({ firstChild: title }, column) => {
    write(title, column);
    set(title, "data-hint", hint?.[column]);
    set(title, "aria-description", hint?.[column]);
    set(title, "tabindex", hint?.[column] ? 0 : null);
  });
  rows(part("results").querySelector("tbody"), list(results), () => make("tr"), (line, result) => {
    rows(line, list(result.cells), () => make("td"), (cell, text, index) => {
      set(cell, "data-role", index === 0 ? runs[result.run]?.role : null);
      write(cell, text);
    });
  });
  part("results").querySelector(".scroller").hidden = !list(columns).length;
  part("results").hidden = !list(columns).length && !value.verdict;
}

// The meaning of an underlined column, in the place of the caption: readable with mouse, finger and keyboard,
// and never in front of the numbers it explains.
function showHintsOfTheTable() {
  const head = part("results").querySelector("thead");
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
