// What the page says: words come with it, in the language that was asked for; numbers, ages and dates are put into them.

import { fill } from "./row.js";

export const settings = JSON.parse(document.getElementById("settings").textContent);
export const { lang, site, words } = settings;

const NBSP = "\u00a0";
const number = new Intl.NumberFormat(lang);
const tenth = new Intl.NumberFormat(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(lang, { style: "percent", maximumFractionDigits: 1 });
const plural = new Intl.PluralRules(lang);
const clock = new Intl.DateTimeFormat(lang, { dateStyle: "long", timeStyle: "medium" });
const hour = new Intl.DateTimeFormat(lang, { dateStyle: "long", timeStyle: "short" });
const month = new Intl.DateTimeFormat(lang, { month: "long", timeZone: "UTC" });
const today = new Intl.DateTimeFormat(lang, { dateStyle: "full" });

let skew = 0;

/** The time as the server has it, as far as an answer has told: ms since the epoch. */
export const now = () => Date.now() + skew;

/** Takes the server's clock from an answer, where this machine's is clearly another. */
export function setClock(reply) {
  const difference = Date.parse(reply.headers.get("date") ?? "") - Date.now();
  if (Math.abs(difference) > 2000) skew = difference;
}

export { fill };
export const choose = (count, forms) => forms[plural.select(count)] ?? forms.other;
export const counted = (count, forms) => number.format(count) + NBSP + choose(count, forms);
export const figure = (count) => number.format(count);
export const share = (part) => percent.format(part);
// French text writes a time as 15 h 16, where Intl has the 15:16 of tables, and the first of a month as 1ᵉʳ.
const FIRST = /(^| )1(?= )/;
const TIME = /(\d\d):(\d\d)(?::(\d\d))?/;
const inFrench = (_, h, min, s) => `${Number(h)} h ${min}${s ? ` min ${s} s` : ""}`.replaceAll(" ", "\u202f");
const written = (text) => (lang === "fr" ? text.replace(TIME, inFrench).replace(FIRST, `$1${words.first}`) : text);
export const moment = (time) => written(clock.format(time));
export const fullHour = (time) => written(hour.format(time));
export const date = () => written(today.format(now()));

/** A board's count in words: "1 234 lectures". */
export const count = (board, value) => counted(value, words.counts[board] ?? words.counts[""]);

/** How many times the expected count: "× 4,2 en une heure"; empty where that is not shown. */
export function rise(times, period) {
  if (!Number.isFinite(times)) return "";
  const form = period === counted(1, words.units.hour) ? words.rise.hour : words.rise.other;
  return fill(form, { times: "×" + NBSP + tenth.format(times), period });
}

/** What is known of a board, and what it is counted in: a rising one has a window of its own and another board's counts. */
export const about = (board) => settings.boards.find(({ name }) => name === board) ?? {};
export const countsOf = (board) => about(board).of ?? board;

/** A window's length in words. */
export const period = (window) =>
  [...settings.windows, ...settings.boards.map((board) => ({ name: board.window, period: board.period }))].find(
    ({ name }) => name === window,
  )?.period ?? window;

/** What rules dropped, in words: "310 rechargements écartés, 1 doublon écarté"; empty where nothing was. */
export const dropped = (known) =>
  Object.entries(words.dropped).flatMap(([rule, forms]) => (known?.[rule] > 0 ? [counted(known[rule], forms)] : []));

/** An age in words: "il y a 5 heures 10 min", "3 days ago"; a date (UTC) after 60 days. `seconds`: below a minute too. */
export function age(time, seconds = false) {
  const elapsed = Math.max(0, Math.floor((now() - time) / 1000));
  const minutes = Math.floor(elapsed / 60);
  const ago = (...parts) => fill(words.ago, { age: parts.join(NBSP) });
  if (minutes < 1) return seconds && elapsed ? ago(counted(elapsed, words.units.second)) : words.now;
  if (minutes < 60) return ago(counted(minutes, words.units.minute));
  const hours = Math.floor(minutes / 60);
  if (hours < 24) {
    const rest = minutes % 60;
    return ago(counted(hours, words.units.hour), ...(rest ? [counted(rest, words.units.minute)] : []));
  }
  const days = Math.floor(hours / 24);
  if (days <= 60) return ago(counted(days, words.units.day));
  const date = new Date(time);
  const day = date.getUTCDate();
  return fill(words.date, { day: day > 1 ? day : words.first, month: month.format(date), year: date.getUTCFullYear() });
}

/** How an item has moved: "monté de 2 places"; null where that is not known. */
export function movement({ trend, rank, previous_rank: before }) {
  if (!trend) return null;
  if (trend === "new" || trend === "same") return words.moved[trend];
  const places = Math.abs(rank - before);
  return fill(choose(places, words.moved[trend]), { n: figure(places) });
}
