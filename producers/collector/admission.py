"""Admits the events of a request: valid ones, of admitted articles, not too often from one client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from producers.collector.authorize import Speaker
from producers.collector.client_hour import ClientHour
from producers.collector.new_articles import NewArticles
from producers.collector.validate import Arrival, FaultError, not_counted, views
from producers.event import PageView
from ranker.service.buckets import Buckets

_NEW = FaultError(
    "new_articles",
    "The catalogue does not know this article, and what such ones may cost is used up, of this address or of the site; "
    "send it again later.",
)


@dataclass(frozen=True)
class Bounds:
    """The limits of clients, keys, one client on one article, and new articles; and how old events may be."""

    clients: Buckets
    keys: Buckets
    articles: NewArticles
    client_hour: ClientHour
    longest_window_ms: int


@dataclass
class Admitted:
    """`rejected` and `not_counted` have the form of the response; `wait_s` if all are new articles without budget."""

    accepted: list[PageView] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    not_counted: list[dict[str, Any]] = field(default_factory=list)
    wait_s: int = 0


def admit(items: list[Any], speaker: Speaker, arrival: Arrival, bounds: Bounds) -> Admitted:
    """Sorts a request's events into accepted, rejected and not counted."""
    found = Admitted()
    wait_s = 0
    for index, view in enumerate(views(items, speaker, arrival)):
        if isinstance(view, FaultError):
            found.rejected.append(view.at(index))
            continue
        cells = None
        if arrival.client is not None:
            cells = bounds.client_hour.room(arrival.client, view, arrival.now_ms)
            if cells is None:
                found.not_counted.append(not_counted(index))
                continue
        wait_s = bounds.articles.admit(view, arrival.client, arrival.now_ms / 1000)
        if wait_s:
            found.rejected.append(_NEW.at(index))
        else:
            found.accepted.append(view)
            if cells:
                bounds.client_hour.count(cells)
    if all(fault["reason"] == "new_articles" for fault in found.rejected):
        found.wait_s = wait_s
    return found
