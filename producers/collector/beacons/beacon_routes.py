"""The routes of other analytics' beacons: read by site and page, and from there on events like our own."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from producers.collector.acceptance import Acceptance
from producers.collector.authorize import Sites, Speaker
from producers.collector.beacons import goatcounter, matomo, plausible, umami
from producers.collector.beacons.beacon import Beacon, NoView, Reading
from producers.collector.http import answers
from producers.collector.http.answers import Answer
from producers.collector.http.refusal import RefusedError
from producers.collector.http.request import Request
from producers.collector.metrics import CollectorMetrics
from schemas.article_id import NoArticleError, from_address

MAX_LOGGED = 100
"""At most so many unknown ids are logged."""
_LOGGED = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tracker:
    """One of the analytics; `preflight` are the headers that its script sends and browsers ask for."""

    name: str
    methods: tuple[str, ...]
    read: Callable[[Request], Reading]
    preflight: bytes = b"content-type"


_MATOMO = Tracker("matomo", ("GET", "HEAD", "POST", "OPTIONS"), matomo.read)
_UMAMI_HEADERS = b"content-type, x-umami-cache, x-umami-hostname, x-umami-website-id, *"
TRACKERS: Mapping[str, Tracker] = {
    "/matomo.php": _MATOMO,
    "/piwik.php": _MATOMO,
    "/api/event": Tracker("plausible", ("POST", "OPTIONS"), plausible.read),
    "/api/send": Tracker("umami", ("POST", "OPTIONS"), umami.read, _UMAMI_HEADERS),
    "/count": Tracker("goatcounter", ("GET", "HEAD", "POST"), goatcounter.read),
}


class BeaconRoutes:
    """`methods` has the paths that are served: those of analytics that a site has an id of."""

    def __init__(self, sites: Sites, acceptance: Acceptance, metrics: CollectorMetrics) -> None:
        self._sites = sites
        self._acceptance = acceptance
        self._metrics = metrics
        self._owners = {
            (tracker, their_id): site_id
            for site_id, site in sites.configured.items()
            for tracker, their_id in site.beacons.items()
        }
        used = {tracker for tracker, _ in self._owners}
        self.methods = {path: one.methods for path, one in TRACKERS.items() if one.name in used}
        self._logged: set[tuple[str, str]] = set()

    async def answer(self, request: Request) -> Answer:
        """What the script expects; raises RefusedError if the request is no site's, or nothing in it can be read."""
        tracker = TRACKERS[request.path]
        if request.method == "OPTIONS":
            self._sites.by_origin(request.headers.get(b"origin", b""))
            return answers.preflight(tracker.methods, tracker.preflight)
        if request.method == "HEAD":
            return answers.image()
        speaker = self._sites.speaker(request.headers, referred=True)
        try:
            reading = tracker.read(request)
        except RefusedError:
            self._acceptance.charge(request, speaker, 1)
            self._count(tracker, "malformed")
            raise
        self._acceptance.charge(request, speaker, len(reading.beacons))
        items, passed_over = self._sorted(tracker, reading, speaker)
        content: dict[str, Any] = {"accepted": 0}
        if items:
            content = await self._acceptance.accept(items, request, speaker)
        elif len(malformed := [one for one in passed_over if one.reason == "malformed"]) == len(passed_over):
            raise RefusedError(400, "malformed", malformed[0].detail)
        counted = content["accepted"]
        answer = reading.answer(counted, len(reading.beacons) - counted)
        return answers.with_headers(answer, _said(content, passed_over))

    def _sorted(
        self, tracker: Tracker, reading: Reading, speaker: Speaker
    ) -> tuple[list[dict[str, Any]], list[NoView]]:
        """The beacons as events of /v1/events, and those that are none."""
        items: list[dict[str, Any]] = []
        passed_over = []
        read_as: Counter[str] = Counter()
        for one in reading.beacons:
            found = self._event(tracker, one, speaker) if isinstance(one, Beacon) else one
            if isinstance(found, NoView):
                passed_over.append(found)
                read_as[found.reason] += 1
            else:
                items.append(found)
                read_as["view"] += 1
        for what, count in read_as.items():
            self._count(tracker, what, count)
        return items, passed_over

    def _event(self, tracker: Tracker, beacon: Beacon, speaker: Speaker) -> dict[str, Any] | NoView:
        owners = {self._owners.get((tracker.name, one)) for one in beacon.ids}
        if owners == {None}:
            self._log_unknown(tracker.name, beacon.ids[0])
            return NoView("unknown_id")
        if speaker.site_id not in owners:
            return NoView("other_site")
        try:
            # What an event calls article_id may be an id; this is always an address, of a page that may be none.
            article_id = from_address(beacon.address, speaker.site.ids)
        except NoArticleError:
            return NoView("no_article")
        return {"article_id": article_id} | ({"agent_class": "bot"} if beacon.names_bot else {})

    def _count(self, tracker: Tracker, read_as: str, count: int = 1) -> None:
        self._metrics.beacons.labels(tracker=tracker.name, read_as=read_as).inc(count)

    def _log_unknown(self, tracker: str, their_id: str) -> None:
        """Logs each id once, so that operators see which to add, but strangers cannot fill the log."""
        named = tracker, their_id
        if named not in self._logged and len(self._logged) < MAX_LOGGED and _LOGGED.fullmatch(their_id):
            self._logged.add(named)
            _log.warning(
                "beacons of this id are not counted: it is no site's in ranker.toml", extra={tracker: their_id}
            )


def _said(content: Mapping[str, Any], passed_over: list[NoView]) -> list[tuple[bytes, bytes]]:
    """Headers for who looks: scripts read none of them."""
    found = []
    if "counted_as" in content:
        found.append((b"counted-as", content["counted_as"].encode()))
    if not content["accepted"]:
        why = (
            passed_over[0].reason if passed_over else "client_article_hour" if "not_counted" in content else "prefetch"
        )
        found.append((b"not-counted", why.encode()))
    return found
