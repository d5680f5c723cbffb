"""A list as a JSON Feed 1.1 (jsonfeed.org)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ranker.serve.api.rss import feed_items, feed_title

VERSION = "https://jsonfeed.org/version/1.1"


def json_feed(content: Mapping[str, Any], title: str) -> bytes:
    """The items that feed.rss has, in the list's order and with the same ids.

    The reader knows neither its own public address nor the language of titles: `feed_url` and `language` are absent.
    """
    items = feed_items(content)
    feed: dict[str, Any] = {"version": VERSION, "title": feed_title(content, title)}
    if items:
        feed["home_page_url"] = items[0][0]
    state = {name: content[name] for name in ("as_of", "complete", "stale")}
    feed["_list"] = {"site": content["site"], "board": content["board"], "window": content["window"]["name"], **state}
    feed["items"] = [_item(content["site"], item) for _, item in items]
    return orjson.dumps(feed)


def _item(site: str, item: Mapping[str, Any]) -> dict[str, Any]:
    title = item["title"] or item["article_id"]
    made = {"id": f"{site}/{item['article_id']}", "url": item["url"], "title": title, "content_text": title}
    if item["published_at"]:
        made["date_published"] = item["published_at"]
    if tags := [name for name in (item["section"], item["format"]) if name]:
        made["tags"] = tags
    return made
