// The page's lists: asks for each once a second, moves what moved. No framework; the words come with the page.

const settings = JSON.parse(document.getElementById("settings").textContent);
const { lang, site, words } = settings;
const PLACES = 10;
const EVERY_MS = 1000;
const SLOWEST_MS = 15000;
const NBSP = "\u00a0";

const numbers = new Intl.NumberFormat(lang);
const plural = new Intl.PluralRules(lang);
const clock = new Intl.DateTimeFormat(lang, { dateStyle: "long", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(lang, { dateStyle: "long" });
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const notice = document.getElementById("notice");
const updated = document.getElementById("updated");
const covers = document.getElementById("covers");
const boards = [...document.querySelectorAll(".board")].map((section) => ({
  name: section.dataset.board,
  section,
  list: section.querySelector("ol"),
  rows: new Map(),
  etag: null,
  data: null,
}));

let period = document.querySelector(".switch input:checked")?.value;
let failures = 0;
let refusal = null;
let timer = null;
let round = 0;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const counted = (number, forms) => numbers.format(number) + NBSP + (forms[plural.select(number)] ?? forms.other);

/** An age in words: "il y a 5 heures 10 min", "3 days ago"; a date after 30 days. */
function age(moment, now) {
  const minutes = Math.floor((now - moment) / 60000);
  if (minutes < 1) return words.now;
  if (minutes < 60) return fill(words.ago, { age: counted(minutes, words.units.minute) });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) {
    const rest = minutes % 60;
    const text = counted(hours, words.units.hour) + (rest ? NBSP + counted(rest, words.units.minute) : "");
    return fill(words.ago, { age: text });
  }
  const days = Math.floor(hours / 24);
  return days <= 30 ? fill(words.ago, { age: counted(days, words.units.day) }) : day.format(moment);
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function row() {
  const made = {
    rank: element("span", "rank"),
    title: element("p", "title"),
    kind: element("span", "kind"),
    section: element("span"),
    age: element("span", "age"),
    count: element("span", "count"),
  };
  const about = element("p", "about", made.kind, made.section);
  const figures = element("p", "about", made.age, made.count);
  made.item = element("li", "", made.rank, element("div", "", made.title, about, figures));
  return made;
}

function setText(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

function describe(place, item, board) {
  place.published = item.published_at ? Date.parse(item.published_at) : null;
  setText(place.rank, String(item.rank).padStart(2, "0") + ".");
  const address = /^https?:\/\//.test(item.url ?? "") ? item.url : null;
  const title = item.title ?? item.article_id;
  if (place.shown !== title + "\n" + address) {
    place.shown = title + "\n" + address;
    const link = address ? Object.assign(element("a", "", title), { href: address }) : title;
    place.title.replaceChildren(link);
    place.title.classList.toggle("bare", item.title === null);
  }
  setText(place.kind, item.format ?? "");
  setText(place.section, item.section ?? "");
  const forms = words.counts[board] ?? words.counts[""];
  const before = place.value;
  place.value = item.count;
  if (setText(place.count, counted(item.count, forms)) && before !== undefined && !calm.matches) {
    const flash = getComputedStyle(document.documentElement).getPropertyValue("--flash");
    place.count.animate({ backgroundColor: [flash, "transparent"] }, { duration: 900, easing: "ease-out" });
  }
}

/** Puts the list in its new order; what moved slides from where it was, what is new fades in. */
function show(board) {
  const { list, rows, data } = board;
  const before = new Map([...rows.values()].map((place) => [place, place.item.offsetTop]));
  const gone = new Set(rows.keys());
  const order = data.items.map((item) => {
    gone.delete(item.article_id);
    const place = rows.get(item.article_id) ?? row();
    rows.set(item.article_id, place);
    describe(place, item, board.name);
    return place;
  });
  for (const id of gone) rows.delete(id);
  const wanted = order.length ? order.map((place) => place.item) : [element("li", "empty", words.empty)];
  if (wanted.length !== list.children.length || wanted.some((item, at) => list.children[at] !== item)) {
    // Moving a focused link takes the focus away, so it is given back.
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    list.replaceChildren(...wanted);
    focused?.focus({ preventScroll: true });
  }
  tellAges();
  if (calm.matches || before.size === 0) return;
  for (const place of order) {
    const top = before.get(place);
    const moved = top === undefined ? 0 : top - place.item.offsetTop;
    if (top === undefined) {
      place.item.animate({ opacity: [0, 1] }, { duration: 500, easing: "ease-out" });
    } else if (moved) {
      place.item.animate(
        { transform: [`translateY(${moved}px)`, "none"] },
        { duration: 600, easing: "cubic-bezier(.2,.8,.2,1)" },
      );
    }
  }
}

function tellAges() {
  const now = Date.now();
  for (const board of boards) {
    for (const place of board.rows.values()) {
      setText(place.age, place.published === null ? "" : age(place.published, now));
    }
  }
}

function tellState() {
  const known = boards.map((board) => board.data).filter(Boolean);
  const oldest = known.length ? Math.min(...known.map((data) => Date.parse(data.as_of))) : null;
  const moment = oldest === null ? "" : clock.format(oldest);
  let text = "";
  if (!known.length) text = refusal ? words.gone : site ? "" : words.waiting;
  else if (failures > 2) text = fill(words.away, { moment });
  else if (known.some((data) => data.stale)) text = fill(words.stale, { moment });
  else if (known.some((data) => !data.complete)) text = words.incomplete;
  setText(notice, text);
  notice.hidden = !text;
  const old = failures > 2 || known.some((data) => data.stale);
  for (const board of boards) board.section.classList.toggle("late", old);
  updated.classList.toggle("old", old);
  setText(updated, known.length ? fill(words.updated, { moment }) : "");
  setText(covers, known.length ? fill(words.covers, { from: clock.format(Date.parse(known[0].window.from)) }) : "");
}

async function ask(board) {
  const address = `/v1/${encodeURIComponent(site)}/popular/${encodeURIComponent(board.name)}/${encodeURIComponent(period)}`;
  const asked = round;
  const signal = AbortSignal.timeout(10000);
  const reply = await fetch(`${address}?limit=${PLACES}`, { cache: "no-cache", signal });
  if (!reply.ok) throw new Error(String(reply.status));
  const etag = reply.headers.get("etag");
  if (etag !== null && etag === board.etag) return;
  const data = await reply.json();
  if (asked !== round) return;
  board.etag = etag;
  board.data = data;
  show(board);
}

async function poll() {
  clearTimeout(timer);
  const started = performance.now();
  const results = await Promise.allSettled(boards.map(ask));
  refusal = results.find((result) => result.status === "rejected")?.reason ?? null;
  failures = refusal ? failures + 1 : 0;
  tellState();
  tellAges();
  document.documentElement.dataset.state = refusal ? "away" : "live";
  const pause = refusal ? Math.min(SLOWEST_MS, EVERY_MS * 2 ** Math.min(failures, 4)) : EVERY_MS;
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, Math.max(0, pause - (performance.now() - started)));
}

function choose(chosen) {
  period = chosen;
  round += 1;
  for (const board of boards) board.etag = null;
  const address = new URL(location);
  address.searchParams.set("window", chosen);
  history.replaceState(null, "", address);
  for (const link of document.querySelectorAll(".choices a")) {
    const target = new URL(link.href);
    target.searchParams.set("window", chosen);
    link.href = target;
  }
  poll();
}

for (const input of document.querySelectorAll(".switch input")) {
  input.addEventListener("change", () => choose(input.value));
}
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : poll()));

if (site && boards.length) poll();
else {
  tellState();
  setTimeout(() => location.reload(), 2000);
}
