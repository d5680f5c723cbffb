"""An invented catalogue: some 200 articles of a paper that does not exist. Likeness to a real headline is chance."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import orjson

ORIGIN = "https://demo.example"


def articles(site: str, now_ms: int) -> list[dict[str, Any]]:
    """The catalogue as records of topic articles, oldest first, published over the 24 days before `now_ms`.

    The last dozen come in the hour after it, so that articles are born while one looks.
    """
    entries: list[dict[str, Any]] = orjson.loads(files(__name__).joinpath("catalogue.json").read_bytes())
    return [
        {
            "site_id": site,
            "article_id": entry["article_id"],
            "title": entry["title"],
            "url": ORIGIN + entry["article_id"],
            "format": entry["format"],
            "section": entry["section"],
            "published_at": now_ms - entry["age_min"] * 60_000,
            "status": "published",
        }
        for entry in entries
    ]
