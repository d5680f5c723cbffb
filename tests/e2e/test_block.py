"""The block on other people's pages, in a real browser, under a policy that allows the script and nothing else."""

import asyncio
import dataclasses
import gzip
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from ranker.serve.pages.block.files import Block
from ranker.service import scripts
from tests.support.block_site import ARTICLES, Site, answer, moment, now_ms, running_site
from tests.support.page_site import SHOTS, close_pages
from tests.support.published_scripts import BLOCK
from tests.support.reader import GENERATION, T, running_reader
from tests.support.shard_writer import publish

pytestmark = pytest.mark.asyncio(loop_scope="module")

CSS = """
body { margin: 24px; font: 16px/1.4 Georgia, "DejaVu Serif Condensed", serif; background: #fbfaf6; color: #1d1b18 }
.side { inline-size: 300px }
@media (prefers-color-scheme: dark) { body { background: #171614; color: #efebe3 } }
"""
DOCS = SHOTS.parents[1] / "docs" / "block"
WATCH = """
window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium_of_module: Browser) -> AsyncIterator[Browser]:
    """No reader of the page is visited here."""
    yield chromium_of_module
    await close_pages(chromium_of_module)


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with running_site() as running:
        running.css = CSS
        yield running


class Visit:
    """One open page, and what the browser had to complain about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def part(self, name: str, board: int = 0) -> Locator:
        return self.page.locator("[part=board]").nth(board).locator(f"[part={name}]")

    async def texts(self, part: str, board: int = 0) -> list[str]:
        return [text.strip() for text in await self.part(part, board).all_inner_texts()]

    async def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SHOTS / f"block-{name}.png", full_page=True)

    async def painted(self) -> None:
        """Two frames: what was laid out has been looked at."""
        await self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


async def visit(browser: Browser | BrowserContext, address: str, **how: Any) -> Visit:
    if isinstance(browser, Browser):
        browser = await browser.new_context(
            **{"locale": "fr-FR", "timezone_id": "UTC", "viewport": {"width": 1280, "height": 960}, **how}
        )
    seen = Visit(await browser.new_page())
    await seen.page.add_init_script(WATCH)
    await seen.page.goto(address)
    return seen


async def test_three_boards_side_by_side(browser: Browser, site: Site) -> None:
    """Ranks, titles, kinds, ages and counts in French; links where they belong; no complaint under a strict policy."""
    seen = await visit(browser, site.page(site.element()))
    await expect(seen.part("link", 2)).to_have_count(7)
    assert await seen.page.locator("[part=board-heading]").all_inner_texts() == [
        "Les plus lus",
        "Les plus commentés",
        "Les plus partagés",
    ]
    assert await seen.texts("rank") == [f"{rank:02d}." for rank in range(1, 8)]
    assert await seen.texts("link") == [title for title, *_ in ARTICLES]
    assert (await seen.texts("format"))[0] == "enquête"
    ages = await seen.part("age").all_text_contents()
    assert ages[:6] == [
        text.replace("_", "\u00a0")
        for text in (
            "il y a_5_heures_10_min",
            "il y a_1_heure_1_min",
            "il y a_1_jour",
            "il y a_3_jours",
            "à l’instant",
            "il y a_12_min",
        )
    ]
    assert re.fullmatch(r"\d+ \w+ \d{4}", ages[6])
    counts = await seen.part("count").all_text_contents()
    assert (counts[0], counts[6]) == ("21\u202f758\u00a0lectures", "1\u00a0lecture")
    assert await seen.part("link").first.get_attribute("href") == "https://demo.example/1"
    tops = [box["y"] for board in await seen.page.locator("[part=board]").all() if (box := await board.bounding_box())]
    assert len(set(tops)) == 1
    await expect(seen.page.locator("[part=updated]")).to_have_text("Mis à jour à l’instant")
    await seen.shot("wide")
    assert seen.complaints == []


