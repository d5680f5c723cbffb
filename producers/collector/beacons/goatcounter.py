"""GoatCounter's beacons: a query, by an image or a POST without a body. The site is the host that they are sent to."""

from __future__ import annotations

from collections.abc import Mapping

from producers.collector.authorize import host_name
from producers.collector.beacons import beacon, site_ids
from producers.collector.beacons.beacon import NO_PAGE_VIEW, Beacon, NoView, Reading
from producers.collector.beacons.parameters import parameters
from producers.collector.http import answers
from producers.collector.http.answers import Answer
from producers.collector.http.refusal import RefusedError
from producers.collector.http.request import Request

_MAX_PARAMETERS = 100


def read(request: Request) -> Reading:
    """Raises RefusedError if there are too many parameters. A body is passed over, as GoatCounter does."""
    given = parameters(request.query, ("p", "e", "b"), _MAX_PARAMETERS)
    if given is None:
        raise RefusedError(
            400, "malformed", f"There are more than {_MAX_PARAMETERS} parameters; a beacon has some ten."
        )
    return Reading([_read(given, host_name(request.headers))], _answer)


def _read(given: Mapping[str, str], host: str) -> Beacon | NoView:
    if (given.get("e") or "false").lower() not in ("false", "f", "0"):
        return NO_PAGE_VIEW
    if not (path := given.get("p", "").strip()):
        return beacon.malformed("A GoatCounter beacon has p, the page's path.")
    if not path.startswith(("/", "http://", "https://")):
        path = f"/{path}"  # as GoatCounter has it: a name that the page gives itself
    return beacon.view((site_ids.goatcounter(host),), path, names_bot=(given.get("b") or "0") != "0")


def _answer(_: int, __: int) -> Answer:
    return answers.image()
