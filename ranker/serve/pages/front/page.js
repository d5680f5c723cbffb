// The page: opens a stream for each list that is shown, and says how current what it shows is. No framework.

import { chosen, filters, offer, watch } from "./choices.js";
import { explain } from "./explanation.js";
import { Live, ask } from "./live.js";
import { setText } from "./row.js";
import { List, element } from "./rows.js";
import { about, age, date, dropped, fill, fullHour, moment, period, settings, site, words } from "./speech.js";

const PLACES = 10;
const NEWEST = 6;
const NEWEST_MS = 30_000;
const OFFERED_MS = 300_000;
/** A connection that is back within this time was never gone, to a reader. */
const PATIENCE_MS = 4_000;

const root = `/v1/${encodeURIComponent(site)}`;
const notice = document.getElementById("notice");
const updated = document.getElementById("updated");
const onPaper = document.getElementById("as-of");
const covers = document.getElementById("covers");
const leftOut = document.getElementById("dropped");
const boards = document.getElementById("boards");
const latest = document.getElementById("latest");
const newest = new List(latest, "latest");
/** Board to {section, list}; they stay, so that a board chosen again is where it was. */
const drawn = new Map();
let shown = [];
let asking = null;
let newestTimer = null;
let offeredAt = -Infinity;

function draw(board, section = newSection(board)) {
  const list = new List(section, board, (from, item) => explain(from, item, board, windowOf(board)));
  drawn.set(board, { section, list });
  return drawn.get(board);
}

/** The window that is chosen, unless the board has one of its own: a rising one. */
const windowOf = (board) => about(board).window ?? chosen().window;

/** A list and what is known of it. */
function column(board) {
  const window = windowOf(board);
  const { section, list } = drawn.get(board) ?? draw(board);
  const made = { section, list, data: null, seldom: Boolean(about(board).window) };
  const query = new URLSearchParams([["limit", PLACES], ...filters()]);
  const empty = filters().size ? words.nothing : words.empty;
  const path = `${root}/popular/${encodeURIComponent(board)}/${encodeURIComponent(window)}`;
  tellReceipt(section, path, `receipt-${site}-${board}-${window}.json`);
  made.live = new Live(path, query, (data) => {
    made.data = { ...made.data, ...data };
    if (data.items) list.show(data.items, empty);
    tellState();
  });
  return made;
}

function newSection(board) {
  const { heading, window: own } = about(board);
  const title = Object.assign(element("h2", "", heading), { id: `board-${board}`, tabIndex: -1 });
  const section = element("section", "board", title, element("ol", ""));
  section.dataset.board = board;
  section.setAttribute("aria-labelledby", title.id);
  const check = own ? null : document.querySelector(".check")?.cloneNode(true);
  if (check) section.append(Object.assign(check, { open: false }));
  return section;
}

/** Its receipt and its command are those of the list that is shown. */
function tellReceipt(section, path, file) {
  const link = section.querySelector(".receipt");
  if (!link) return; // counts are hidden somewhere
  link.href = `${path}?receipt=true`;
  link.download = file;
  setText(section.querySelector(".check code"), `ranker verify ${file}`);
}

/** Shows what is chosen, anew. */
function open() {
  close();
  shown = chosen().boards.map(column);
  const wanted = shown.map(({ section }) => section);
  if (wanted.length !== boards.children.length || wanted.some((section, at) => boards.children[at] !== section)) {
    boards.replaceChildren(...wanted);
  }
  if (!document.hidden) start();
}

function start() {
  for (const { live } of shown) live.start();
  askNewest();
  askOffered();
}

function close() {
  for (const { live } of shown) live.stop();
  asking?.abort();
  clearTimeout(newestTimer);
}

/** What has just been published changes seldom: it is asked for, not streamed. */
async function askNewest() {
  clearTimeout(newestTimer);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const longest = encodeURIComponent(settings.windows.at(-1).name);
    const query = new URLSearchParams([["limit", NEWEST], ...filters()]);
    const { items } = await ask(`${root}/popular/latest/${longest}?${query}`, signal);
    latest.hidden = !items.length;
    newest.show(items, "");
  } catch {
    // what is there stays: it says itself how old each article is
  }
  if (!signal.aborted) newestTimer = setTimeout(askNewest, NEWEST_MS);
}

async function askOffered() {
  if (performance.now() - offeredAt < OFFERED_MS) return;
  offeredAt = performance.now();
  try {
    offer(await ask(root));
  } catch {
    offeredAt = -Infinity; // again when the lists are next opened
  }
}

/** How current the lists are, in words; a notice where they are not what they should be. */
function tellState() {
  const all = shown.filter(({ data }) => data);
  // A rising list is read once a minute: how current the page is, the others know.
  const often = all.filter(({ seldom }) => !seldom);
  const known = (often.length ? often : all).map(({ data }) => data);
  const away = shown.some(({ live }) => live.lostSince !== null && performance.now() - live.lostSince > PATIENCE_MS);
  const asOf = Math.min(...known.map((data) => Date.parse(data.as_of)));
  let text = "";
  if (!known.length) text = away ? words.gone : site ? "" : words.waiting;
  else if (away) text = fill(words.away, { moment: moment(asOf) });
  else if (known.some((data) => data.stale)) text = fill(words.stale, { moment: moment(asOf) });
  else if (all.some(({ data }) => !data.complete)) text = words.incomplete;
  if (setText(notice, text)) notice.hidden = !text;
  const old = away || known.some((data) => data.stale);
  for (const { section } of shown) section.classList.toggle("late", old);
  updated.classList.toggle("old", old);
  setText(updated, known.length ? fill(old ? words.last : words.updated, { age: age(asOf, true) }) : "");
  setText(onPaper, known.length ? fill(words.printed, { moment: moment(asOf) }) : "");
  setText(covers, known.length ? fill(words.covers, { from: fullHour(Date.parse(known[0].window.from)) }) : "");
  if (leftOut) setText(leftOut, known.length ? tellDropped(known[0]) : "");
  document.documentElement.dataset.state = away ? "away" : "live";
}

/** What rules left out in the period that is shown, which is the same for every list, and until when they were paused. */
function tellDropped({ as_of: asOf, dropped: known, rules_paused: paused, window }) {
  const parts = dropped(known);
  const said = parts.length ? [fill(words.dropped_in, { period: period(window.name), dropped: parts.join(", ") })] : [];
  // An hour that is under way may have been given up to its end.
  if (paused) said.push(fill(words.paused, { moment: fullHour(Math.min(Date.parse(paused), Date.parse(asOf))) }));
  return said.join(" ");
}

function tick() {
  setText(document.getElementById("date"), date());
  if (document.hidden) return;
  for (const { live, list } of shown) {
    live.check();
    list.tellAges();
  }
  newest.tellAges();
  tellState();
}

for (const section of boards.children) draw(section.dataset.board, section);
tick();
if (site && settings.boards.length) {
  watch(open);
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : start()));
  // Whether the way is there is found out by going it.
  for (const change of ["online", "offline"]) addEventListener(change, () => document.hidden || start());
  open();
} else {
  setTimeout(() => location.reload(), 2000);
}