async def test_the_period_by_keyboard_and_by_name(browser: Browser, site: Site) -> None:
    """One stop for Tab, arrows choose; a screen reader hears a group, its choices, the lists and what links say."""
    seen = await visit(browser, site.page(site.element('boards="read"')))
    await expect(seen.part("link")).to_have_count(7)
    host = seen.page.locator("articles-populaires")
    heard = (await host.aria_snapshot()).replace("\u00a0", " ")
    for line in (
        'heading "Articles populaires" [level=2]',
        'radiogroup "Période":',
        'radio "24 heures" [checked]',
        'radio "7 jours"',
        'region "Les plus lus":',
        'heading "Les plus lus" [level=3]',
        "list:",
        f'link "{ARTICLES[0][0]}":',
        "status",
    ):
        assert f"- {line}" in heard
    day, week = (seen.page.get_by_role("radio", name=name) for name in ("24\u00a0heures", "7\u00a0jours"))
    await seen.page.keyboard.press("Tab")
    await expect(day).to_be_focused()
    await seen.page.keyboard.press("ArrowRight")
    await expect(week).to_be_focused()
    await expect(week).to_be_checked()
    await expect(seen.part("link").first).to_have_text(ARTICLES[3][0])
    await seen.shot("keyboard")
    await seen.page.keyboard.press("ArrowRight")
    await expect(day).to_be_checked()
    await expect(seen.part("link").first).to_have_text(ARTICLES[0][0])
    await seen.page.keyboard.press("Tab")
    await expect(seen.part("link").first).to_be_focused()
    assert [path.partition("?")[0].rpartition("/")[2] for path in site.asked] == ["24h", "7d", "24h"]
    assert seen.complaints == []


async def test_english_dark_and_narrow(browser: Browser, site: Site) -> None:
    """The page's language, the reader's colours, 360 px: stacked, nothing sticks out, singulars are right."""
    dark: Any = {"color_scheme": "dark", "viewport": {"width": 360, "height": 800}}
    seen = await visit(browser, site.page(site.element(), lang="en-GB"), **dark)
    await expect(seen.part("link", 2)).to_have_count(7)
    await expect(seen.page.locator("[part=heading]")).to_have_text("Popular articles")
    assert (await seen.part("age").all_text_contents())[:2] == [
        "5\u00a0hours\u00a010\u00a0min ago",
        "1\u00a0hour\u00a01\u00a0min ago",
    ]
    counts = await seen.part("count").all_text_contents()
    assert (counts[0], counts[6]) == ("21,758\u00a0reads", "1\u00a0read")
    assert await seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    paper = await seen.page.locator("[part=block]").evaluate("(node) => getComputedStyle(node).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", paper)[:3])) < 150
    await seen.shot("dark-360")
    assert seen.complaints == []


async def test_a_sidebar_of_300_px(browser: Browser, site: Site) -> None:
    """It asks its own width, not the window's: stacked, three lines for a title, ages and counts whole."""
    seen = await visit(browser, site.page(f'<div class="side">{site.element()}</div>'))
    await expect(seen.part("link", 2)).to_have_count(7)
    boxes = [await board.bounding_box() for board in await seen.page.locator("[part=board]").all()]
    assert all(box and box["width"] == 300 for box in boxes)
    cut = "(nodes) => nodes.filter((node) => node.scrollWidth > node.clientWidth).map((node) => node.textContent)"
    assert await seen.page.locator("[part=age], [part=kicker] > *").evaluate_all(cut) == []
    await seen.shot("sidebar")


