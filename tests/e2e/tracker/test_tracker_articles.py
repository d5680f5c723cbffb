"""Which article a page's addresses name, as the browser resolves them and the collector reads them."""

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from schemas.article_id import IdRule, normalized
from tests.support.tracker_site import Site
from tests.support.tracker_visit import Visit, visit
from tests.unit.test_origins import SENT

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = "default-src 'none'; script-src {0}; connect-src {0}"
CANONICAL = '<link rel="canonical" href="{}">'
OG = '<meta property="og:url" content="{}">'
NAMED: dict[str, tuple[str, str]] = {
    "encoded otherwise": ("/x", CANONICAL.format("/soci%c3%a9t%c3%a9/")),
    "as text": ("/x", CANONICAL.format("https://www.example.org/société?utm_source=x#top")),
    "the address": ("/soci%C3%A9t%C3%A9", ""),
    "decomposed": ("/x", CANONICAL.format("/socie\u0301te\u0301")),
    "relative": ("/a/b/x", CANONICAL.format("../../société")),
    "relative to a base": ("/x", '<base href="https://www.example.org/a/">' + CANONICAL.format("../société/")),
    "of another host without a scheme": ("/x", CANONICAL.format("//cdn.example/société")),
    "in lines": ("/x", CANONICAL.format("\n  https://www.example.org/soci\né\tté\n")),
    "with two relations": ("/x", '<link rel="shortlink Canonical" href="/société">'),
    "a query alone": ("/soci%C3%A9t%C3%A9", CANONICAL.format("?page=1")),
    "a hash alone": ("/soci%C3%A9t%C3%A9/", CANONICAL.format("#top")),
    "an empty one": ("/soci%C3%A9t%C3%A9", CANONICAL.format("") + OG.format("")),
    "among blanks": ("/x", '<meta name="article-id" content="  /société ">'),
    "behind blanks": ("/x", '<meta name="article-id" content=" ">' + CANONICAL.format("/société")),
    "a link without an address": ("/x", '<link rel="canonical">' + OG.format("https://www.example.org/société")),
    "of no page": ("/soci%C3%A9t%C3%A9", CANONICAL.format("about:blank") + OG.format("mailto:a@example.org")),
    "no address": ("/soci%C3%A9t%C3%A9", CANONICAL.format("https://") + OG.format("javascript:void(0)")),
}


async def sent(site: Site, seen: Visit, address: str) -> tuple[str, str]:
    """The one event of a page that is opened now."""
    await seen.page.goto(address)
    (event,) = await seen.settled()
    assert seen.complaints == []
    return event


async def test_one_article_however_it_is_written(site: Site, context: BrowserContext) -> None:
    """What is sent is the browser's form; the collector's is the same for all."""
    seen = await visit(site, context, "about:blank")
    for name, (path, head) in NAMED.items():
        address = site.page(path, head=head + site.script(), content_security_policy=POLICY.format(site.collector))
        kind, article = await sent(site, seen, address)
        assert (kind, normalized(article)) == ("view", "/société"), name
        assert article.isascii() or "article-id" in head


async def test_a_canonical_link_in_the_body(site: Site, context: BrowserContext) -> None:
    """Some themes write it there."""
    seen = await visit(site, context, site.page("/x", CANONICAL.format("/société")))
    assert await seen.settled() == [("view", "/soci%C3%A9t%C3%A9")]


QUERIES = {
    "/?utm_source=x&p=caf%c3%a9&fbclid=y#z": "/?p=caf%c3%a9",
    "/index.php?p=1&p=2": "/index.php?p=1",
    "/?p=&p=3": "/?p=3",
    "/?q=1&id%5B%5D=7&p=%20": "/?p=%20&id%5B%5D=7",
    "/a/?p=caf%E9+noir": "/a/?p=caf%E9+noir",
    "/?utm_source=x": "/",
    "/about?": "/about",
}


async def test_parameters_that_name_the_article(site: Site, context: BrowserContext) -> None:
    """They are sent as they are written, in the order of data-query, and nothing else of the query."""
    seen = await visit(site, context, "about:blank")
    script = site.script('defer data-query="p  id[]"')
    for address, article in QUERIES.items():
        site.page(address.partition("?")[0], head=script)
        assert await sent(site, seen, site.origin + address) == ("view", article)
        canonical = site.page("/canonical", head=CANONICAL.format(address.replace("&", "&amp;")) + script)
        assert await sent(site, seen, f"{canonical}?p=other") == ("view", article)


async def test_other_parameters_make_no_view(site: Site, context: BrowserContext) -> None:
    """Nor does their order, nor another spelling of the same article; another value does."""
    address = site.page("/soci%c3%a9t%c3%a9", head=site.script('defer data-query="p"'))
    seen = await visit(site, context, f"{address}?p=12&utm_source=a")
    assert await seen.settled() == [("view", "/soci%c3%a9t%c3%a9?p=12")]
    for same in ("?utm_source=b&p=12", "/soci%C3%A9t%C3%A9/?p=12", "/société?p=12#x"):
        await seen.go(f"history.pushState(null, '', '{same}')")
        assert await seen.settled() == []
    await seen.go("history.pushState(null, '', '?p=13&utm_source=b')")
    ((_, sent),) = await seen.settled()
    assert normalized(sent, IdRule("query:p")) == "13"
    assert seen.complaints == []


async def test_a_page_without_an_address_names_no_article(site: Site, context: BrowserContext) -> None:
    """A document of srcdoc bears no address; one that names its article counts."""
    frames = "".join(
        f'<iframe srcdoc="{(head + site.script()).replace(chr(34), "&quot;")}"></iframe>'
        for head in ("", CANONICAL.format("/named"))
    )
    seen = await visit(
        site, context, site.page("/outer", frames, content_security_policy=POLICY.format(site.collector))
    )
    await site.arrival("view", "/named")
    await seen.page.frames[1].evaluate("popular('share')")
    assert sorted(await seen.settled()) == [("view", "/named"), ("view", "/outer")]
    assert seen.complaints == []


async def test_a_page_that_was_saved(site: Site, context: BrowserContext, tmp_path: Path) -> None:
    """Where it lies on the reader's disk is nobody's business."""
    file = tmp_path / "article.html"
    file.write_text(site.script())
    seen = await visit(site, context, file.as_uri())
    assert await seen.settled() == []
    assert seen.complaints == []


async def test_a_frame_that_is_shut_in(site: Site, context: BrowserContext) -> None:
    """Its origin is null, for which the collector has a sentence; with allow-same-origin it is the page's."""
    policy = f"frame-src *; {POLICY.format(site.collector)}"
    for rights, origin in (("allow-scripts", "null"), ("allow-scripts allow-same-origin", site.origin)):
        inner = site.page("/inner", content_security_policy=policy)
        frame = f'<iframe sandbox="{rights}" src="{inner}"></iframe>'
        await visit(site, context, site.page("/outer", frame, head="", content_security_policy=policy))
        await site.arrival("view", "/inner")
        assert site.sent[0].headers["origin"] == origin
        site.sent.clear()


async def test_origins_are_the_browsers(context: BrowserContext) -> None:
    """What ranker.toml may name is what this browser sends."""
    page = await context.new_page()
    assert await page.evaluate("(given) => given.map((one) => new URL(one).origin)", list(SENT)) == list(SENT.values())
