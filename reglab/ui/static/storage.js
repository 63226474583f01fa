// A browser may refuse a page in a frame of another site, such as a Space on the Hub, all that it could remember, by an error at
// every look; Gradio's page then never comes to an end of loading. Here is something to look at, which lasts as long as the page.
// Loaded in the head, before anything looks.
(() => {
  function memory() {
    const kept = new Map();
    return {
      get length() { return kept.size; },
      key: place => [...kept.keys()][place] ?? null,
      getItem: name => kept.get(String(name)) ?? null,
      setItem: (name, value) => { kept.set(String(name), String(value)); },
      removeItem: name => { kept.delete(String(name)); },
      clear: () => { kept.clear(); },
    };
  }

  for (const name of ["localStorage", "sessionStorage"]) {
    try { window[name].getItem(""); } catch { Object.defineProperty(window, name, { configurable: true, value: memory() }); }
  }
})();
