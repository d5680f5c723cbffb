"""A reader's pseudonyms: keyed hashes of address and agent, which cannot be traced back without the key, a salt."""

from __future__ import annotations

from hashlib import blake2b

from ranker.service.address import Address, rate_limit_key

MAX_AGENT = 512
"""Characters of a user agent that are used."""


def visitor_id(salt: bytes, site_id: str, address: Address, agent: str) -> str:
    """The reader on one site for the life of the salt: 32 hexadecimal digits."""
    return _hashed(salt, b"", 16, site_id.encode(), address.packed, agent.encode())


def repeat_key(salt: bytes, site_id: str, article_id: str, address: Address, agent: str) -> str:
    """The reader within one article for the life of the salt: 16 hexadecimal digits, unrelated to those elsewhere.

    Of an IPv6 address the first 64 bits: the rest changes by itself, and a client may choose it, so a reader could
    count without end. `agent` may have half surrogate pairs, as lines of a log that are not UTF-8 do.
    """
    parts = site_id.encode(), article_id.encode(), rate_limit_key(address), agent.encode(errors="surrogatepass")
    return _hashed(salt, b"repeat_key", 8, *parts)


def _hashed(salt: bytes, purpose: bytes, size: int, *parts: bytes) -> str:
    """Each part is preceded by its length: no two lists of parts are hashed as the same bytes. Nor are two purposes."""
    digest = blake2b(key=salt, digest_size=size, person=purpose)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()
