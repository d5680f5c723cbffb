"""The tracker as it is served: the source itself, comments and all, which is small enough."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """`etag` with its quotes; `integrity` is the script's SRI value, the same for both encodings."""

    body: bytes
    gzip: bytes
    etag: str
    integrity: str


@functools.cache
def tracker() -> Script:
    """tracker.js of this version, read once."""
    body = resources.files(__package__).joinpath("tracker.js").read_bytes()
    return Script(
        body=body,
        gzip=gzip.compress(body, 9, mtime=0),  # the same bytes from every collector
        etag=f'"{hashlib.sha256(body).hexdigest()[:24]}"',
        integrity=f"sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}",
    )
