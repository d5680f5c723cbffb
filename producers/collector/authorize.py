"""For which site a request speaks, and with what right."""

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
_CROSS_SITE = (
    "The browser says that another site's page sends this, and does not say which; on a page of your own "
    'give the image referrerpolicy="origin", and have the page in its site\'s origins in ranker.toml.'
)
_NOBODY = (
    "Nothing says which site this is of; send an Origin or a write key, or add the host to a site's hosts "
    "in ranker.toml."
)
MAX_LOGGED = 100
"""So many foreign origins are named in the log."""
_ORIGIN = re.compile(rb"null|https?://[A-Za-z0-9._:\[\]-]{1,200}")
"""What browsers send for a page. Others say more than where a page is: an extension's origin names its installation."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Speaker:
    """`keyed`: with the site's write key. Types, visitors: as the site is configured."""

    site_id: str
    site: Site
    keyed: bool


class Sites:
    """The configured sites, by what names them."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        public = {name: Speaker(name, site, keyed=False) for name, site in sites.items()}
        self._origins = {origin: public[name] for name, site in sites.items() for origin in site.origins}
        self._hosts = {host: public[name] for name, site in sites.items() for host in site.hosts}
        self._keys = [
            (site.key.encode(), Speaker(name, site, keyed=True)) for name, site in sites.items() if site.key is not None
        ]
        self._logged: set[bytes] = set()

    def speaker(self, headers: Mapping[bytes, bytes], *, referred: bool = False) -> Speaker:
        """By write key, else Origin, else (where `referred`) the Referer's origin, else Host.

        Host only if the browser does not say that the page is of another site: it hides an origin if its page wants so.
        Raises RefusedError: 401 for a key that is nobody's, 403 where the request speaks for no site.
        """
        if (authorization := headers.get(b"authorization")) is not None:
            return self._by_key(authorization)
        origin = headers.get(b"origin")
        if origin is None and referred and (referer := headers.get(b"referer")):
            origin = _origin_of(referer)
        if origin is not None:
            return self.by_origin(origin)
        if (found := self._hosts.get(_name_of(headers.get(b"host", b"")))) is None:
            raise RefusedError(403, "unknown_site", _NOBODY)
        if headers.get(b"sec-fetch-site") == b"cross-site":
            raise RefusedError(403, "cross_site", _CROSS_SITE)
        return found

    def by_origin(self, origin: bytes) -> Speaker:
        """Raises RefusedError (403) for an origin that is no site's."""
        if (found := self._origins.get(origin.decode("latin-1"))) is None:
            self._log_foreign(origin)
            raise RefusedError(403, "foreign_origin", _FOREIGN)
        return found

    def allows(self, origin: bytes) -> bool:
        """Whether pages of `origin` may send events."""
        return origin.decode("latin-1") in self._origins

    def _log_foreign(self, origin: bytes) -> None:
        """Once for each, so that who runs the sites sees what to add; a stranger cannot fill the log."""
        if origin not in self._logged and len(self._logged) < MAX_LOGGED and _ORIGIN.fullmatch(origin):
            self._logged.add(origin)
            _log.warning("an origin is refused: it is no site's in ranker.toml", extra={"origin": origin.decode()})

    def _by_key(self, authorization: bytes) -> Speaker:
        scheme, _, given = authorization.partition(b" ")
        found = None
        for key, speaker in self._keys:  # all of them, whichever fits: how long it takes tells nothing
            if hmac.compare_digest(key, given):
                found = speaker
        if not authorization.strip() or (scheme.lower() == b"bearer" and not given.strip()):
            raise RefusedError(401, "write_key", "The Authorization header has no key: Bearer KEY is expected.")
        if scheme.lower() != b"bearer":
            raise RefusedError(401, "write_key", "The Authorization header is not Bearer KEY, as is expected.")
        if found is None:
            raise RefusedError(401, "write_key", "The write key is no site's: see RANKER_WRITE_KEYS of the collector.")
        return found


def _origin_of(referer: bytes) -> bytes:
    """The origin of a Referer, as an Origin header would have it; empty where there is none in it."""
    try:
        parts = urlsplit(referer.decode("latin-1"))
    except ValueError:
        return b""
    return f"{parts.scheme}://{parts.netloc}".encode("latin-1")


def _name_of(host: bytes) -> str:
    """The name in a Host header, without its port."""
    return host.decode("latin-1").lower().partition(":")[0]
