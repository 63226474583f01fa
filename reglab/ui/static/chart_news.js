// What the page says of its runs to those who look elsewhere: aloud, in the title of the browser's tab, and as a notification.

// Said aloud when a run starts, ends or fails, not each second.
function announce() {
  const news = runs.map(run => `${run.name}: ${run.status === "running" ? "running" : statusInWords(run)}`);
  const statuses = runs.map(run => run.status).join();
  if (view.statuses !== null && view.statuses !== statuses) {
    write(part("spoken"), news.join(". "));
    trigger("turned");                                                               // what can be done with them may be another
  }
  view.statuses = statuses;
  if (element.closest("#chart")) tellElsewhere();                                    // not the chart of a lesson
}

function tellElsewhere() {
  const live = runs.some(isLive), ended = view.wasLive && !live && runs.length > 0;
  const share = runs.reduce((sum, run) => sum + doneShare(run), 0) / Math.max(1, runs.length);
  if (live) titled(runs.some(run => run.status === "running") ? `${Math.floor(share * 100)} %` : "Queued");
  else if (ended) titled(runs.every(run => run.status === "finished") ? "Finished" : "Ended");
  else if (document.hasFocus()) titled("");
  if (ended) notify();
  view.wasLive = live;
  part("notifying").hidden = !live || !("Notification" in window);
  part("notify").checked = wantsNotification();
}

// The title begins with the progress; what has ended stands there until somebody comes back to the page.
function titled(news) {
  const own = document.title.replace(/^(\d+ %|Queued|Finished|Ended) · /, "");
  document.title = news ? `${news} · ${own}` : own;
}

function isLive(run) {
  return ["running", "queued", "stalled"].includes(run.status);
}

function doneShare(run) {
  return run.status === "finished" ? 1 : run.epochs > 0 ? Math.min(1, (run.epoch || 0) / run.epochs) : 0;
}

// The permission last: a browser asks another of its processes for it, which takes longer than drawing a curve.
function wantsNotification() {
  return recall("reglab.notify") === "yes" && "Notification" in window && Notification.permission === "granted";
}

// The browser asks the visitor, and only ever after this press.
async function askToNotify(event) {
  const wanted = event.target.checked;
  remember("reglab.notify", wanted ? "yes" : "no");
  const answer = wanted ? await Notification.requestPermission() : "";
  event.target.checked = wanted && answer === "granted";
  write(part("refusal"), wanted && answer !== "granted" ? "Your browser does not allow it for this page." : "");
}

function notify() {
  if (!wantsNotification()) return;
  const body = value.verdict || runs.map(run => `${run.name}: ${statusInWords(run) || run.status}`).join("\n");
  try {
    const note = new Notification(`Training has ended: ${value.title || ""}`, { body, tag: "reglab" });
    note.addEventListener("click", () => window.focus());
  } catch { /* a browser on a phone shows none of a page, only of a service worker */ }
}
