"""Runs a Lua script by its digest; sends it whole if Redis does not know it yet.

The client's own way needs SCRIPT LOAD for that, which proxies do not have and users are often forbidden.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError


class Script:
    """`client` is an asyncio client of redis-py, single or cluster."""

    def __init__(self, client: Any, text: str) -> None:
        self._client = client
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        try:
            return await self._client.evalsha(self._digest, len(keys), *keys, *args)
        except NoScriptError:  # nothing was run
            return await self._client.eval(self._text, len(keys), *keys, *args)
