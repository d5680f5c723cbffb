"""What a request's headers say of the form in which it takes an answer."""

from __future__ import annotations

from collections.abc import Collection


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether Accept-Encoding takes gzip (RFC 9110, 12.5.3); absent means no."""
    for part in accept_encoding.split(b","):
        coding, _, weight = part.strip().lower().partition(b";")
        if coding.strip() in {b"gzip", b"x-gzip", b"*"}:
            return weight.replace(b" ", b"") not in {b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"}
    return False


def preferred_language(accept_language: str, known: Collection[str]) -> str | None:
    """The one of `known` that Accept-Language ranks highest (RFC 9110, 12.5.4); None if it has none of them.

    `en-GB` takes `en`.
    """
    best, rank = None, 0.0
    for part in accept_language.lower().split(","):
        tag, *parameters = (piece.strip() for piece in part.split(";"))
        language = tag.partition("-")[0]
        try:
            weight = float(parameters[0].removeprefix("q=")) if parameters else 1.0
        except ValueError:
            continue
        if language in known and weight > rank:
            best, rank = language, weight
    return best


def matches(tags: bytes | None, etag: bytes) -> bool:
    """Whether If-None-Match names this ETag, compared weakly (RFC 9110, 13.1.2)."""
    if tags is None:
        return False
    named = [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]
    return etag in named or b"*" in named