async def test_a_theme_of_the_page(browser: Browser, site: Site) -> None:
    """Custom properties and parts reach in, nothing else does; light where the page says so, whoever prefers dark."""
    site.css += """
articles-populaires { --articles-accent: rgb(0, 90, 156); --articles-padding: 16px; --articles-lines: 1 }
articles-populaires::part(heading) { text-transform: uppercase }
h2, li { color: rgb(255, 0, 255) !important }
"""
    seen = await visit(browser, site.page(site.element('theme="light" heading="À lire"')), color_scheme="dark")
    await expect(seen.part("link", 2)).to_have_count(7)

    async def style(selector: str, name: str) -> Any:
        return await seen.page.locator(selector).first.evaluate(f"(node) => getComputedStyle(node)['{name}']")

    assert await style("[part=rank]", "color") == "rgb(0, 90, 156)"
    assert await style("[part=heading]", "text-transform") == "uppercase"
    assert await style("[part=heading]", "color") == "rgb(29, 27, 24)"
    assert await style("[part=block]", "background-color") == "rgb(251, 250, 246)"
    assert await style("[part=block]", "padding") == "16px"
    row_px = float((await style("[part=item]", "height")).removesuffix("px"))
    assert row_px == pytest.approx(1.25 * 16 + 3.7 * 16 + 1, abs=0.1)
    await seen.shot("theme")


@pytest.mark.parametrize(
    "width", [pytest.param(1280, marks=pytest.mark.long), pytest.param(700, marks=pytest.mark.long), 360]
)
async def test_nothing_moves(browser: Browser, site: Site, width: int) -> None:
    """Space is there before the lists are: no layout shift on arrival, on a new order, another period, a lost server."""
    late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    context = await browser.new_context(viewport={"width": width, "height": 2600})

    async def wait(route: Any) -> None:
        await late
        await route.continue_()

    await context.route("**/v1/**", wait)
    seen = await visit(context, site.page(site.element('refresh="5"')))
    await expect(seen.page.locator("[aria-busy] [aria-hidden]")).to_have_count(21)
    height = await seen.page.locator("main").evaluate("(node) => node.offsetHeight")
    await seen.painted()
    if width == 1280:
        await seen.shot("waiting")
    late.set_result(None)
    await expect(seen.part("link", 2)).to_have_count(7)
    await seen.painted()
    site.changes = {"items": answer("commented")["items"], "complete": False}
    await expect(seen.part("link").first).to_have_text(ARTICLES[2][0], timeout=15_000)
    # By script, since a shift within half a second of a reader's own click is not counted.
    await seen.page.get_by_role("radio").nth(1).evaluate("(radio) => radio.click()")
    await expect(seen.page.locator("[aria-busy]")).to_have_count(0)
    site.away = True
    await expect(seen.page.locator("[part=status]")).to_contain_text("Connexion perdue", timeout=20_000)
    await seen.painted()
    assert await seen.page.locator("main").evaluate("(node) => node.offsetHeight") == height
    assert await seen.page.evaluate("shifts") == []
    # The observer does see what moves.
    await seen.page.evaluate("document.querySelector('main').prepend(Object.assign(document.createElement('hr')))")
    await seen.painted()
    assert await seen.page.evaluate("shifts.length") > 0


async def test_a_deferred_script_with_space_reserved_by_the_page(browser: Browser, site: Site) -> None:
    """Where the script comes after the page, one rule in the page's style keeps the space; the README has it."""
    site.css += "articles-populaires { display: block; min-block-size: 54rem }"
    script = BLOCK.line(site.api, "defer")
    late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    context = await browser.new_context(viewport={"width": 1280, "height": 1200})

    async def wait(route: Any) -> None:
        await late
        await route.continue_()

    await context.route("**/block.*", wait)
    page = await context.new_page()
    await page.add_init_script(WATCH)
    await page.goto(site.page(site.element(), head=script), wait_until="commit")
    await expect(page.get_by_text("After.")).to_be_visible()
    seen = Visit(page)
    await seen.painted()
    late.set_result(None)
    await expect(seen.part("link", 2)).to_have_count(7)
    await seen.painted()
    assert await page.evaluate("shifts") == []


