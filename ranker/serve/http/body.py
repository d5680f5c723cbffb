"""An answer's bytes: rendered once, tagged by content, compressed when a client accepts that."""

from __future__ import annotations

import hashlib
import time
import zlib
from dataclasses import dataclass, field
from functools import cached_property

from ranker.settings import Caching

LEAST_BYTES = 512
"""Less is not worth compressing."""
_GZIP_BITS = 31
"""zlib with a gzip header, which has no time in it: equal content gives equal bytes."""

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
SCRIPT = b"text/javascript; charset=utf-8"
RSS = b"application/rss+xml; charset=utf-8"
JSON_FEED = b"application/feed+json"
CSV = b"text/csv; charset=utf-8; header=present"
TEXT = b"text/plain; charset=utf-8"


@dataclass
class Body:
    """`until` is on the clock of perf_counter: from then on the answer must be made anew. `made_ms`: what it took.

    `filename`: browsers save it under this name; "" if they show it.
    """

    content: bytes
    kind: bytes = JSON
    filename: str = ""
    made_ms: float = 0.0
    until: float = field(default_factory=lambda: time.perf_counter() + 60.0)

    @cached_property
    def tag(self) -> bytes:
        """First half of the SHA-256, as text."""
        return hashlib.sha256(self.content).hexdigest()[:24].encode()

    @cached_property
    def gzipped(self) -> bytes | None:
        """None if it would not be smaller by much."""
        if len(self.content) < LEAST_BYTES:
            return None
        packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP_BITS)
        return packer.compress(self.content) + packer.flush()

    def etag(self, *, gzipped: bool) -> bytes:
        """A strong tag: other bytes, another tag."""
        return b'"' + self.tag + (b'-gz"' if gzipped else b'"')


def cache_control(caching: Caching, *, private: bool = False) -> bytes:
    """What caches may do with a list; with a token's answer, nothing."""
    if private:
        return b"private, no-store"
    return b"public, max-age=%d, stale-while-revalidate=%d, stale-if-error=%d" % (
        caching.max_age_s,
        caching.stale_while_revalidate_s,
        caching.stale_if_error_s,
    )
