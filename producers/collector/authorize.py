"""Determines the site of a request, and its rights."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from producers.collector.http.refusal import RefusedError
from producers.collector.settings import Site

_FOREIGN = "This origin may not send events; add it to the origins of its site in ranker.toml."
_NULL = (
    "This page has no origin (null), so it belongs to no site: it is a file or a data: address, or in a frame with "
    'sandbox; open it at its web address, or give the frame sandbox="allow-scripts allow-same-origin".'
)
_CROSS_SITE = (
    "The browser says that another site's page sends this, and does not say which; on a page of your own "
    'give the image referrerpolicy="origin", and have the page in its site\'s origins in ranker.toml.'
)
_NOBODY = (
    "Nothing says which site this is of; send an Origin or a write key, or add the host to a site's hosts "
    "in ranker.toml."
)
MAX_LOGGED = 100
"""At most so many foreign origins are logged."""
_ORIGIN = re.compile(rb"null|https?://[A-Za-z0-9._:\[\]-]{1,200}")
"""The form of a page's origin. Others reveal more than the page: an extension's origin identifies its installation."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Speaker:
    """A request's site; `keyed`: with its write key."""

    site_id: str
    site: Site
    keyed: bool


class Sites:
    """The configured sites, by origin, host and key."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self.configured = sites
        public = {name: Speaker(name, site, keyed=False) for name, site in sites.items()}
        self._origins = {origin: public[name] for name, site in sites.items() for origin in site.origins}
        self._hosts = {host: public[name] for name, site in sites.items() for host in site.hosts}
        self._keys = [
            (site.key.encode(), Speaker(name, site, keyed=True)) for name, site in sites.items() if site.key is not None
        ]
        self._logged: set[bytes] = set()

    def speaker(self, headers: Mapping[bytes, bytes], *, referred: bool = False) -> Speaker:
        """By write key, else Origin, else (if `referred`) the Referer's origin, else Host.

        Not by Host if the browser reports a page of another site, which can hide its origin. Raises RefusedError: 401
        for an unknown key, 403 if the request belongs to no site.
        """
        if (authorization := headers.get(b"authorization")) is not None:
            return self._by_key(authorization)
        origin = headers.get(b"origin")
        if origin is None and referred and (referer := headers.get(b"referer")):
            origin = _origin_of(referer)
        if origin is not None:
            return self.by_origin(origin)
        if (found := self._hosts.get(host_name(headers))) is None:
            raise RefusedError(403, "unknown_site", _NOBODY)
        if headers.get(b"sec-fetch-site") == b"cross-site":
            raise RefusedError(403, "cross_site", _CROSS_SITE)
        return found

    def by_origin(self, origin: bytes) -> Speaker:
        """The site of an origin; raises RefusedError (403) if it is no site's."""
        if (found := self._origins.get(origin.decode("latin-1"))) is None:
            self._log_foreign(origin)
            raise RefusedError(403, "foreign_origin", _NULL if origin == b"null" else _FOREIGN)
        return found

    def allows(self, origin: bytes) -> bool:
        """Whether pages of `origin` may send events."""
        return origin.decode("latin-1") in self._origins

    def _log_foreign(self, origin: bytes) -> None:
        """Logs each origin once, so that operators see which to add, but strangers cannot fill the log."""
        if origin not in self._logged and len(self._logged) < MAX_LOGGED and _ORIGIN.fullmatch(origin):
            self._logged.add(origin)
            _log.warning("an origin is refused: it is no site's in ranker.toml", extra={"origin": origin.decode()})

    def _by_key(self, authorization: bytes) -> Speaker:
        scheme, _, given = authorization.partition(b" ")
        found = None
        for key, speaker in self._keys:  # always all of them: the time must not reveal which one fits
            if hmac.compare_digest(key, given):
                found = speaker
        if not authorization.strip() or (scheme.lower() == b"bearer" and not given.strip()):
            raise RefusedError(401, "write_key", "The Authorization header has no key: Bearer KEY is expected.")
        if scheme.lower() != b"bearer":
            raise RefusedError(401, "write_key", "The Authorization header is not Bearer KEY, as is expected.")
        if found is None:
            raise RefusedError(401, "write_key", "The write key is no site's: see RANKER_WRITE_KEYS of the collector.")
        return found


def host_name(headers: Mapping[bytes, bytes]) -> str:
    """The name in the Host header, in lower case and without its port."""
    return headers.get(b"host", b"").decode("latin-1").lower().partition(":")[0]


def _origin_of(referer: bytes) -> bytes:
    """The origin of a Referer, in the form of an Origin header; empty if it has none."""
    try:
        parts = urlsplit(referer.decode("latin-1"))
    except ValueError:
        return b""
    return f"{parts.scheme}://{parts.netloc}".encode("latin-1")
