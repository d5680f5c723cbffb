// Days and weeks that were made once: their names, as ranges.py writes them, and what moved in them. Publication puts this
// file into block.js without the word `export` (tests/support/published_scripts.py).

import { fill, make, setAttribute, setText } from "../row.js";

/** "du 28 novembre au 4 décembre"; with the year if it is not `year`, and with both across a New Year. */
export function rangeWords({ kind, date }, words, lang, year = new Date().getUTCFullYear()) {
  const isWeek = kind === "week";
  const first = new Date(`${date}T00:00Z`);
  const last = new Date(+first + (isWeek ? 6 : 0) * 86_400_000);
  const name = (day, part) => new Intl.DateTimeFormat(lang, { [part]: "long", timeZone: "UTC" }).format(day);
  const number = (day) => (day.getUTCDate() === 1 ? words.ranges.first : day.getUTCDate());
  const ends = last.getUTCFullYear();
  const isOver = first.getUTCFullYear() !== ends;
  const isWithin = first.getUTCMonth() === last.getUTCMonth();
  return fill(words.ranges[isWeek ? (isWithin ? "within" : "across") : "day"], {
    weekday: name(first, "weekday"),
    first: number(first),
    first_month: name(first, "month"),
    first_year: isOver ? ` ${first.getUTCFullYear()}` : "",
    last: number(last),
    last_month: name(last, "month"),
    year: isOver || ends !== year ? ` ${ends}` : "",
  });
}

/** Where the newest period is; without a board, that of the site's first one. */
export function newestPeriod(site, kind, limit, board) {
  const query = new URLSearchParams({ limit, ...(board && { board }) });
  return `v1/${encodeURIComponent(site)}/best-of/${kind}/latest?${query}`;
}

/** What moved, beside a row's rank: ▲ 3, read out as "monté de 3 places". */
function describeMove(row, { movement, by }, words) {
  const move = words.moves[movement] ?? { shown: "" };
  const label = fill((by === 1 ? move.one : move.other) ?? "", { by });
  if (!row.move) row.rank.after((row.move = make("span", { part: "move" })));
  setText(row.move, fill(move.shown, { by }));
  setAttribute(row.move, "class", movement ?? null);
  setAttribute(row.move, "role", label ? "img" : null);
  setAttribute(row.move, "aria-label", label || null);
}

/** Shows what moved; returns the item as a row has it: without an age, and with words for what was taken down. */
export function asOfPeriod(row, item, words) {
  describeMove(row, item, words);
  return { ...item, published_at: null, title: item.removed ? words.removed : item.title };
}
