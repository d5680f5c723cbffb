"""Matomo's beacons: a query, a form or a bulk of queries, as matomo.js and its HTTP API send them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from producers.collector.beacons import beacon, site_ids
from producers.collector.beacons.beacon import NO_PAGE_VIEW, OWN_TIME, Beacon, NoView, Reading
from producers.collector.beacons.parameters import parameters
from producers.collector.http import answers, body
from producers.collector.http.answers import Answer
from producers.collector.http.refusal import RefusedError
from producers.collector.http.request import Request
from ranker.service.problems import NO_STORE

MAX_BULK = 100
"""matomo.js sends 50 at once, and 64 KiB hold some 90 of its beacons."""
MAX_PARAMETERS = 500
_OTHER_ACTIONS = ("e_c", "e_a", "c_n", "c_p", "c_t", "c_i", "search", "download", "link", "idgoal", "ma_id")
"""Events, content, site search, downloads, outlinks, goals with orders, media."""
_FLAGS = ("ca", "ping")
"""Set for the actions of plugins, and for heartbeats."""
_TIMES = ("cdt", "cdo")
_READ = frozenset(("idsite", "rec", "url", "urlref", "send_image", *_OTHER_ACTIONS, *_FLAGS, *_TIMES))


def read(request: Request) -> Reading:
    """Raises RefusedError if the request as a whole cannot be read."""
    body.check_encoding(request.headers.get(b"content-encoding", b""))
    referer = request.headers.get(b"referer", b"").decode("latin-1")
    if request.body.lstrip()[:1] == b"{":  # whatever its type: matomo.js calls it a form
        bulk = body.value(request.body)
        return Reading([_read(_entry(one), referer) for one in _requests(bulk)], partial(_of_bulk, bulk))
    form, query = _parameters(request.body), _parameters(request.query)
    if form is None or query is None:
        raise RefusedError(400, "malformed", f"There are more than {MAX_PARAMETERS} parameters; a beacon has some 30.")
    given = {**form, **query}
    return Reading([_read(given, referer)], partial(_of_one, given))


def _of_one(given: Mapping[str, str], _: int, __: int) -> Answer:
    return Answer(204, headers=[NO_STORE]) if given.get("send_image") == "0" else answers.image()


def _of_bulk(bulk: Mapping[str, Any], counted: int, passed_over: int) -> Answer:
    if not bulk.get("send_image", True):
        return Answer(204, headers=[NO_STORE])
    return answers.json(200, {"status": "success", "tracked": counted, "invalid": passed_over})


def _requests(bulk: Mapping[str, Any]) -> list[Any]:
    found = bulk.get("requests")
    if not isinstance(found, list) or not found:
        raise RefusedError(400, "malformed", 'A bulk is {"requests": ["?idsite=…&rec=1&url=…"]}, with one at least.')
    if len(found) > MAX_BULK:
        raise RefusedError(413, "too_large", f"There are more than {MAX_BULK} requests: send fewer at once.")
    return found


def _entry(given: Any) -> dict[str, str] | None:
    """A bulk's request, a query or an object; None if it is neither."""
    if isinstance(given, str):
        return _parameters(given.partition("?")[2].encode(errors="surrogatepass"))
    if not isinstance(given, dict):
        return None
    return {name: str(given[name]) for name in _READ if isinstance(given.get(name), (str, int, float))}


def _parameters(raw: bytes) -> dict[str, str] | None:
    return parameters(raw, _READ, MAX_PARAMETERS)


def _read(given: Mapping[str, str] | None, referer: str) -> Beacon | NoView:
    if given is None:
        return beacon.malformed("A request of the bulk is neither a query such as ?idsite=1&rec=1&url=… nor an object.")
    if not (idsite := given.get("idsite")):
        return beacon.malformed("A Matomo beacon has an idsite.")
    if given.get("rec") != "1" or any(given.get(name) for name in _OTHER_ACTIONS):
        return NO_PAGE_VIEW
    if any(given.get(name, "0") not in ("", "0") for name in _FLAGS):
        return NO_PAGE_VIEW
    if any(given.get(name, "0") not in ("", "0") for name in _TIMES):
        return OWN_TIME
    url = given.get("url") or ("" if given.get("urlref") else _page(referer))
    if not url:
        return beacon.malformed("A Matomo beacon has a url, or a Referer with the page's path.")
    return beacon.view((site_ids.matomo(idsite),), url)


def _page(referer: str) -> str:
    """The page of Matomo's plain image; "" if the browser may have cut its path off."""
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return referer if parts.path.strip("/") or parts.query else ""
