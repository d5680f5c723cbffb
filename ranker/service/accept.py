"""What a request's headers say of the form in which it takes an answer."""

from __future__ import annotations


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether Accept-Encoding takes gzip (RFC 9110, 12.5.3); absent means no."""
    for part in accept_encoding.split(b","):
        coding, _, weight = part.strip().lower().partition(b";")
        if coding.strip() in {b"gzip", b"x-gzip", b"*"}:
            return weight.replace(b" ", b"") not in {b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"}
    return False


def matches(tags: bytes | None, etag: bytes) -> bool:
    """Whether If-None-Match names this ETag, compared weakly (RFC 9110, 13.1.2)."""
    if tags is None:
        return False
    named = [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]
    return etag in named or b"*" in named
