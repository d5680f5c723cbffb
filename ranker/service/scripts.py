"""Scripts that other sites' pages load, at addresses that contain a hash of their content.

A page pins a script by `integrity`, so the bytes behind its address must not change with an upgrade: every published
version is kept in a folder and still served (how long: docs/tracker and docs/block).
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

FOREVER = b"public, max-age=31536000, immutable"
"""Cache-Control of such an address."""
MISSING = "This version is not served here; {} is always the latest one, to be loaded without `integrity`."


def address(name: str, content: bytes) -> str:
    """/NAME.VERSION.js, whose version is the beginning of the content's SHA-256."""
    return f"/{name}.{hashlib.sha256(content).hexdigest()[:16]}.js"


def integrity(content: bytes) -> str:
    """The value of `integrity` for these bytes; compression on the way does not change it."""
    return f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"


def versions(name: str, current: bytes, package: str) -> dict[str, bytes]:
    """By address: the current script, and those that `package` keeps in its folder published/."""
    kept = (file.read_bytes() for file in resources.files(package).joinpath("published").iterdir())
    return {address(name, content): content for content in (current, *kept)}
