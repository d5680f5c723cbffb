"""Plausible's beacons: one JSON object, called text so that browsers ask for no preflight."""

from __future__ import annotations

from typing import Any

from producers.collector.beacons import beacon, site_ids
from producers.collector.beacons.beacon import NO_PAGE_VIEW, Beacon, NoView, Reading
from producers.collector.http import body
from producers.collector.http.answers import Answer
from producers.collector.http.request import Request
from ranker.service.problems import NO_STORE, NOSNIFF

_MAX_DOMAINS = 20


_NAMES = (("n", "name"), ("u", "url"), ("d", "domain"))
"""Short ones by its scripts, long ones by its API."""


def read(request: Request) -> Reading:
    """Raises RefusedError if the body is no JSON."""
    body.check_encoding(request.headers.get(b"content-encoding", b""))
    return Reading([_read(body.value(request.body))], _answer)


def _read(given: Any) -> Beacon | NoView:
    if not isinstance(given, dict):
        return beacon.malformed("A Plausible beacon is a JSON object.")
    name, url, domains = (given.get(short) or given.get(long) for short, long in _NAMES)
    if not (isinstance(name, str) and isinstance(url, str) and isinstance(domains, str)):
        return beacon.malformed("A Plausible beacon has n, u and d as texts: what happened, its address, the domain.")
    if name != "pageview":
        return NO_PAGE_VIEW
    ids = tuple(site_ids.plausible(one) for one in domains.split(",", _MAX_DOMAINS)[:_MAX_DOMAINS])
    return beacon.view(ids, url)


def _answer(_: int, __: int) -> Answer:
    return Answer(202, b"ok", [(b"content-type", b"text/plain; charset=utf-8"), NO_STORE, NOSNIFF])
