"""A list as RSS 2.0."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from feedgenerator import Rss201rev2Feed


class _Feed(Rss201rev2Feed):
    """Says as_of where no article has a date: the present moment would give equal lists other bytes."""

    def latest_post_date(self) -> datetime:
        dates = [item["pubdate"] for item in self.items if item["pubdate"]]
        return max(dates, default=datetime.fromisoformat(self.feed["as_of"]))


def feed(content: Mapping[str, Any], title: str) -> bytes:
    """The items that have an address, in the list's order; each is known by its article id, wherever it moves."""
    items = [item for item in content["items"] if item["url"]]
    home = urlsplit(items[0]["url"]) if items else None
    made = _Feed(
        title=f"{title} · {content['board']} · {content['window']['name']}",
        link=f"{home.scheme}://{home.netloc}/" if home else "about:blank",
        description=f"{content['board']}, {content['window']['name']}",
        ttl="1",
        as_of=content["as_of"],
    )
    for item in items:
        published = item["published_at"]
        made.add_item(
            title=item["title"] or item["article_id"],
            link=item["url"],
            description="",
            unique_id=f"{content['site']}/{item['article_id']}",
            unique_id_is_permalink=False,
            pubdate=datetime.fromisoformat(published) if published else None,
            categories=[name for name in (item["section"], item["format"]) if name],
        )
    written: bytes = made.writeString("utf-8").encode()
    return written
