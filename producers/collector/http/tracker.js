/*! Counts one view of the page's article, once it is seen. No cookie, no storage, nothing about the reader. */
// <script defer src="https://collect.example/tracker.js"></script>; how to use it: docs/tracker/README.md.
// What is served is tracker.min.js, without these comments: tests/support/published_scripts.py makes it.
(() => {
  const script = document.currentScript;
  if (typeof window.popular === "function") return; // pasted twice
  // An element with name="currentScript" would stand in for the script.
  if (!(script instanceof HTMLScriptElement && script.src.startsWith("http"))) {
    if (window.popular !== null) {
      window.popular = null;
      console.warn(
        "The tracker of popular articles counts nothing here: it sends to the server it came from, and cannot see which; " +
          'load it as <script defer src="https://…/tracker.js">, neither inlined nor bundled nor as a module.',
      );
    }
    return;
  }
  const collector = new URL("v1/events", script.src).href; // beside the script, also behind a path
  const parameters = script.dataset.query?.match(/\S+/g) || [];
  const framed = top !== window;
  const LOOK_MS = 250;
  const LOOKS = 20;

  const attribute = (selector, name) => document.querySelector(selector)?.getAttribute(name);
  // The path and what data-query names of the query, as they are written; none of about:, file: and the like.
  const address = (url) => {
    try {
      const { protocol, pathname, search } = url && new URL(url, document.baseURI);
      const pairs = search.slice(1).split("&");
      const kept = parameters.map((name) => pairs.find((pair) => new URLSearchParams(pair).get(name))).filter(Boolean);
      return protocol.startsWith("http") && pathname + (kept.length ? "?" : "") + kept.join("&");
    } catch {}
  };
  const article = () => {
    const named = [document.body, document.documentElement, script].map((element) => element?.dataset.article);
    const linked = [attribute('link[rel~="canonical"]', "href"), attribute('meta[property="og:url"]', "content")];
    return (
      [...named, attribute('meta[name="article-id"]', "content")].find((name) => name?.trim()) ||
      [...linked, location.href].map(address).find(Boolean)
    );
  };
  // One for the usual spellings of an article, so that none makes a view of its own; the collector knows the others.
  const form = (id) => {
    try {
      id = decodeURI(id);
    } catch {}
    return id.normalize().replace(/\/+(?=\?|$)/, "");
  };

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
      const article_id = String(id || article() || "").trim();
      const bot = navigator.webdriver && { agent_class: "bot" };
      if (article_id) send({ article_id, event_type: type, ...bot });
    } catch {} // counting is never worth an error on the page
  };
  window.popular = popular;

  let viewed; // the article whose view was sent last
  let looks = 0; // how often to look for another one
  let timer;
  let met = !framed; // whether a frame's page meets what is seen of the outermost page
  const hidden = () => {
    try {
      for (let at = window; at.frameElement; at = at.parent)
        if (!at.frameElement.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) return true;
    } catch {} // another origin's frame, or a browser without it
  };
  const look = () => {
    clearTimeout(timer);
    // A prerendered page is visible a moment before `prerendering` ends; what it sends then is marked, and not counted.
    if (!looks || document.prerendering || document.visibilityState !== "visible") return;
    if (framed) {
      if (!met || innerWidth < 2 || innerHeight < 2) return;
      if (hidden()) return (timer = setTimeout(look, 1000));
    }
    const id = article();
    if (id && form(id) !== viewed) {
      looks = 0;
      viewed = form(id);
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
  if (framed) {
    addEventListener("resize", look);
    const meets = (entries) => {
      met = entries.pop().intersectionRatio > 0;
      look();
    };
    new IntersectionObserver(meets, { threshold: [0, 1e-6] }).observe(document.documentElement);
  }
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
