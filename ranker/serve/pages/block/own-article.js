// Which item is the article of the page that the block stands on. Publication puts this file into block.js without the word
// `export` (tests/support/published_scripts.py).

const place = ({ hostname, pathname }) => decodeURI(hostname.replace(/^www\./, "") + pathname.replace(/\/+$/, ""));

/** Whether an item is the article of this page, by its location or a canonical link; pages may have more in the query. */
export function isOwn({ url, article_id: id }) {
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
