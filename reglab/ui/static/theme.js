// Light, dark, or as the system has it: what somebody chose in the header, else what the address says (`?__theme=dark`, as a
// Space's frame does at every load), else as the system. Loaded in the head; `begin` runs when Gradio's element is there and
// before Gradio's scripts read its theme.
window.reglabTheme = (() => {
  const NAME = "reglab-theme", MODES = ["light", "dark"], dark = matchMedia("(prefers-color-scheme: dark)");
  const known = mode => (MODES.includes(mode) ? mode : "system");
  const asked = () => new URLSearchParams(location.search).get("__theme");
  const mode = () => known(localStorage.getItem(NAME) || asked());

  function show() {
    const is = mode();
    document.body.classList.toggle("dark", is === "dark" || (is === "system" && dark.matches));
    for (const choice of document.querySelectorAll("#theme")) choice.value = is;
  }

  function choose(chosen) {
    try {
      localStorage.setItem(NAME, known(chosen));
    } catch { /* full: it lasts as long as this page */ }
    agree();
    show();
  }

  function agree() {                             // Gradio goes by the address, where it says anything
    const here = new URL(location.href);
    if (!asked() || asked() === mode()) return;
    here.searchParams.set("__theme", mode());
    history.replaceState(history.state, "", here);
  }

  function begin(app) {
    agree();
    if (mode() !== "system") app.setAttribute("theme_mode", mode());
    show();
    const first = document.querySelector("#first-paint");
    const drawn = new MutationObserver(() => {
      if (!document.querySelector("#tabs [role=tab]")) return;
      drawn.disconnect();
      first?.remove();
      show();
      dispatchEvent(new Event("reglab-drawn"));
    });
    drawn.observe(app, { childList: true, subtree: true });
    dark.addEventListener("change", () => setTimeout(show));   // after Gradio, which follows the system of its own accord
  }

  document.addEventListener("change", event => { if (event.target.id === "theme") choose(event.target.value); });
  return { begin, choose, mode };
})();
