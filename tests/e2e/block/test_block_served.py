"""The block as it is served: its script, its fragment, its documents, the real reader."""

import dataclasses
import gzip
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from ranker.serve.pages.block.files import Block
from ranker.service import scripts
from tests.support.block_site import DAY_MIN, Site, answer, moment, now_ms
from tests.support.block_visit import visit
from tests.support.example_site import record, write_articles
from tests.support.page_site import SHOTS
from tests.support.published_scripts import BLOCK
from tests.support.reader import GENERATION, T, running_reader
from tests.support.shard_writer import publish

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCS = SHOTS.parents[1] / "docs" / "block"


@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_the_fragment_is_what_the_element_draws(browser: Browser, site: Site, lang: str) -> None:
    """The same markup to the letter, the same style, the same look, without JavaScript."""
    items = answer()["items"]
    items[1] |= {"origin": "7d", "section": None}
    items[2] |= {"origin": "latest", "count": None, "url": None}
    site.changes = {"items": items, "stale": True, "as_of": moment(90)}
    element = site.element(f'boards="read" windows="24h" heading="" lang="{lang}"')
    drawn = await visit(browser, site.page(element))
    await expect(drawn.part("link")).to_have_count(7)
    given = await visit(
        browser,
        site.page(site.block.fragment(answer(**site.changes), lang, now_ms()).decode()),
        java_script_enabled=False,
    )
    await expect(given.part("link")).to_have_count(7)
    inner = "(node) => node.shadowRoot.querySelector('[part=block]').outerHTML"
    ours, theirs = [await seen.page.locator("articles-populaires").evaluate(inner) for seen in (drawn, given)]
    assert ours == theirs
    boxes = [await seen.page.locator("[part=block]").bounding_box() for seen in (drawn, given)]
    assert boxes[0] == boxes[1]
    await given.shot(f"fragment-{lang}")
    assert (drawn.complaints, given.complaints) == ([], [])


@pytest.mark.parametrize(
    ("lang", "texts"),
    [
        ("fr", ["le 1ᵉʳ_mai 2024", "le 3_mai 2024", "le 31_décembre 2023", "il y a_60_jours"]),
        ("en", ["1_May 2024", "3_May 2024", "31_December 2023", "60_days ago"]),
    ],
)
async def test_dates_of_what_is_older_than_60_days(browser: Browser, site: Site, lang: str, texts: list[str]) -> None:
    """The day of UTC, in the element as in the fragment, wherever the reader is."""
    old = ["2024-05-01T23:59:59.999Z", "2024-05-03T00:00:00.000Z", "2023-12-31T12:00:00.000Z", moment(60 * DAY_MIN)]
    items = [item | {"published_at": at} for item, at in zip(answer()["items"], old, strict=False)]
    site.changes = {"items": items}
    fragment = site.block.fragment(answer(items=items), lang, now_ms()).decode()
    for body in (site.element(f'boards="read" lang="{lang}"'), fragment):
        seen = await visit(browser, site.page(body), timezone_id="Pacific/Auckland")
        await expect(seen.part("age").first).not_to_be_empty()
        assert await seen.part("age").all_text_contents() == [text.replace("_", "\u00a0") for text in texts]


async def test_with_the_real_reader(browser: Browser, site: Site, redis_url: str) -> None:
    """Lists of a running reader, on a page of the same origin as far as the browser is concerned."""
    async with running_reader(redis_url, {"demo": "La Dépêche de Port-Aulne"}) as reader:

        async def real(route: Any) -> None:
            target = "/v1/" + route.request.url.partition("/v1/")[2]
            reply = await reader.get(target)
            headers = {"content-type": reply.headers["content-type"], "access-control-allow-origin": "*"}
            await route.fulfill(status=reply.status, headers=headers, body=reply.body)

        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        await context.route("**/v1/**", real)
        views = [("demo", f"/a{i}", outcome, 100 - i) for i in range(9) for outcome in ("view", "share")]
        await publish(reader.client, GENERATION, 2, views, T)
        seen = await visit(context, site.page(site.element('boards="read"')))
        await expect(seen.part("link")).to_have_text([f"/a{i}" for i in range(7)], timeout=15_000)
        assert (await seen.part("count").all_text_contents())[0] == "100\u00a0lectures"
        await write_articles(reader.client, [record("demo", "/a4", title="Quatre", section="Culture")])
        await write_articles(reader.client, [record("demo", "/a5", title="Cinq", section="Culture")])
        chosen = site.element('boards="read,shared" distinct="read:3" max-per="section:1"')
        seen = await visit(context, site.page(chosen))
        await expect(seen.part("link")).to_have_text(
            ["/a0", "/a1", "/a2", "/a3", "Quatre", "/a6", "/a7"], timeout=15_000
        )
        await expect(seen.part("link", 1)).to_have_text(["/a3", "Quatre", "/a6", "/a7", "/a8"])
        await expect(seen.page.locator("[part=status]")).to_be_empty()


async def test_the_example_page(browser: Browser, site: Site) -> None:
    """docs/block/index.html as it stands, with its policy: a sidebar of one list and three lists below."""
    site.pages["/0"] = (DOCS / "index.html").read_text("utf-8").replace("http://127.0.0.1:8080", site.api)
    seen = await visit(browser, site.origin + "/0")
    await expect(seen.page.locator("[part=link]")).to_have_count(5 + 3 * 7)
    await seen.shot("example")
    assert seen.complaints == []


async def test_a_page_of_before_an_upgrade(browser: Browser, site: Site) -> None:
    """The line that a page pinned goes on drawing lists when the reader has another script; so does who follows."""
    before = BLOCK.line(site.api)
    upgraded = site.block.script + b"\n// later"
    site.block.script, site.block.scripts = upgraded, scripts.versions("block", upgraded, BLOCK.package)
    latest = dataclasses.replace(BLOCK, current=upgraded)
    for head in (before, latest.line(site.api), f'<script src="{site.api}/block.js"></script>'):
        seen = await visit(browser, site.page(site.element(), head=head))
        await expect(seen.part("link")).to_have_count(7)
        assert seen.complaints == []


async def test_the_documents_name_this_style() -> None:
    """What docs/block has for the fragment's policy is the style that the reader serves."""
    style = Block().style_source
    assert style in (DOCS / "README.md").read_text("utf-8"), (
        f"the style changed: write {style} into docs/block/README.md"
    )


async def test_it_is_small() -> None:
    """Under 8 kB as it is sent, with its style and both languages."""
    assert len(gzip.compress(Block().script, 9)) < 8_000
