// <script defer src="https://collect.example/tracker.js"></script> counts one view of the page's article, once it is seen.
// No cookie, no storage, nothing about the reader. The served file is this one. How to use it: docs/tracker/README.md.
(() => {
  const script = document.currentScript;
  if (!script?.src || typeof window.popular === "function") return; // a module, or pasted twice
  const collector = new URL("v1/events", script.src).href; // beside the script, also behind a path
  const LOOK_MS = 250;
  const LOOKS = 20;

  const attribute = (selector, name) => document.querySelector(selector)?.getAttribute(name);
  const path = (url) => {
    try {
      return url && new URL(url, document.baseURI).pathname;
    } catch {}
  };
  const article = () =>
    document.body?.dataset.article ||
    document.documentElement.dataset.article ||
    script.dataset.article ||
    attribute('meta[name="article-id"]', "content") ||
    path(attribute('link[rel="canonical"]', "href")) ||
    path(attribute('meta[property="og:url"]', "content")) ||
    location.pathname;

  const send = (event) => {
    const body = JSON.stringify(event);
    // Before sendBeacon: a page with `Referrer-Policy: no-referrer` would have that say `Origin: null`, which belongs
    // to no site, and it cannot leave cookies out.
    if ("keepalive" in Request.prototype) {
      const how = { method: "POST", keepalive: true, mode: "no-cors", credentials: "omit", referrerPolicy: "origin" };
      fetch(collector, { ...how, body }).catch(() => {}); // not said again: it may have arrived
    } else navigator.sendBeacon(collector, body);
  };
  const popular = (type, id) => {
    try {
      const bot = navigator.webdriver && { agent_class: "bot" };
      send({ article_id: String(id || article()), event_type: type, ...bot });
    } catch {} // counting is never worth an error on the page
  };
  window.popular = popular;

  let viewed; // the article whose view was sent last
  let looks = 0; // how often to look for another one
  let timer;
  const look = () => {
    clearTimeout(timer);
    // A prerendered page is visible a moment before `prerendering` ends; what it sends then is marked, and not counted.
    if (!looks || document.prerendering || document.visibilityState !== "visible") return;
    const id = article();
    if (id !== viewed) {
      looks = 0;
      viewed = id;
      popular("view", id);
    } else if (--looks) timer = setTimeout(look, LOOK_MS);
  };
  // After a navigation inside the page frameworks write the head anew, soon or when the article has arrived.
  const navigated = () => {
    looks = LOOKS;
    clearTimeout(timer);
    timer = setTimeout(look, LOOK_MS);
  };
  const shown = () => {
    looks = 1;
    viewed = undefined;
    look();
  };

  document.addEventListener("visibilitychange", look);
  document.addEventListener("prerenderingchange", look);
  addEventListener("pageshow", (event) => event.persisted && shown()); // from the back/forward cache
  // What navigates before the head is whole, to tidy the address say, makes no view of its own.
  const begin = () => {
    shown();
    // `currentEntry`: elsewhere an element with id="navigation" bears the name.
    if (window.navigation?.currentEntry) navigation.addEventListener("currententrychange", navigated);
    else {
      addEventListener("popstate", navigated);
      for (const name of ["pushState", "replaceState"]) {
        const original = history[name];
        history[name] = function (...given) {
          original.apply(this, given);
          navigated();
        };
      }
    }
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();

  // A form counts when it is sent, anything else when it is clicked; also inside open shadow roots.
  const act = (event) => {
    const nodes = event.composedPath();
    const sent = event.type === "submit";
    const at = nodes.findIndex((node) => node.dataset?.popular && (node.localName === "form") === sent);
    if (at < 0) return;
    const named = nodes.slice(at).find((node) => node.dataset?.article);
    popular(nodes[at].dataset.popular, named?.dataset.article);
  };
  addEventListener("click", act, true);
  addEventListener("submit", act, true);
})();
