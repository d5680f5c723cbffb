"""A list as RSS 2.0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from feedgenerator import Rss201rev2Feed

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Feed(Rss201rev2Feed):  # type: ignore[misc]
    """as_of if no article has a date: the present moment would give equal lists other bytes."""

    def latest_post_date(self) -> datetime:
        dates = [item["pubdate"] for item in self.items if item["pubdate"]]
        return max(dates, default=datetime.fromisoformat(self.feed["as_of"]))


def feed(content: Mapping[str, Any], title: str) -> bytes:
    """The items that have an address, in the list's order; each is known by its article id, wherever it moves."""
    items = feed_items(content)
    made = Feed(
        title=plain(feed_title(content, title)),
        link=items[0][0] if items else "about:blank",
        description=f"{content['board']}, {content['window']['name']}",
        ttl="1",
        as_of=content["as_of"],
    )
    for _, item in items:
        published = item["published_at"]
        made.add_item(
            title=plain(item["title"] or item["article_id"]),
            link=item["url"],
            description="",
            unique_id=f"{content['site']}/{item['article_id']}",
            unique_id_is_permalink=False,
            pubdate=datetime.fromisoformat(published) if published else None,
            categories=[plain(name) for name in (item["section"], item["format"]) if name],
        )
    written: bytes = made.writeString("utf-8").encode()
    return written


def feed_items(content: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The items that have an address, each after the front page of its host."""
    return [(home, item) for item in content["items"] if (home := home_page(item["url"]))]


def feed_title(content: Mapping[str, Any], title: str) -> str:
    """The site's title, and which list it is."""
    return f"{title} · {content['board']} · {content['window']['name']}"


def plain(text: str) -> str:
    """Without the characters that XML cannot hold, however they are written."""
    return _NOT_XML.sub("", text)


def home_page(url: str | None) -> str | None:
    """The front page of an article's host; None if a feed reader should not open it."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.netloc or _NOT_XML.search(url or ""):
        return None
    return f"{parts.scheme}://{parts.netloc}/"
