// Whose page this is: a random key, made once in each browser, goes along with whatever the page asks of its own server, which
// keeps a hash of it beside the runs that it starts. Loaded in the head, after storage.js and before Gradio's own code.
(() => {
  const NAME = "reglab-key", HOST = "reglab-admin", PLAIN = /^[\x20-\x7e]{1,200}$/;
  let mine = "", host = "";

  function keep(where, name, text) {
    try { where.setItem(name, text); } catch { /* full */ }
  }

  function key() {
    const found = localStorage.getItem(NAME) || "";   // each time: a page beside this one may have made it at the same moment
    if (PLAIN.test(found)) return found;
    mine ||= Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
    keep(localStorage, NAME, mine);
    return localStorage.getItem(NAME) || mine;
  }

  // The host's key, as somebody typed it; an empty one forgets it. It lasts as long as this tab.
  window.reglabHost = typed => {
    host = PLAIN.test(typed.trim()) ? typed.trim() : "";
    keep(sessionStorage, HOST, host);
  };

  const plain = window.fetch.bind(window);
  window.fetch = (asked, options) => {
    const to = new URL(asked instanceof Request ? asked.url : asked, location.href);
    if (to.origin !== location.origin) return plain(asked, options);
    const headers = new Headers((options && options.headers) || (asked instanceof Request ? asked.headers : undefined));
    headers.set("X-Reglab-Key", key());
    const admin = sessionStorage.getItem(HOST) || host;
    if (PLAIN.test(admin)) headers.set("X-Reglab-Admin", admin);
    return plain(asked, {...options, headers});
  };
})();
