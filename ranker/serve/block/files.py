"""The block's files, read once: one script that carries its style and its words, and the fragment that shares them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import orjson

from ranker.serve.block.fragment import fragment
from ranker.service import scripts

LANGUAGE = "fr"
"""Where a page or a request names no language that the block speaks."""

_FROM_PAGE = ("heading", "period", "counts", "units", "ago", "now", "empty", "incomplete", "gone")
_FOR_FRAGMENT = ("months", "date")
"""Browsers know the names of months."""


class Block:
    """`script` is /block.js, `scripts` every served version by address; `style_source` its style for a CSP."""

    def __init__(self) -> None:
        folder = resources.files(__package__)
        self.style = _tight_css(folder.joinpath("block.css").read_text("utf-8"))
        own = orjson.loads(folder.joinpath("words.json").read_bytes())
        page = orjson.loads(resources.files("ranker.serve").joinpath("page", "words.json").read_bytes())
        self.words = {lang: _words(page[lang], own[lang]) for lang in own}
        self.script = self._compose(_tight_js(folder.joinpath("block.js").read_text("utf-8")))
        self.scripts = scripts.versions("block", self.script, __package__)
        self.style_source = f"'sha256-{base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()}'"

    def fragment(self, content: Mapping[str, Any], lang: str, now_ms: int) -> bytes:
        """One list as HTML; `content` is the API's JSON, `lang` fr or en (another: French)."""
        known = lang if lang in self.words else LANGUAGE
        return fragment([content], self.words[known], self.style, lang=known, now_ms=now_ms).encode()

    def _compose(self, source: str) -> bytes:
        spoken = {
            lang: {name: said for name, said in words.items() if name not in _FOR_FRAGMENT}
            for lang, words in self.words.items()
        }
        for marker, value in {'/* block.css */ ""': self.style, "/* words.json */ {}": spoken}.items():
            before, found, after = source.partition(marker)
            if not found:
                raise ValueError(f"block.js has no place {marker!r}")
            source = before + orjson.dumps(value).decode() + after
        return source.encode()


def _words(page: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says too is worded there."""
    return {name: page[name] for name in _FROM_PAGE} | dict(own) | {"boards": page["boards"] | own["boards"]}


def _tight_css(text: str) -> str:
    """Without comments and the blanks around punctuation. The style's strings hold neither."""
    return re.sub(r"\s*([{};,>])\s*", r"\1", " ".join(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).split()))


def _tight_js(text: str) -> str:
    """Without indentation and whole lines of comment, a fifth of what is sent; no string has several lines."""
    return re.sub(r"^\s*(?:(?://|/\*\*).*)?\n?", "", text, flags=re.MULTILINE)
