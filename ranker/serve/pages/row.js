// A list's row, as row.html makes it: the page and the block share it. What is known of an article is text that nobody has
// checked. Publication puts this file into block.js without the word `export` (tests/support/published_scripts.py).

/** A text with values in its places: {name}. */
export const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);

/** A node; children are nodes or text, never HTML. */
export function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Whether it was another text before. */
export function setText(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

/** `null` takes the attribute away. */
export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else node.setAttribute(name, value);
}

/** An article's address, if it is one of the web. */
export const webAddress = ({ url }) => (/^https?:\/\//i.test(url ?? "") ? url : null);

export function makeRow() {
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

/** Fills a row but its age, which changes with time from `row.published`; `count` is a text. Whether that changed. */
export function describe(row, item, count) {
  row.published = Date.parse(item.published_at);
  setAttribute(row.age, "datetime", item.published_at ?? null);
  setText(row.rank, `${item.rank}.`.padStart(3, "0"));
  setText(row.format, item.format ?? "");
  setText(row.section, item.section ?? "");
  setAttribute(row.title, "class", item.title == null ? "bare" : null);
  setText(row.link, String(item.title ?? item.article_id));
  setAttribute(row.link, "href", webAddress(item));
  return setText(row.count, count);
}
