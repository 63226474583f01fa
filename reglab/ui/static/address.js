// The address says which tab and view are open, and of what: `?tab=results&view=errors&run=ID,ID`, `?tab=learn&entry=dropout`.
// Whoever turns to a tab makes an entry of the browser's history, so Back turns back; a reload opens what the address says,
// which is told to Gradio before it draws anything. `reglabAddress({ run: "ID" })` writes words of the open tab into it, in place
// of those that are there or, with `pushState`, as an entry of the history; after Back, an event `reglab-address` of the window
// brings them along. Loaded in the head, after Gradio's configuration.
(() => {
  const first = "train", own = {};               // tab -> the words that it has in the address
  let turning = 0, wasTouched = false;

  const viewsOf = tab => (tab === first ? "stage-tabs" : `${tab}-views`);
  const tabs = id => [...document.querySelectorAll(`#${id} > .tab-wrapper [role=tab]`)];
  const chosen = id => tabs(id).find(tab => tab.getAttribute("aria-selected") === "true")?.dataset.tabId;

  function said() {
    const { tab = first, view, ...words } = Object.fromEntries(new URLSearchParams(location.search));
    const rest = Object.entries(words).filter(([name]) => name === "run" || name === "entry");
    return { tab, view, words: Object.fromEntries(rest) };
  }

  function open(id, key) {                       // in what Gradio is about to draw
    const all = window.gradio_config?.components || [];
    const box = all.find(component => component.type === "tabs" && component.props.elem_id === id);
    const is = all.find(component => component.type === "tabitem" && component.props.id === key);
    if (box && is) box.props.selected = key;
  }
  const asked = said();
  window.reglabLinked = new URLSearchParams(location.search).has("cfg");   // to a set-up, which means its own numbers
  open("tabs", asked.tab);
  open(viewsOf(asked.tab), asked.view);
  own[asked.tab] = asked.words;

  function write(way) {
    const tab = chosen("tabs");
    if (!tab || turning) return;
    const here = new URL(location.href), views = viewsOf(tab), view = chosen(views);
    const words = { tab, view: view === tabs(views)[0]?.dataset.tabId ? "" : view, ...own[tab] };
    if (tab === first && !words.view) words.tab = "";
    for (const name of ["tab", "view", "run", "entry"]) {
      here.searchParams.delete(name);
      if (words[name]) here.searchParams.set(name, words[name]);
    }
    here.search = here.search.replaceAll("%2C", ",");
    if (here.href === location.href) return;
    history[wasTouched ? way : "replaceState"](history.state, "", here);
    if (window.parent !== window && window.gradio_config?.space_id) {   // a Space, in the page of the Hub
      const theirs = [...here.searchParams.keys()].filter(name => name.startsWith("__"));   // the Hub's own, such as its theme
      theirs.forEach(name => here.searchParams.delete(name));
      window.parent.postMessage({ queryString: here.search, hash: here.hash }, "https://huggingface.co");
    }
  }

  window.reglabAddress = (words, tab = chosen("tabs") || asked.tab, way = "replaceState") => {
    if (words) {
      own[tab] = { ...own[tab], ...words };
      write(way);
    }
    return { tab, ...own[tab] };
  };

  // ---- turning to what the address says
  async function there(find) {
    for (let frames = 0; frames < 300; frames++) {
      const found = find();
      if (found) return found;
      await new Promise(requestAnimationFrame);
    }
    return null;
  }

  async function turn(id, key) {
    const all = await there(() => (tabs(id).length ? tabs(id) : null));
    const tab = all?.find(one => one.dataset.tabId === key) || all?.[0];
    if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
  }

  addEventListener("popstate", async () => {
    const { tab, view, words } = said();
    turning += 1;
    own[tab] = words;
    await turn("tabs", tab);
    const hasViews = tab === first || window.gradio_config?.components.some(c => c.props.elem_id === viewsOf(tab));
    if (hasViews) await turn(viewsOf(tab), view);
    dispatchEvent(new CustomEvent("reglab-address", { detail: { tab, view, ...words } }));
    await new Promise(requestAnimationFrame);
    turning -= 1;
  });

  // ---- lists of tabs by the keyboard: one stop for Tab, arrows within, Enter or space turns to it
  function rove() {
    for (const list of document.querySelectorAll("[role=tablist]")) {
      const all = [...list.querySelectorAll("[role=tab]")];
      const stop = all.find(tab => tab === document.activeElement) || all.find(tab => tab.getAttribute("aria-selected") === "true");
      for (const tab of all) tab.tabIndex = !stop || tab === stop ? 0 : -1;
    }
  }

  document.addEventListener("keydown", event => {
    const tab = event.target.closest?.("[role=tab]"), list = tab?.closest("[role=tablist]");
    if (!list || event.ctrlKey || event.altKey || event.metaKey) return;
    const all = [...list.querySelectorAll("[role=tab]:not([disabled])")], at = all.indexOf(tab);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all[(to + all.length) % all.length].focus();
  });
  document.addEventListener("focusin", event => { if (event.target.closest?.("[role=tablist]")) rove(); });
  document.addEventListener("focusout", event => { if (event.target.closest?.("[role=tablist]")) setTimeout(rove); });

  for (const touch of ["pointerdown", "keydown", "click"]) addEventListener(touch, () => { wasTouched = true; }, true);
  new MutationObserver(() => {
    write("pushState");
    rove();
    setTimeout(rove, 300);                       // views of a tab that was never open are drawn a moment later
  }).observe(document.documentElement, { subtree: true, attributeFilter: ["aria-selected"] });
  addEventListener("reglab-drawn", rove);
})();
