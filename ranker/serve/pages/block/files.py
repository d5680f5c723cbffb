"""The block's files, read once: one script that carries its style and its words, and the fragment that shares them.

`python -m tests.support.published_scripts` writes the script, block.min.js.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import orjson

from ranker.serve.pages.block.fragment import fragment
from ranker.service import scripts

LANGUAGE = "fr"
"""Where a page or a request names no language that the block speaks."""

_FROM_PAGE = ("heading", "period", "counts", "units", "ago", "now", "empty", "incomplete", "gone")


class Block:
    """`script` is /block.js, `scripts` every served version by address; `style_source` its style for a CSP."""

    def __init__(self) -> None:
        folder = resources.files(__package__)
        self.script = folder.joinpath("block.min.js").read_bytes()
        self.scripts = scripts.versions("block", self.script, __package__)
        self.style = folder.joinpath("block.css").read_text("utf-8")
        self.style_source = f"'sha256-{base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()}'"
        own = orjson.loads(folder.joinpath("words.json").read_bytes())
        page = orjson.loads(resources.files("ranker.serve.pages.front").joinpath("words.json").read_bytes())
        self.words = {lang: _words(page[lang], own[lang]) for lang in own}

    def fragment(self, content: Mapping[str, Any], lang: str, now_ms: int) -> bytes:
        """One list as HTML; `content` is the API's JSON, `lang` fr or en (another: French)."""
        known = lang if lang in self.words else LANGUAGE
        return fragment([content], self.words[known], self.style, lang=known, now_ms=now_ms).encode()


def _words(page: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says too is worded there."""
    return {name: page[name] for name in _FROM_PAGE} | dict(own) | {"boards": page["boards"] | own["boards"]}