async def test_hostile_articles(browser: Browser, site: Site) -> None:
    """Titles are text and links are web links, in the element and in the fragment, whatever an article says."""
    evil = '<img src=x onerror="alert(1)"></template><script>alert(1)</script>'
    links = [
        "javascript:alert(1)",
        "data:text/html,x",
        '"onclick="alert(1)',
        "//evil.example",
        None,
        "HTTPS://ok.example/",
    ]
    items = [item | {"title": evil, "section": evil, "format": evil} for item in answer()["items"]]
    for item, url in zip(items, links, strict=False):
        item["url"] = url
    items[4] |= {"title": None, "article_id": evil}
    site.changes = {"items": items}
    fragment = site.block.fragment(answer(items=items), "fr", now_ms()).decode()
    for body in (site.element('boards="read"'), fragment):
        seen = await visit(browser, site.page(body))
        await expect(seen.part("link")).to_have_count(7)
        assert set(await seen.part("link").all_text_contents()) == {evil}
        hrefs = [await link.get_attribute("href") for link in await seen.part("link").all()]
        assert hrefs == [None, None, None, None, None, "HTTPS://ok.example/", "https://demo.example/7"]
        assert await seen.page.locator("img").count() == 0
        assert seen.complaints == []


async def test_the_server_away_and_back(browser: Browser, site: Site) -> None:
    """The last known lists stay, with their age in words, also after a reload; they are live again by themselves."""
    site.changes = {"as_of": moment(5)}
    seen = await visit(browser, site.page(site.element('boards="read" refresh="5"')))
    await expect(seen.part("link")).to_have_count(7)
    status, updated = seen.page.locator("[part=status]"), seen.page.locator("[part=updated]")
    await expect(status).to_be_empty()
    await expect(status).to_have_role("status")
    site.away = True
    for _ in range(2):
        await expect(status).to_have_text("Connexion perdue\u00a0: dernière liste connue.", timeout=20_000)
        await expect(updated).to_have_text("Mis à jour il y a\u00a05\u00a0min")
        await expect(seen.part("link")).to_have_count(7)
        await seen.shot("away")
        await seen.page.reload()
        await expect(seen.part("link")).to_have_count(7)
    site.away, site.changes = False, {}
    await expect(updated).to_have_text("Mis à jour à l’instant", timeout=20_000)
    await expect(status).to_be_empty()
    stored = await seen.page.evaluate("JSON.parse(sessionStorage.getItem('articles-populaires')).length")
    assert stored == 1


@pytest.mark.long
async def test_retries_back_off_and_hidden_pages_rest(browser: Browser, site: Site) -> None:
    """Each failure waits longer than the one before; a page in the background asks nothing."""
    site.away = True
    seen = await visit(browser, site.page(site.element('boards="read" windows="24h"')))
    gone = seen.page.locator("[part=status]")
    await expect(gone).to_have_text("Les listes sont indisponibles pour le moment.", timeout=10_000)
    at = [time.monotonic()]
    for _ in range(2):
        await seen.page.wait_for_event("request", lambda request: "/v1/" in request.url, timeout=15_000)
        at.append(time.monotonic())
    first, second = at[1] - at[0], at[2] - at[1]
    assert 2.5 < first < 5.5 < second < 10.5  # 4 s and 8 s, a quarter more or less
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    site.away = False
    await seen.page.clock.install()
    await seen.page.evaluate(hide, True)
    before = len(site.asked)
    await seen.page.clock.run_for(600_000)
    assert len(site.asked) == before
    await seen.page.evaluate(hide, False)
    await seen.page.clock.run_for(1_000)
    await expect(seen.part("link")).to_have_count(7)
    assert len(site.asked) == before + 1


