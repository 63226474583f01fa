// A tour of the page in five steps: a dialog beside what it is about, which has a ring around it. Offered in a quiet line until
// somebody has taken or declined it, and opened again by "?". While it is open, the keyboard and those who hear the page are in
// the dialog; Escape ends it, and the focus is back where it was.
(() => {
  const NAME = "reglab-tour", calm = matchMedia("(prefers-reduced-motion: reduce)");
  const STEPS = [
    ["#stage", "Two networks, one difference",
      "Both see the same images in the same order. One has regularizers, the other has none. Dashed is accuracy on the images it "
      + "trains on, solid on new ones; the space between them is the gap."],
    ["#board, #panel, #controls", "Choose what to change",
      "Switch on dropout, weight decay, batch normalization or any other technique, alone or together. Everything else stays the "
      + "same, so the gap shows what your choice does."],
    ["#train", "Train it yourself",
      "The curves grow epoch by epoch, and a sentence says what they mean. Stop whenever you have seen enough."],
    ["#tab-results-button", "See what came of it",
      "Results keeps your runs: compare them, look at their mistakes and inside the networks, and take a report along."],
    ["#tab-predict-button, #tab-experiments-button, #tab-learn-button", "Then go on",
      "Predict tries a network on your own picture, Experiments asks one question with many runs, and Learn explains each technique "
      + "and has lessons."],
  ];
  let dialog, at = 0;

  const seen = () => localStorage.getItem(NAME) !== null;
  function remember() {
    try {
      localStorage.setItem(NAME, "seen");
    } catch { /* full: it is offered again */ }
    offer();
  }
  function offer() {
    for (const line of document.querySelectorAll("#tour-offer")) line.hidden = seen();
  }

  function made() {
    const box = document.createElement("dialog");
    box.id = "tour";
    box.setAttribute("aria-labelledby", "tour-title");
    box.setAttribute("aria-describedby", "tour-text");
    box.innerHTML = '<p class="step" aria-live="polite"></p><h2 id="tour-title" tabindex="-1"></h2><p id="tour-text"></p>'
      + '<div><button type="button" class="skip"></button><button type="button" class="back">Back</button>'
      + '<button type="button" class="next"></button></div>';
    const does = { skip: close, back: () => show(at - 1), next: () => (at + 1 < STEPS.length ? show(at + 1) : close()) };
    for (const [name, act] of Object.entries(does)) box.querySelector(`.${name}`).addEventListener("click", act);
    box.addEventListener("close", () => {
      unmark();
      remember();
    });
    document.querySelector(".gradio-container").append(box);
    return box;
  }

  const places = () => [...document.querySelectorAll(STEPS[at][0])].filter(place => place.checkVisibility());
  function unmark() {
    for (const place of document.querySelectorAll(".tour-here")) place.classList.remove("tour-here");
  }

  function show(step) {
    at = step;
    const [, title, text] = STEPS[at], last = at + 1 === STEPS.length;
    dialog.querySelector(".step").textContent = `${at + 1} of ${STEPS.length}`;
    dialog.querySelector("h2").textContent = title;
    dialog.querySelector("#tour-text").textContent = text;
    dialog.querySelector(".skip").textContent = "Skip the tour";
    dialog.querySelector(".skip").hidden = last;
    dialog.querySelector(".back").hidden = at === 0;
    dialog.querySelector(".next").textContent = last ? "Done" : "Next";
    unmark();
    for (const place of places()) place.classList.add("tour-here");
    const box = places()[0]?.getBoundingClientRect();
    if (box && (box.top < 0 || box.top > innerHeight / 2)) {
      places()[0].scrollIntoView({ block: box.height > innerHeight / 2 ? "start" : "center", behavior: calm.matches ? "auto" : "smooth" });
    }
    beside();
    dialog.querySelector("h2").focus();
  }

  // Below what it is about or above it, else at the foot of the window, where it always is on a phone.
  function beside() {
    const box = places()[0]?.getBoundingClientRect(), own = dialog.getBoundingClientRect(), edge = 12;
    Object.assign(dialog.style, { inset: "auto", left: "", top: "", bottom: "" });
    if (!box || innerWidth < 640) return;
    const below = box.bottom + edge, above = box.top - edge - own.height;
    const top = below + own.height < innerHeight ? below : above > 0 ? above : innerHeight - own.height - 2 * edge;
    const left = Math.min(Math.max(box.left, edge), innerWidth - own.width - edge);
    Object.assign(dialog.style, { left: `${left}px`, top: `${top}px` });
  }

  async function open() {
    document.querySelector("#tab-train-button")?.click();
    dialog ||= made();
    dialog.showModal();
    await new Promise(requestAnimationFrame);
    show(0);
  }
  function close() { dialog.close(); }

  document.addEventListener("click", event => {
    const asked = event.target.closest?.("[data-tour]")?.dataset.tour;
    if (asked === "open") open();
    if (asked === "never") {
      remember();
      document.querySelector("#tour-again")?.focus();
    }
  });
  for (const moved of ["resize", "scroll"]) addEventListener(moved, () => dialog?.open && beside(), { passive: true });
  addEventListener("reglab-drawn", offer);
})();
