// A list on the page: its rows, moved to where they stand now.

import { describe, makeRow, setText, webAddress } from "./row.js";
import { about, age, count, fill, movement, rise, words } from "./speech.js";

const ARROWS = { up: "▲", down: "▼" };
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** An article's title, linked where it has an address of the web. */
export function titled(item) {
  const title = item.title ?? item.article_id;
  const address = webAddress(item);
  return address ? Object.assign(element("a", "", title), { href: address }) : title;
}

/** One list. `explain(opener, item)` is called by the button beside an item; without it there is none. */
export class List {
  #list;
  #board;
  #explain;
  #rows = new Map();

  constructor(section, board, explain = null) {
    this.#list = section.querySelector("ol");
    this.#board = board;
    this.#explain = explain;
  }

  /** Puts the list in its new order; what moved slides from where it was, what is new fades in. */
  show(items, empty) {
    const before = new Map([...this.#rows.values()].map((row) => [row, row.item.offsetTop]));
    const rows = items.map((item) => {
      const row = this.#rows.get(item.article_id) ?? this.#row();
      this.#describe(row, item);
      return row;
    });
    this.#rows = new Map(items.map((item, at) => [item.article_id, rows[at]]));
    const wanted = rows.length ? rows.map((row) => row.item) : [element("li", "empty", empty)];
    const list = this.#list;
    if (wanted.length !== list.children.length || wanted.some((item, at) => list.children[at] !== item)) {
      // Moving a focused element takes the focus away, so it is given back.
      const focused = list.contains(document.activeElement) ? document.activeElement : null;
      list.replaceChildren(...wanted);
      focused?.focus({ preventScroll: true });
    }
    this.tellAges();
    if (!calm.matches && before.size) slide(rows, before);
  }

  tellAges() {
    for (const row of this.#rows.values()) setText(row.age, row.published ? age(row.published) : "");
  }

  #row() {
    const row = makeRow();
    row.move = element("span", "move");
    row.rank.after(row.move);
    if (this.#explain) {
      row.why = Object.assign(element("button", "why", "?"), { type: "button" });
      row.why.setAttribute("aria-haspopup", "dialog");
      row.why.addEventListener("click", () => this.#explain(row.why, row.known));
      row.item.append(row.why);
    }
    return row;
  }

  /** What stands beside the age. */
  #said(item) {
    const { window, period } = about(this.#board);
    if (window) return rise(item.times, period);
    return item.count === null ? "" : count(this.#board, item.count);
  }

  #describe(row, item) {
    const before = row.known?.count;
    row.known = item;
    const changed = describe(row, item, this.#said(item));
    row.why?.setAttribute("aria-label", fill(words.why, { title: item.title ?? item.article_id }));
    tellMove(row.move, item);
    if (changed && Number.isInteger(before) && !calm.matches) {
      const flash = getComputedStyle(document.documentElement).getPropertyValue("--flash");
      row.count.animate({ backgroundColor: [flash, "transparent"] }, { duration: 900, easing: "ease-out" });
    }
  }
}

/** The arrow, and for who does not see it the words. */
function tellMove(node, item) {
  const said = item.trend && item.trend !== "same" ? movement(item) : "";
  if (node.title === said) return;
  node.title = said;
  node.className = said ? `move ${item.trend}` : "move";
  const arrow = ARROWS[item.trend];
  const shown = arrow ? `${arrow}\u202f${Math.abs(item.rank - item.previous_rank)}` : words.fresh;
  const sign = Object.assign(element("span", "", shown), { ariaHidden: "true" });
  node.replaceChildren(...(said ? [sign, element("span", "aside", said)] : []));
}

function slide(rows, before) {
  for (const row of rows) {
    const top = before.get(row);
    const moved = top === undefined ? 0 : top - row.item.offsetTop;
    if (top === undefined) {
      row.item.animate({ opacity: [0, 1] }, { duration: 500, easing: "ease-out" });
    } else if (moved) {
      const way = { transform: [`translateY(${moved}px)`, "none"] };
      row.item.animate(way, { duration: 600, easing: "cubic-bezier(.2,.8,.2,1)" });
    }
  }
}