async def test_origins_hidden_counts_and_empty_lists(browser: Browser, site: Site) -> None:
    """What a fallback brought says so; counts that the API keeps are not there; an empty list says that it is."""
    items = answer()["items"]
    items[0] |= {"origin": "24h"}
    items[1] |= {"origin": "7d"}
    items[2] |= {"origin": "latest", "count": None}
    items[3] |= {"origin": "24h", "count": None}
    site.changes = {"items": items[:4]}
    seen = await visit(browser, site.page(site.element('boards="read" fallback')))
    await expect(seen.part("link")).to_have_count(4)
    assert await seen.part("count").all_text_contents() == [
        "21\u202f758\u00a0lectures",
        "5\u202f439\u00a0lectures sur 7\u00a0jours",
        "vient d’être publié",
        "",
    ]
    assert site.asked == ["/v1/demo/popular/read/24h?limit=7&fallback=true"]
    site.changes = {"items": []}
    await seen.page.reload()
    await expect(seen.part("list")).to_have_text("Rien encore sur cette période.")


async def test_a_focused_link_keeps_the_focus(browser: Browser, site: Site) -> None:
    """An article that moves takes the focus along."""
    seen = await visit(browser, site.page(site.element('boards="read" refresh="5"')))
    link = seen.part("link").nth(2)
    await link.focus()
    title = await link.text_content()
    site.changes = {"items": answer("commented")["items"]}
    await expect(seen.part("link").first).to_have_text(str(title), timeout=15_000)
    await expect(seen.part("link").first).to_be_focused()


async def test_reduced_motion(browser: Browser, site: Site) -> None:
    """Nothing is animated, for anybody."""
    seen = await visit(browser, site.page(site.element()), reduced_motion="reduce")
    await expect(seen.part("link", 2)).to_have_count(7)
    await seen.page.get_by_role("radio").nth(1).check()
    assert await seen.page.evaluate("document.getAnimations().length") == 0


async def test_attributes_that_change(browser: Browser, site: Site) -> None:
    """A page that sets another language or other boards gets them at once; a block that is taken out asks no more."""
    seen = await visit(browser, site.page(site.element()))
    host = seen.page.locator("articles-populaires")
    await host.evaluate("(node) => { node.lang = 'en'; node.setAttribute('boards', 'latest,long_reads'); }")
    await expect(seen.page.locator("[part=board-heading]")).to_have_text(["Just published", "Long reads"])
    await expect(seen.part("link", 1)).to_have_count(7)
    await seen.page.clock.install()
    await host.evaluate("(node) => node.remove()")
    before = len(site.asked)
    await seen.page.clock.run_for(600_000)
    assert len(site.asked) == before


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


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
async def test_axe_finds_nothing(browser: Browser, site: Site, scheme: str) -> None:
    """Every rule of axe-core: waiting, known, away, and the fragment."""
    fragment = site.block.fragment(answer(), "fr", now_ms()).decode()
    look: Any = {"color_scheme": scheme}
    for body in (site.element(), site.element('boards="read" lang="en"'), fragment):
        seen = await visit(browser, site.page(body), **look)
        await expect(seen.part("link")).to_have_count(7)
        await without_faults(seen)
    site.away = True
    seen = await visit(browser, site.page(site.element("refresh=5")), **look)
    await without_faults(seen)
    await expect(seen.page.locator("[part=status]")).not_to_be_empty(timeout=10_000)
    await without_faults(seen)


async def without_faults(seen: Visit) -> None:
    found = await Axe().run(seen.page)
    assert found.violations_count == 0, found.generate_report()


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
        views = [("demo", f"/{i}", "view", 100 - i) for i in range(9)]
        await publish(reader.client, GENERATION, 2, views, T)
        seen = await visit(context, site.page(site.element('boards="read"')))
        await expect(seen.part("link")).to_have_text([f"/{i}" for i in range(7)], timeout=15_000)
        assert (await seen.part("count").all_text_contents())[0] == "100\u00a0lectures"


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
    """Under 6 kB as it is sent, with its style and both languages."""
    assert len(gzip.compress(Block().script, 9)) < 6_000
