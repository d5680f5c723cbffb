"""The block on other people's pages, in a real browser, under a policy that allows the script and nothing else."""

import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.support.block_site import ARTICLES, Site, answer, now_ms
from tests.support.block_visit import Visit, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    assert re.fullmatch("le (1ᵉʳ|\\d+)\u00a0\\w+ \\d{4}", ages[6])
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
    """Custom properties and parts reach in, nothing else does; light if the page says so, also for readers who prefer dark."""
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
    assert site.asked == ["/v1/demo/popular/read/24h?limit=8&fallback=true"]
    site.changes = {"items": []}
    await seen.page.reload()
    await expect(seen.part("list")).to_have_text("Rien encore sur cette période.")


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
