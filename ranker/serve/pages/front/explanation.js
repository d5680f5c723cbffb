// Why an article stands where it stands: what its list says of it, and what is asked for when somebody wants to know.

import { ask } from "./live.js";
import { element, titled } from "./rows.js";
import {
  about as known,
  age,
  count,
  countsOf,
  dropped,
  figure,
  fill,
  fullHour,
  movement,
  period,
  rise,
  settings,
  share,
  site,
  words,
} from "./speech.js";
import { sparkline } from "./sparkline.js";

/** The edge of a list: its last place that the page shows. */
const PLACES = 10;

const dialog = document.getElementById("why");
const body = document.getElementById("why-body");
let opener = null;
let asked = 0;

const heading = (board) => known(board).heading ?? board;
const listName = (board, window) => fill(words.in_list, { board: heading(board), period: period(window) });

dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
dialog.addEventListener("close", () => {
  asked += 1;
  // The browser gives the focus back, unless the article has left the list meanwhile.
  if (!opener?.isConnected) document.querySelector("#boards h2")?.focus();
});

/** Opens the explanation of `item`, as it stands in a list; `from` is the button that was pressed. */
export async function explain(from, item, board, window) {
  opener = from;
  const ticket = (asked += 1);
  tell(item, board, window, element("p", "pending", words.loading));
  dialog.showModal();
  try {
    const about = await ask(`/v1/${encodeURIComponent(site)}/article?${new URLSearchParams({ id: item.article_id })}`);
    if (ticket === asked) tell(item, board, window, ...reasons(item, about, board, window));
  } catch {
    if (ticket === asked) tell(item, board, window, element("p", "pending", words.unknown));
  }
}

function tell(item, board, window, ...parts) {
  const title = Object.assign(element("h2", "", titled(item)), { id: "why-title" });
  const published = item.published_at ? age(Date.parse(item.published_at)) : "";
  const facts = [item.format, item.section, published].filter(Boolean).join(" · ");
  const list = element("p", "kicker", listName(board, window));
  body.replaceChildren(list, title, ...(facts ? [element("p", "about", facts)] : []), ...parts);
}

function reasons(item, about, board, window) {
  const here = about.lists.find((one) => one.board === board && one.window === window) ?? {};
  const list = element("dl", "");
  const say = (label, ...said) => {
    const known = said.filter(Boolean);
    if (known.length) list.append(element("dt", "", words.labels[label]), ...known.map((one) => element("dd", "", one)));
  };
  say("place", placed(here.rank ?? item.rank, here.best_rank ?? item.best_rank));
  say("movement", moved(item));
  say("count", counted(board, here.count ?? item.count, item.share));
  say("rise", rises(item, board, window));
  say("day", day(about, countsOf(board)));
  const since = here.listed_since ?? item.entered_at;
  say("since", since && fill(words.since, { moment: fullHour(Date.parse(since)) }));
  say("gaps", ...gaps(here, board));
  say("aliases", ...about.aliases.map((id) => element("span", "bare", id)));
  return [...hours(about.hours, countsOf(board)), list, table(about.lists, here)];
}

function placed(rank, best) {
  if (!best) return figure(rank);
  return fill(best < rank ? words.best : words.top, { rank: figure(rank), best: figure(best) });
}

function moved(item) {
  const said = movement(item);
  if (!said || !item.previous_rank || item.trend === "same") return said;
  return fill(words.before, { moved: said, rank: figure(item.previous_rank) });
}

function counted(board, value, part) {
  if (value === null || value === undefined) return null;
  const said = count(board, value);
  return part ? fill(words.share, { count: said, share: share(part) }) : said;
}

/** How far above the expected count. */
function rises({ times, expected }, board, window) {
  if (!Number.isFinite(times)) return null;
  return fill(words.expected, { rise: rise(times, period(window)), count: count(board, Math.round(expected)) });
}

/** What counted in the hours that are known, and what rules dropped in them: of boards that count views, where repeats are. */
function day({ dropped: left, hours: all }, board) {
  const gone = dropped(left);
  if (!gone.length || !known(board).views) return null;
  return [count(board, all.reduce((sum, hour) => sum + hour[board], 0)), ...gone].join(", ");
}

/** The distances, in counts, to the places around this one. */
function gaps(here, board) {
  const far = (way, distance) => {
    if (distance === null || distance === undefined) return null;
    const tied = words.gaps[`tied_${way}`];
    if (distance === 0) return tied ?? null;
    return fill(words.gaps[way], { n: count(board, Math.abs(distance)), places: figure(PLACES) });
  };
  const edge = here.rank && here.rank < PLACES ? "inside" : "outside";
  const besideEdge = Math.abs(here.rank - PLACES) < 2; // said already by the neighbour's distance
  return [far("above", here.to_above), far("below", here.to_below), besideEdge ? null : far(edge, here.to_edge)];
}

/** Place and count in every list: a row for each board, a column for each window. */
function table(lists, here) {
  const head = element("tr", "", element("td", ""), ...settings.windows.map((one) => header("col", one.period)));
  const counted = settings.boards.filter((board) => !board.window);
  const rows = counted.map((board) => {
    const cells = settings.windows.map((window) => {
      const one = lists.find((list) => list.board === board.name && list.window === window.name) ?? {};
      return cell(one, board.name, one === here);
    });
    return element("tr", "", header("row", board.heading), ...cells);
  });
  const caption = element("caption", "", words.labels.everywhere);
  return element("div", "scroll", element("table", "", caption, element("thead", "", head), element("tbody", "", ...rows)));
}

const header = (scope, text) => Object.assign(element("th", "", text), { scope });

function cell({ rank, count: value }, board, current) {
  const place = rank ? element("b", "", String(rank).padStart(2, "0") + ".") : words.unlisted;
  const said = rank && Number.isInteger(value) ? count(board, value) : "";
  return element("td", current ? "here" : "", place, said);
}

/** The last 24 hours, where they are known for this board. */
function hours(all, board) {
  const values = (all ?? []).map((hour) => hour[board]);
  if (!values.length || values.some((value) => !Number.isInteger(value))) return [];
  const what = words.hours[board] ?? words.hours[""];
  const [least, most, last] = [Math.min(...values), Math.max(...values), values.at(-1)].map(figure);
  const caption = element("figcaption", "", element("span", "", what), element("span", "", fill(words.peak, { most })));
  const label = fill(words.spark, { what, least, most, last });
  return [element("figure", "", caption, sparkline(values, label))];
}
