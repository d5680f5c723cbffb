"""The tracker as it is served: tracker.js without its comments."""

from __future__ import annotations

import functools
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from producers.collector.http import answers
from producers.collector.http.answers import Answer
from producers.collector.http.refusal import RefusedError
from ranker.service import scripts
from ranker.service.accept import accepts_gzip, matches
from ranker.service.problems import NOSNIFF

LATEST = "/tracker.js"
WEEK = b"public, max-age=604800"


@dataclass(frozen=True, slots=True)
class Script:
    """`etag` with its quotes; `caching` is its Cache-Control."""

    body: bytes
    gzip: bytes
    etag: str
    caching: bytes


def _source() -> bytes:
    return resources.files(__package__).joinpath("tracker.min.js").read_bytes()


@functools.cache
def trackers() -> Mapping[str, Script]:
    """By address: the latest one at /tracker.js, and each version that is served. Read once."""
    latest = _source()
    versions = scripts.versions("tracker", latest, __package__)
    return {
        LATEST: _script(latest, WEEK),
        **{address: _script(content, scripts.FOREVER) for address, content in versions.items()},
    }


def _script(content: bytes, caching: bytes) -> Script:
    return Script(
        body=content,
        gzip=gzip.compress(content, 9, mtime=0),  # the same bytes from every collector
        etag=f'"{hashlib.sha256(content).hexdigest()[:24]}"',
        caching=caching,
    )


def answer(path: str, headers: Mapping[bytes, bytes]) -> Answer:
    """The tracker at this address; each of its two encodings has a tag of its own."""
    script = trackers().get(path)
    if script is None:
        raise RefusedError(404, "path", scripts.MISSING.format(LATEST))
    packed = accepts_gzip(headers.get(b"accept-encoding", b""))
    tag = (script.etag[:-1] + '-gzip"' if packed else script.etag).encode()
    shared = [
        (b"etag", tag),
        (b"cache-control", script.caching),
        (b"vary", b"accept-encoding"),
        (b"access-control-allow-origin", b"*"),
        NOSNIFF,
        answers.CROSS_ORIGIN,
    ]
    if matches(headers.get(b"if-none-match"), tag):
        return Answer(304, headers=shared)
    kind = (b"content-type", b"text/javascript; charset=utf-8")
    encoding = [(b"content-encoding", b"gzip")] if packed else []
    return Answer(200, script.gzip if packed else script.body, [*shared, kind, *encoding])
