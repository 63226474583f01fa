// Whose page this is: a random key, made once in each browser, goes along with whatever the page asks of its own server, which
// keeps a hash of it beside the runs that it starts. Loaded in the head, before Gradio's own code asks for anything.
// A browser that keeps nothing for this page has the key until the page is left.
(() => {
  const NAME = "reglab-key", HOST = "reglab-admin", PLAIN = /^[\x21-\x7e]{1,200}$/;
  let mine = "", host = "";

  function kept(store, name, value) {
    try {
      if (value !== undefined) store().setItem(name, value);
      return store().getItem(name) || "";
    } catch { return ""; }
  }
  const forever = () => localStorage, meanwhile = () => sessionStorage;

  function key() {
    const found = kept(forever, NAME);   // asked for each time: a page beside this one may have made it at the same moment
    if (PLAIN.test(found)) return found;
    mine ||= Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
    return kept(forever, NAME, mine) || mine;
  }

  // The host's key, as somebody typed it; nothing forgets it. It lasts as long as this tab.
  window.reglabHost = typed => {
    host = PLAIN.test(typed.trim()) ? typed.trim() : "";
    kept(meanwhile, HOST, host);
  };

  const plain = window.fetch.bind(window);
  window.fetch = (asked, options) => {
    const to = new URL(asked instanceof Request ? asked.url : asked, location.href);
    if (to.origin !== location.origin) return plain(asked, options);
    const headers = new Headers((options && options.headers) || (asked instanceof Request ? asked.headers : undefined));
    headers.set("X-Reglab-Key", key());
    const admin = kept(meanwhile, HOST) || host;
    if (PLAIN.test(admin)) headers.set("X-Reglab-Admin", admin);
    return plain(asked, { ...options, headers });
  };
})();
