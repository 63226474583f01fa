// Writes the visitor's own time into every <time datetime="...">, whenever one appears. The server knows UTC alone, and what it
// wrote says so. A table that is sorted or scrolled makes its cells anew, so one look at the beginning would not do.
addEventListener("reglab-drawn", () => {
  const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  const tell = () => {
    for (const time of document.querySelectorAll("time[datetime]:not([title])")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      time.title = whole.format(moment);           // with the name of the time zone; and the mark that it was told
      time.textContent = short.format(moment);
    }
  };
  new MutationObserver(tell).observe(document.body, { childList: true, subtree: true });
  tell();
});
