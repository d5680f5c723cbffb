"""What is read of a foreign beacon: the site by their id, the page's address, and nothing of the reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from producers.collector.http.answers import Answer

Reason = Literal["no_page_view", "own_time", "no_web_address", "no_article", "unknown_id", "other_site", "malformed"]

_WEB = re.compile(r"https?://[^/?#]", re.IGNORECASE)


@dataclass(frozen=True)
class Beacon:
    """A page view. `ids` are what they call the site, in the form of site_ids.py; `names_bot`: the script says so."""

    ids: tuple[str, ...]
    address: str
    names_bot: bool = False


@dataclass(frozen=True)
class NoView:
    """What is passed over: `detail` is a sentence if it is malformed."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class Reading:
    """The beacons of a request, and what their script expects: `answer` of how many were counted, and how many not."""

    beacons: Sequence[Beacon | NoView]
    answer: Callable[[int, int], Answer]


NO_PAGE_VIEW = NoView("no_page_view")
OWN_TIME = NoView("own_time")
"""It happened earlier, by the sender's word: counted now it would be in the wrong hour."""


def malformed(detail: str) -> NoView:
    return NoView("malformed", detail)


def view(ids: tuple[str, ...], address: str, *, names_bot: bool = False) -> Beacon | NoView:
    """A view of a page of the web: pages of files, apps and extensions are no articles."""
    if not (address.startswith("/") or _WEB.match(address)):
        return NoView("no_web_address")
    return Beacon(ids, address, names_bot)
