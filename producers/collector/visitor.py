"""A reader's pseudonym: the same for a day on one site; it cannot be traced back without the day's salt."""

from __future__ import annotations

from hashlib import blake2b

from ranker.service.address import Address

MAX_AGENT = 512
"""Characters of a user agent that are used."""


def visitor_id(salt: bytes, site_id: str, address: Address, agent: str) -> str:
    """32 hexadecimal digits, a keyed hash of all three.

    Each part is preceded by its length: no two triples are hashed as the same bytes.
    """
    digest = blake2b(key=salt, digest_size=16)
    for part in (site_id.encode(), address.packed, agent.encode()):
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()
