"""Links that lists cannot lead to are refused, through each door of the import, without what they should not hold."""

from __future__ import annotations

import io
from typing import Any
from xml.sax.saxutils import escape

import orjson
import pytest

from producers.articles import imports
from producers.articles.imports import ImportDefaults
from producers.articles.repeats import Refused

DEFAULTS = ImportDefaults("demo", 1_795_338_000_000)


def through_a_feed(link: str) -> list[Any]:
    item = f"<item><title>A</title><link>{escape(link)}</link><pubDate>Sun, 22 Nov 2026 10:00:00 +0100</pubDate></item>"
    return list(imports.from_document(f"<rss><channel>{item}</channel></rss>".encode(), "auto", DEFAULTS).found)


def through_json(link: str) -> list[Any]:
    line = orjson.dumps({"title": "A", "url": link, "published_at": 1_795_338_000_000})
    return list(imports.from_json_lines(io.BytesIO(line).readline, DEFAULTS).found)


@pytest.mark.parametrize("door", [through_a_feed, through_json])
@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("https://editor:hunter2@demo.example/a", "leave them out"),
        ("https://editor@demo.example/a", "leave them out"),
        ("http:///a", "names no host"),
        ("https://[::1/a", "no address"),
        ("https://demo.example:99999/a", "no address"),
    ],
)
def test_a_link_that_lists_cannot_lead_to_is_refused(door: Any, link: str, said: str) -> None:
    (refused,) = door(link)
    assert isinstance(refused, Refused)
    assert said in refused.reason
    assert "hunter2" not in refused.reason
