// Whose page this is: a random key, made once in each browser, goes along with whatever the page asks of its own server, which
// keeps a hash of it beside the runs that it starts. Loaded in the head, before Gradio's own code asks for anything.
(() => {
  const NAME = "reglab-key", HOST = "reglab-admin", PLAIN = /^[\x21-\x7e]{1,200}$/;

  // Where a browser keeps nothing for this page, as in the frame of another site, Gradio's own code would not even begin: what
  // it and this want kept lasts as long as the page.
  function store(name) {
    try {
      window[name].getItem(NAME);
      return window[name];
    } catch {
      const kept = new Map();
      const value = {
        getItem: key => kept.get(String(key)) ?? null, setItem: (key, text) => void kept.set(String(key), String(text)),
        removeItem: key => void kept.delete(String(key)), clear: () => kept.clear(),
        key: place => [...kept.keys()][place] ?? null, get length() { return kept.size; },
      };
      Object.defineProperty(window, name, {value, configurable: true});
      return value;
    }
  }
  const forever = store("localStorage"), meanwhile = store("sessionStorage");
  let mine = "", host = "";

  function keep(where, name, text) {
    try { where.setItem(name, text); } catch { /* full */ }
  }

  function key() {
    const found = forever.getItem(NAME) || "";   // each time: a page beside this one may have made it at the same moment
    if (PLAIN.test(found)) return found;
    mine ||= Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
    keep(forever, NAME, mine);
    return forever.getItem(NAME) || mine;
  }

  // The host's key, as somebody typed it; an empty one forgets it. It lasts as long as this tab.
  window.reglabHost = typed => {
    host = PLAIN.test(typed.trim()) ? typed.trim() : "";
    keep(meanwhile, HOST, host);
  };

  const plain = window.fetch.bind(window);
  window.fetch = (asked, options) => {
    const to = new URL(asked instanceof Request ? asked.url : asked, location.href);
    if (to.origin !== location.origin) return plain(asked, options);
    const headers = new Headers((options && options.headers) || (asked instanceof Request ? asked.headers : undefined));
    headers.set("X-Reglab-Key", key());
    const admin = meanwhile.getItem(HOST) || host;
    if (PLAIN.test(admin)) headers.set("X-Reglab-Admin", admin);
    return plain(asked, {...options, headers});
  };
})();
