// What is shown is chosen here, and stands in the address, so that it can be shared: boards, window, section, format.

import { figure, settings, words } from "./speech.js";

const MOST_BOARDS = 3; // a browser opens six connections to a host, and each list shown keeps one
const form = document.getElementById("choices");
const clear = document.getElementById("clear");
const chips = [...form.querySelectorAll("input[name=boards]")];
const selects = ["section", "format"].map((name) => form.elements.namedItem(name));
/** Boards in the order in which they were chosen: the oldest choice makes room for a fourth. */
let boards = settings.shown;

/** {window, boards, section, format}; the last two empty where everything is shown. */
export function chosen() {
  const [section, format] = selects.map((select) => select.value);
  const shown = settings.boards.map((board) => board.name).filter((name) => boards.includes(name));
  return { window: form.elements.namedItem("window").value, boards: shown, section, format };
}

/** The filters as a list's address takes them. */
export function filters() {
  return new URLSearchParams(selects.filter((select) => select.value).map((select) => [select.name, select.value]));
}

/** Calls `changed` after each choice. */
export function watch(changed) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) => {
    if (target.name === "boards") chooseBoard(target);
    keep();
    changed();
  });
  clear.addEventListener("click", () => {
    for (const select of selects) select.value = "";
    keep();
    selects[0].focus();
    changed();
  });
  clear.hidden = !filters().size;
}

/** Fills the filters with what occurs on the site; a choice that does not occur stays one. */
export function offer({ sections, formats }) {
  for (const [select, found, all] of [
    [selects[0], sections, words.all_sections],
    [selects[1], formats, words.all_formats],
  ]) {
    const { value } = select;
    const names = found.map((one) => one.name);
    const known = value && !names.includes(value) ? [{ name: value, articles: null }, ...found] : found;
    const options = known.map(({ name, articles }) => new Option(articles === null ? name : `${name} (${figure(articles)})`, name));
    select.replaceChildren(new Option(all, ""), ...options);
    select.value = value;
  }
}

function chooseBoard(chip) {
  boards = boards.filter((name) => name !== chip.value);
  if (chip.checked || !boards.length) boards.push(chip.value);
  boards = boards.slice(-MOST_BOARDS);
  for (const other of chips) other.checked = boards.includes(other.value);
}

function keep() {
  history.replaceState(null, "", withChoices(location.href, filters()));
  for (const link of document.querySelectorAll(".languages a")) link.href = withChoices(link.href, filters());
  // sections and formats are a site's own
  for (const link of document.querySelectorAll(".sites a")) link.href = withChoices(link.href, []);
  clear.hidden = !filters().size;
}

function withChoices(address, chosenFilters) {
  const url = new URL(address);
  const { window: period, boards: shown } = chosen();
  url.searchParams.set("window", period);
  for (const name of ["boards", "section", "format"]) url.searchParams.delete(name);
  if (chips.length) for (const name of shown) url.searchParams.append("boards", name);
  for (const [name, value] of chosenFilters) url.searchParams.set(name, value);
  return url.href;
}
