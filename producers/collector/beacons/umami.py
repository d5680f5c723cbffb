"""Umami's beacons: one JSON object with a type and a payload."""

from __future__ import annotations

import re
from typing import Any

from producers.collector.beacons import beacon, site_ids
from producers.collector.beacons.beacon import NO_PAGE_VIEW, OWN_TIME, Beacon, NoView, Reading
from producers.collector.http import answers, body
from producers.collector.http.answers import Answer
from producers.collector.http.request import Request

_ENCODED_TWICE = re.compile(r"%25(?=[0-9A-Fa-f]{2})")
"""Scripts before 2.13 encode a path that is encoded already; Umami's server decodes it once more."""


def read(request: Request) -> Reading:
    """Raises RefusedError if the body is no JSON."""
    body.check_encoding(request.headers.get(b"content-encoding", b""))
    return Reading([_read(body.value(request.body))], _answer)


def _read(given: Any) -> Beacon | NoView:
    payload = given.get("payload") if isinstance(given, dict) else None
    if not isinstance(payload, dict) or not isinstance(given.get("type"), str):
        return beacon.malformed("An Umami beacon is a JSON object with a type and a payload.")
    if given["type"] != "event" or any(payload.get(name) for name in ("name", "link", "pixel")):
        return NO_PAGE_VIEW
    if payload.get("timestamp") is not None:
        return OWN_TIME
    website, url = payload.get("website"), payload.get("url")
    if not (isinstance(website, str) and website and isinstance(url, str) and url):
        return beacon.malformed("An Umami page view has website and url in its payload, as texts.")
    if url.startswith("/"):
        url = _ENCODED_TWICE.sub("%", url)
    return beacon.view((site_ids.umami(website),), url)


def _answer(_: int, __: int) -> Answer:
    """Without a `cache`, so that the script keeps nothing."""
    return answers.json(200, {})
