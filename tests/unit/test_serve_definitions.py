"""The page at /definitions: every rule in force, none else, whole, and in both languages."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import orjson
import pytest

from ranker.core.generation import Generation
from ranker.serve.pages.definitions import Definitions
from ranker.service.accept import preferred_language
from tests.support.defaults import PRESS, press

WORDS = orjson.loads(resources.files("ranker.serve.pages").joinpath("definitions/words.json").read_bytes())
ALL = {"duplicate@1", "bots@1", "internal@1", "unique_item@counter-5.1"}


def page(generation: Generation, lang: str = "en") -> str:
    return Definitions("/page/x").page(generation, lang).replace("\u00a0", " ").replace("\u202f", " ")


def texts(said: Any, path: str = "") -> dict[str, str]:
    if isinstance(said, str):
        return {path: said}
    named = said.items() if isinstance(said, dict) else enumerate(said)
    return {key: text for name, one in named for key, text in texts(one, f"{path}.{name}").items()}


def test_both_languages_say_as_much() -> None:
    """The same texts with the same places to fill; French typography."""
    french, english = texts(WORDS["fr"]), texts(WORDS["en"])
    assert french.keys() == english.keys()
    for key, text in french.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), key
        assert "'" not in text, key
        assert not re.search(r"(?<![\u00a0\u202f{\w])[:;?!»](?!\w)| [:;?!»]", text), key


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize(
    ("generation", "names"),
    [
        (PRESS, ALL),
        (press(duplicate="count"), ALL - {"duplicate@1"}),
        (press(bots="count", repeat="count"), {"duplicate@1", "internal@1"}),
        (press(repeat_per_s=1800), ALL - {"unique_item@counter-5.1"} | {"repeat-1800s@1"}),
        (press(preset="none", internal="drop"), {"internal@1"}),
        (press(preset="none"), set()),
    ],
)
def test_rules_in_force_have_a_section(generation: Generation, names: set[str], lang: str) -> None:
    """With a way to it from the order in which rules decide; nothing is left to fill in."""
    text = page(generation, lang)
    assert set(re.findall(r'<section id="([^"]+)">', text)) == names
    assert set(re.findall(r'href="#([^"]+)"', text)) == names
    assert not re.search(r"\{\w*\}", text)
    assert (WORDS[lang]["none"].replace("\u00a0", " ") in text) is (not names)
    assert generation.id in text


def test_rules_stand_in_the_order_in_which_they_decide() -> None:
    """Duplicate, bot, internal, repeat."""
    order = re.findall(r'<section id="([^"]+)">', page(PRESS))
    assert order == ["duplicate@1", "bots@1", "internal@1", "unique_item@counter-5.1"]


def test_the_hour_is_published_and_other_periods_are_ours() -> None:
    """Each says what the other one is called."""
    hour, other = page(PRESS), page(press(repeat_per_s=1800))
    assert "This is a published rule: the unique items of the COUNTER Code of Practice, release 5.1" in hour
    assert "looked up on 28 November 2026" in hour
    assert "With any other period it is called repeat-Ns@1" in hour
    assert "This rule is ours and published nowhere. With a clock hour" in other
    assert "This is a published rule" not in other
    assert "once per period of 30 min" in other


def test_bounds_are_those_of_the_generation() -> None:
    """Grace, types, room, and the chance that two keys are one."""
    text = page(press(grace_s=5400, max_keys=1_000_000, repeat_types=["view", "share"]))
    assert "are remembered until 90 min after its end" in text
    assert "event types concerned: share, view." in text
    assert "remembers 1,000,000 keys at most" in text
    assert "less than once in 10,000,000,000,000 if" in text


def test_rules_without_a_memory_say_nothing_of_one() -> None:
    """What crawlers and networks are judged by is in the event itself."""
    text = page(press(duplicate="count", repeat="count"))
    assert "remember" not in text
    assert "UTC" not in text


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", None),
        ("fr", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.5", "en"),
        ("de, fr;q=0.4, en;q=0.6", "en"),
        ("EN;Q=0.1, FR-ca;q=0.2", "fr"),
        ("en;q=0, fr;q=0", None),
        ("en;q=much, *;q=x, ;;,", None),
        ("en;q=nan, fr;q=0.1", "fr"),
        ("zh-Hant-HK, zh-Hant; q=0.8, en-US; q=0.6, en; q=0.4, ja; q=0.2", "en"),
        ("fr-FR, en-US;q=0.9", "fr"),
    ],
)
def test_the_language_that_a_browser_prefers(header: str, language: str | None) -> None:
    """The first of those that it ranks highest; what is ill-formed is passed over."""
    assert preferred_language(header, ("fr", "en")) == language
