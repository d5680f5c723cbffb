(() => {
const TAG = "articles-populaires";
if (customElements.get(TAG)) return;
const WORDS = {"fr":{"heading":"Articles populaires","period":"Période","counts":{"read":{"one":"lecture","other":"lectures"},"commented":{"one":"commentaire","other":"commentaires"},"shared":{"one":"partage","other":"partages"},"":{"one":"point","other":"points"}},"units":{"day":{"one":"jour","other":"jours"},"hour":{"one":"heure","other":"heures"},"minute":{"one":"min","other":"min"},"second":{"one":"s","other":"s"}},"ago":"il y a {age}","now":"à l’instant","empty":"Rien encore sur cette période.","incomplete":"Liste incomplète : une partie des vues manque encore.","gone":"Les listes sont indisponibles pour le moment.","boards":{"read":"Les plus lus","commented":"Les plus commentés","shared":"Les plus partagés","latest":"Vient d’être publié"},"latest":"vient d’être publié","over":"sur {period}","updated":"Mis à jour {age}","stale":"Liste en retard.","away":"Connexion perdue : dernière liste connue."},"en":{"heading":"Popular articles","period":"Period","counts":{"read":{"one":"read","other":"reads"},"commented":{"one":"comment","other":"comments"},"shared":{"one":"share","other":"shares"},"":{"one":"point","other":"points"}},"units":{"day":{"one":"day","other":"days"},"hour":{"one":"hour","other":"hours"},"minute":{"one":"min","other":"min"},"second":{"one":"s","other":"s"}},"ago":"{age} ago","now":"just now","empty":"Nothing in this period yet.","incomplete":"This list is incomplete: some views are still missing.","gone":"The lists are not available at the moment.","boards":{"read":"Most read","commented":"Most discussed","shared":"Most shared","latest":"Just published"},"latest":"just published","over":"in {period}","updated":"Updated {age}","stale":"This list is behind.","away":"Connection lost: this is the last known list."}};
const sheet = new CSSStyleSheet();
sheet.replaceSync(":host{display: block;color-scheme: light dark;--ink: var(--articles-ink,light-dark(#1d1b18,#efebe3));--soft: var(--articles-soft,light-dark(#5f5a52,#aaa397));--line: var(--articles-line,light-dark(#dcd7cc,#3d3a35));--paper: var(--articles-paper,light-dark(#fbfaf6,#171614));--accent: var(--articles-accent,light-dark(#a3231c,#ef7d6f));--serif: var(--articles-serif,\"Iowan Old Style\",\"Palatino Linotype\",Palatino,Georgia,\"DejaVu Serif Condensed\",serif);--sans: var(--articles-sans,\"Helvetica Neue\",Arial,\"Liberation Sans\",\"DejaVu Sans Condensed\",sans-serif);}:host([hidden]){display: none;}:host([theme=light]){color-scheme: light;}:host([theme=dark]){color-scheme: dark;}*{box-sizing: border-box;margin: 0;}[part=block]{container-type: inline-size;border-top: 3px solid var(--ink);padding: var(--articles-padding,0);background: var(--paper);color: var(--ink);font: var(--articles-size,1rem)/1.35 var(--sans);}[part=header]{display: flex;flex-wrap: wrap;justify-content: space-between;align-items: baseline;gap: .2em 1.5em;padding: .75em 0 .5em;}[part=heading]{font: 700 1.5em/1.15 var(--serif);letter-spacing: -.01em;}[part=switch]{display: flex;margin-inline: -.525em;}label{position: relative;cursor: pointer;}label + label{border-inline-start: 1px solid var(--line);}input{position: absolute;inset: 0;opacity: 0;cursor: pointer;}[part=period]{display: block;padding: .3em .6em;color: var(--soft);font-size: .875em;white-space: nowrap;}label [part=period]{text-decoration: 2px solid underline transparent;text-underline-offset: .35em;}label:hover [part=period],:checked + [part=period]{color: var(--ink);}:checked + [part=period]{text-decoration-color: var(--accent);}:focus-visible + [part=period],[part=link]:focus-visible::after{outline: 2px solid var(--accent);outline-offset: -2px;border-radius: 2px;}[part=boards]{display: grid;grid-template-columns: minmax(0,1fr);gap: 1.25em 2em;}[part=board]{container-type: inline-size;}[part=board-top]{display: flex;justify-content: space-between;align-items: baseline;border-bottom: 1px solid var(--ink);}[part=board-heading]{padding: .35em 0;font: 700 .9375em/1.3 var(--sans);}[part=board-top] [part=period]{padding-inline-end: 0;}[part=list]{padding: 0;list-style: none;}[part=item]{--n: var(--articles-lines,3);position: relative;display: grid;grid-template-columns: 2.25em minmax(0,1fr);align-content: start;row-gap: .2em;min-block-size: calc(var(--n) * 1.25em + 3.7em + 1px);padding-block: .6em;border-bottom: 1px solid var(--line);}@container (min-width: 22em){[part=item]{--n: var(--articles-lines,2);}}@container (min-width: 44em){[part=boards]{grid: none / auto-flow minmax(0,1fr);}}[part=item]>*{grid-column: 2;}[part=rank]{grid-area: 1 / 1 / 4 / 2;font: 1.375em/1.1 var(--serif);color: var(--accent);font-variant-numeric: tabular-nums lining-nums;}[part=kicker],[part=meta]{display: flex;block-size: 1.35em;font-size: .75em;color: var(--soft);white-space: nowrap;}[part=kicker]>*,[part=age]{overflow: hidden;text-overflow: ellipsis;}[part=meta]>:not(:empty) + :not(:empty)::before,[part=format]:not(:empty) + :not(:empty)::before{content: \"·\";margin-inline: .4em;font-weight: 400;}[part=format]{color: var(--accent);font-weight: 700;}[part=count]{flex: none;color: var(--ink);font-weight: 700;font-variant-numeric: tabular-nums;}[part=title]{display: -webkit-box;-webkit-box-orient: vertical;-webkit-line-clamp: var(--n);overflow: hidden;overflow-wrap: anywhere;text-wrap: balance;font: 600 1em/1.25 var(--serif);}[part=link]{color: inherit;text-decoration: none;outline: none;}[part=link]::after{content: \"\";position: absolute;inset: 0;}[part=link]:any-link:hover{text-decoration: underline var(--accent);text-underline-offset: .15em;}[part=empty]{padding-block: .9em;color: var(--soft);font-style: italic;}[part=board]:not([aria-busy]) [aria-hidden]{border-color: transparent;}[aria-busy] [part=item]::before,[aria-busy] [part=item]::after{content: \"\";grid-column: 2;block-size: .75em;margin-block: .25em;border-radius: 2px;background: var(--line);opacity: .6;}[aria-busy] [part=item]::before{inline-size: 90%;margin-block-start: 1.4em;}[aria-busy] [part=item]::after{inline-size: 60%;}[part=note]{padding-block: .75em;font-size: .75em;color: var(--soft);}[part=note]>*{display: block;min-block-size: 1.35em;}[part=status]{color: var(--accent);font-weight: 700;}@container (max-width: 26em){[part=status]{min-block-size: 2.7em;}}@media print{[part=switch]{display: none;}}");
const NBSP = "\u00a0";
const GIVE_UP_MS = 10_000;
const SLOWEST_S = 300;
const KEPT = 24;
const DAY_MS = 86_400_000;
const UNITS = { m: "minute", h: "hour", d: "day" };
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
const plural = new Intl.PluralRules(lang);
const date = new Intl.DateTimeFormat(lang, { dateStyle: "long" });
const counted = (number, forms) => numbers.format(number) + NBSP + (forms[plural.select(number)] ?? forms.other);
const ago = (...parts) => fill(words.ago, { age: parts.filter(Boolean).join(NBSP) });
return {
words,
counted,
age(moment) {
const minutes = Math.floor((Date.now() - moment) / 60_000);
const hours = Math.floor(minutes / 60);
const days = Math.floor(hours / 24);
const rest = minutes % 60 && counted(minutes % 60, words.units.minute);
if (minutes < 1) return words.now;
if (hours < 1) return ago(rest);
if (days < 1) return ago(counted(hours, words.units.hour), rest);
return days <= 30 ? ago(counted(days, words.units.day)) : date.format(moment);
},
period(name) {
const [, number, unit] = /^(\d+)([mhd])$/.exec(name) ?? [];
return unit ? counted(+number, words.units[UNITS[unit]]) : name;
},
};
}
function make(tag, attributes, ...children) {
const made = document.createElement(tag);
for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
made.append(...children);
return made;
}
function say(node, text) {
if (node.textContent !== text) node.textContent = text;
}
function attribute(node, name, value) {
if (value === null) node.removeAttribute(name);
else node.setAttribute(name, value);
}
function makeRow() {
const cell = (tag, part, ...children) => (row[part] = make(tag, { part }, ...children));
const row = {};
row.item = make(
"li",
{ part: "item" },
cell("span", "rank"),
cell("p", "kicker", cell("span", "format"), cell("span", "section")),
cell("p", "title", cell("a", "link")),
cell("p", "meta", cell("time", "age"), cell("span", "count")),
);
return row;
}
class Block extends HTMLElement {
static observedAttributes = ["src", "site", "boards", "windows", "limit", "fallback", "refresh", "lang", "heading"];
#life;
#asking;
#timer;
#due = 0;
#failures = 0;
connectedCallback() {
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
const fallback = this.hasAttribute("fallback") && this.getAttribute("fallback") !== "false";
return new URL(`v1/${path}?limit=${this.limit}${fallback ? "&fallback=true" : ""}`, base).href;
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
attribute(section, "aria-busy", board.data ? null : "true");
const items = board.data?.items.slice(0, this.limit) ?? [];
const gone = new Set(rows.keys());
const wanted = items.map((item) => {
gone.delete(item.article_id);
const row = rows.get(item.article_id) ?? makeRow();
rows.set(item.article_id, row);
this.#describe(row, item, board.name);
return row.item;
});
for (const id of gone) rows.delete(id);
if (board.data && !items.length) wanted.push(make("li", { part: "empty" }, this.speech.words.empty));
wanted.push(...blanks.slice(wanted.length));
if (wanted.some((item, at) => list.children[at] !== item)) {
const focused = list.contains(this.shadowRoot.activeElement) && this.shadowRoot.activeElement;
list.replaceChildren(...wanted);
if (focused) focused.focus({ preventScroll: true });
}
}
this.#tell();
}
#describe(row, item, board) {
const { words, counted, period } = this.speech;
const { origin } = item;
row.published = Date.parse(item.published_at);
attribute(row.age, "datetime", item.published_at ?? null);
say(row.rank, `${item.rank}.`.padStart(3, "0"));
say(row.format, item.format ?? "");
say(row.section, item.section ?? "");
say(row.link, String(item.title ?? item.article_id));
attribute(row.link, "href", /^https?:\/\//i.test(item.url ?? "") ? item.url : null);
const about = Number.isFinite(item.count) ? [counted(item.count, words.counts[board] ?? words.counts[""])] : [];
if (origin === "latest") about.push(words.latest);
else if (origin && origin !== this.period) about.push(fill(words.over, { period: period(origin) }));
say(row.count, about.join(" "));
}
#tell() {
const { words, age } = this.speech;
const lists = this.boards.map((board) => board.data).filter(Boolean);
const oldest = Math.min(...lists.map((list) => Date.parse(list.as_of)));
for (const { rows } of this.boards) {
for (const row of rows.values()) say(row.age, row.published ? age(row.published) : "");
}
let state = "";
if (this.#failures > 1) state = lists.length ? words.away : words.gone;
else if (lists.some((list) => list.stale)) state = words.stale;
else if (lists.some((list) => list.complete === false)) state = words.incomplete;
say(this.status, state);
say(this.updated, Number.isFinite(oldest) ? fill(words.updated, { age: age(oldest) }) : "");
}
}
customElements.define(TAG, Block);
})();
