// <articles-populaires src site boards windows limit fallback distinct max-per own-article refresh lang heading theme>:
// lists of popular articles.
// Publication puts the style, the words and the row in where comments name their files (tests/support/published_scripts.py).
(() => {
  const TAG = "articles-populaires";
  if (customElements.get(TAG)) return;
  const WORDS = /* words.json */ {};
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(/* block.css */ "");
  const NBSP = "\u00a0";
  const GIVE_UP_MS = 10_000;
  const SLOWEST_S = 300;
  const KEPT = 24;
  const DAY_MS = 86_400_000;
  const UNITS = { m: "minute", h: "hour", d: "day" };

  // Last known answers by address, newest first. A reload finds them again, for a day; where a page may not store
  // anything, memory has them.
  let known = [];
  try {
    const day = Date.now() - DAY_MS;
    known = JSON.parse(sessionStorage.getItem(TAG)).filter(([, list]) => list.items.map && Date.parse(list.as_of) > day);
  } catch {}
  const recall = (address) => known.find(([at]) => at === address)?.[1];
  const remember = (address, list) => {
    known = [[address, list], ...known.filter(([at]) => at !== address)].slice(0, KEPT);
    try {
      sessionStorage.setItem(TAG, JSON.stringify(known));
    } catch {}
  };

  const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);

  function speak(lang) {
    const words = WORDS[lang];
    const numbers = new Intl.NumberFormat(lang);
    const tenths = new Intl.NumberFormat(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    const plural = new Intl.PluralRules(lang);
    const month = new Intl.DateTimeFormat(lang, { month: "long", timeZone: "UTC" });
    const counted = (number, forms) => numbers.format(number) + NBSP + (forms[plural.select(number)] ?? forms.other);
    const ago = (...parts) => fill(words.ago, { age: parts.filter(Boolean).join(NBSP) });
    return {
      words,
      counted,
      /** "il y a 5 heures 10 min"; after 60 days a date, which is that of UTC, as the fragment has it. */
      age(moment) {
        const minutes = Math.floor((Date.now() - moment) / 60_000);
        const hours = Math.floor(minutes / 60);
        const days = Math.floor(hours / 24);
        const rest = minutes % 60 && counted(minutes % 60, words.units.minute);
        if (minutes < 1) return words.now;
        if (hours < 1) return ago(rest);
        if (days < 1) return ago(counted(hours, words.units.hour), rest);
        if (days <= 60) return ago(counted(days, words.units.day));
        const date = new Date(moment);
        const day = date.getUTCDate();
        return fill(words.date, {
          day: day > 1 ? day : words.first,
          month: month.format(date),
          year: date.getUTCFullYear(),
        });
      },
      /** How many times the expected count: "× 4,2". */
      times: (number) => "×" + NBSP + tenths.format(number),
      /** "24h" is "24 heures"; a name that says no length stays. */
      period(name) {
        const [, number, unit] = /^(\d+)([mhd])$/.exec(name) ?? [];
        return unit ? counted(+number, words.units[UNITS[unit]]) : name;
      },
    };
  }

  /* row.js */

  const place = ({ hostname, pathname }) => decodeURI(hostname.replace(/^www\./, "") + pathname.replace(/\/+$/, ""));

  /** Whether an item is the article of this page, by its location or a canonical link; pages may have more in the query. */
  function isOwn({ url, article_id: id }) {
    const isAt = (href, address) => {
      try {
        const page = new URL(href);
        const article = new URL(address, url ?? href);
        const { searchParams } = page;
        return (
          place(article) === place(page) &&
          [...article.searchParams].every(([name, value]) => searchParams.getAll(name).includes(value))
        );
      } catch {
        return false; // what is no address is no article's
      }
    };
    const pages = [location, ...document.head.querySelectorAll('link[rel~="canonical" i]')];
    return pages.some(({ href }) => isAt(href, url ?? id) || isAt(href, id));
  }

  class Block extends HTMLElement {
    static observedAttributes =
      "src site boards windows limit fallback distinct max-per own-article refresh lang heading".split(" ");
    // Aborted when the block leaves the page or its attributes change.
    #life;
    #asking;
    #timer;
    #due = 0;
    #failures = 0;

    connectedCallback() {
      // Without src it is a fragment from the server, and stays as it is.
      if (this.hasAttribute("src")) this.#start();
    }

    disconnectedCallback() {
      this.#life?.abort();
      this.#asking?.abort();
      clearTimeout(this.#timer);
      clearInterval(this.clock);
      this.#life = null;
    }

    attributeChangedCallback() {
      if (!this.#life) return;
      this.disconnectedCallback();
      this.connectedCallback();
    }

    #names(name, usual) {
      return (this.getAttribute(name) ?? usual).split(/[\s,]+/).filter(Boolean);
    }

    #is(name) {
      return this.hasAttribute(name) && this.getAttribute(name) !== "false";
    }

    #number(name, usual, least, most) {
      return Math.min(most, Math.max(least, Math.trunc(this.getAttribute(name)) || usual));
    }

    #start() {
      const lang = this.closest("[lang]")?.lang.slice(0, 2).toLowerCase();
      this.language = lang in WORDS ? lang : "fr";
      this.speech = speak(this.language);
      this.limit = this.#number("limit", 10, 1, 50);
      this.windows = this.#names("windows", "24h,7d");
      if (!this.windows.includes(this.period)) this.period = this.windows[0];
      this.#life = new AbortController();
      this.#draw();
      this.#show();
      const { signal } = this.#life;
      document.addEventListener("visibilitychange", () => this.#schedule(), { signal });
      addEventListener("online", () => this.#poll(), { signal });
      this.clock = setInterval(() => this.#tell(), 15_000);
      this.#poll();
    }

    /** Everything but the articles. */
    #draw() {
      const { words, period } = this.speech;
      const heading = this.getAttribute("heading") ?? words.heading;
      const several = this.windows.length > 1;
      const choices = this.windows.map((name) => {
        const input = make("input", { type: "radio", name: "window", value: name });
        input.checked = name === this.period;
        return make("label", {}, input, make("span", { part: "period" }, period(name)));
      });
      const choice = make("div", { part: "switch", role: "radiogroup", "aria-label": words.period }, ...choices);
      choice.addEventListener("change", ({ target }) => {
        this.period = target.value;
        this.#show();
        this.#poll();
      });
      this.boards = this.#names("boards", "read,commented,shared").map((name, at) => {
        const id = `board-${at}`;
        const title = words.boards[name] ?? (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");
        const list = make("ol", { part: "list", role: "list" });
        const top = make("div", { part: "board-top" }, make(heading ? "h3" : "h2", { part: "board-heading", id }, title));
        if (!several) top.append(make("span", { part: "period" }, period(this.period)));
        const section = make("section", { part: "board", "aria-labelledby": id }, top, list);
        const blanks = Array.from({ length: this.limit }, () => make("li", { part: "item", "aria-hidden": "true" }));
        return { name, section, list, blanks, rows: new Map() };
      });
      this.status = make("span", { part: "status", role: "status" });
      this.updated = make("span", { part: "updated" });
      const header = make("header", { part: "header" });
      if (heading) header.append(make("h2", { part: "heading" }, heading));
      if (several) header.append(choice);
      const block = make(
        "div",
        { part: "block", lang: this.language },
        ...(heading || several ? [header] : []),
        make("div", { part: "boards" }, ...this.boards.map((board) => board.section)),
        make("p", { part: "note" }, this.updated, this.status),
      );
      const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      root.replaceChildren(block);
    }

    #address(board) {
      const base = new URL(this.getAttribute("src").replace(/\/*$/, "/"), document.baseURI);
      const path = [this.getAttribute("site") ?? "", "popular", board.name, this.period].map(encodeURIComponent).join("/");
      // One place more, so that the page's own article can be left out here: the address is the same on all pages.
      const query = new URLSearchParams({ limit: this.limit + !this.#is("own-article") });
      if (this.#is("fallback")) query.set("fallback", true);
      for (const limit of this.#names("max-per", "")) query.append("max_per", limit);
      for (const other of this.#names("distinct", "")) {
        const list = other.includes("/") ? other : other.replace(":", `/${this.period}:`);
        if (!list.startsWith(`${board.name}/${this.period}:`)) query.append("unless", list);
      }
      return new URL(`v1/${path}?${query}`, base).href;
    }

    async #poll() {
      this.#asking?.abort();
      const asking = (this.#asking = new AbortController());
      const late = setTimeout(() => asking.abort(), GIVE_UP_MS);
      const ask = async (board) => {
        const address = this.#address(board);
        const reply = await fetch(address, { signal: asking.signal, credentials: "omit" });
        if (!reply.ok) throw new Error(reply.status);
        const list = await reply.json();
        if (!Array.isArray(list.items)) throw new Error("no list");
        remember(address, list);
      };
      const asked = await Promise.allSettled(this.boards.map(ask));
      clearTimeout(late);
      if (asking !== this.#asking || !this.#life) return;
      const failed = asked.some(({ status }) => status === "rejected");
      this.#failures = failed ? this.#failures + 1 : 0;
      const usual = this.#number("refresh", 60, 5, 3600);
      const pause = failed ? Math.min(SLOWEST_S, 2 ** this.#failures) : usual;
      // Readers who came together, or lost the server together, do not come back together.
      this.#due = Date.now() + pause * (750 + 500 * Math.random());
      this.#show();
      this.#schedule();
    }

    #schedule() {
      clearTimeout(this.#timer);
      if (!document.hidden) this.#timer = setTimeout(() => this.#poll(), Math.max(0, this.#due - Date.now()));
    }

    #show() {
      for (const board of this.boards) {
        const { section, list, rows, blanks } = board;
        board.data = recall(this.#address(board));
        setAttribute(section, "aria-busy", board.data ? null : "true");
        const listed = board.data?.items ?? [];
        const others = this.#is("own-article") ? listed : listed.filter((item) => !isOwn(item));
        const items = others.slice(0, this.limit);
        const gone = new Set(rows.keys());
        const wanted = items.map((item, at) => {
          gone.delete(item.article_id);
          const row = rows.get(item.article_id) ?? makeRow();
          rows.set(item.article_id, row);
          describe(row, { ...item, rank: at + 1 }, this.#count(item, board.name));
          return row.item;
        });
        for (const id of gone) rows.delete(id);
        if (board.data && !items.length) wanted.push(make("li", { part: "empty" }, this.speech.words.empty));
        wanted.push(...blanks.slice(wanted.length));
        if (wanted.some((item, at) => list.children[at] !== item)) {
          // A link that moves would lose the focus.
          const focused = list.contains(this.shadowRoot.activeElement) && this.shadowRoot.activeElement;
          list.replaceChildren(...wanted);
          if (focused) focused.focus({ preventScroll: true });
        }
      }
      this.#tell();
    }

    /** The count if it is shown, and where the article comes from if it is not from this period. */
    #count({ count, times, origin }, board) {
      const { words, counted, period } = this.speech;
      const about = Number.isFinite(count) ? [counted(count, words.counts[board] ?? words.counts[""])] : [];
      if (Number.isFinite(times)) about[0] = this.speech.times(times);
      if (origin === "latest") about.push(words.latest);
      else if (origin && origin !== this.period) about.push(fill(words.over, { period: period(origin) }));
      return about.join(" ");
    }

    /** What time changes: ages, and whether the lists can be relied on. */
    #tell() {
      const { words, age } = this.speech;
      const lists = this.boards.map((board) => board.data).filter(Boolean);
      const oldest = Math.min(...lists.map((list) => Date.parse(list.as_of)));
      for (const { rows } of this.boards) {
        for (const row of rows.values()) setText(row.age, row.published ? age(row.published) : "");
      }
      let state = "";
      if (this.#failures > 1) state = lists.length ? words.away : words.gone;
      else if (lists.some((list) => list.stale)) state = words.stale;
      else if (lists.some((list) => list.complete === false)) state = words.incomplete;
      setText(this.status, state);
      // Apart from the status, which would be read out again every minute.
      setText(this.updated, Number.isFinite(oldest) ? fill(words.updated, { age: age(oldest) }) : "");
    }
  }

  customElements.define(TAG, Block);
})();
