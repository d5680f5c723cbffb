"""A whole request as the application sees it."""

from __future__ import annotations

from dataclasses import dataclass

from ranker.service.address import Address

_PREFETCH = (b"sec-purpose", b"purpose", b"x-moz")


@dataclass(frozen=True)
class Request:
    """A whole request; `headers` by their names in lower case, `address` the client's, behind known proxies."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    address: Address
    body: bytes

    @property
    def is_prefetch(self) -> bool:
        """Whether a browser prefetches it, so that the page may never be seen."""
        purposes = b" ".join(self.headers.get(name, b"") for name in _PREFETCH).lower()
        return b"prefetch" in purposes or b"prerender" in purposes

    @property
    def forbids_linking(self) -> bool:
        """Whether its reader does not want to be recognised (Global Privacy Control)."""
        return self.headers.get(b"sec-gpc") == b"1"
