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

from ranker.serve.pages.rows import rows
from ranker.serve.pages.speech import Speech
from ranker.serve.pages.templates import environment
from ranker.service import scripts

LANGUAGE = "fr"
"""Where a page or a request names no language that the block speaks."""

_FROM_PAGE = ("heading", "period", "counts", "units", "ago", "now", "date", "first", "empty", "incomplete", "gone")


class Block:
    """`script` is /block.js, `scripts` every served version by address; `style_source` its style for a CSP."""

    def __init__(self) -> None:
        self._template = environment.get_template("block/fragment.html")
        folder = resources.files(__package__)
        self.script = folder.joinpath("block.min.js").read_bytes()
        self.scripts = scripts.versions("block", self.script, __package__)
        self.style = folder.joinpath("block.css").read_text("utf-8")
        self.style_source = f"'sha256-{base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()}'"
        own = orjson.loads(folder.joinpath("words.json").read_bytes())
        page = orjson.loads(resources.files("ranker.serve.pages.front").joinpath("words.json").read_bytes())
        self.words = {lang: _words(page[lang], own[lang]) for lang in own}

    def fragment(self, content: Mapping[str, Any], lang: str, now_ms: int) -> bytes:
        """One list as HTML; `content` is the API's JSON, `lang` fr or en (another: French), ages are as of `now_ms`."""
        known = lang if lang in self.words else LANGUAGE
        speech = Speech(self.words[known], known, now_ms)
        board, window = content["board"], content["window"]["name"]
        return self._template.render(
            content,
            style=self.style,
            speech=speech,
            period=speech.period(window),
            rows=rows(content["items"], speech, lambda item: _count(item, board, window, speech)),
        ).encode()


def _count(item: Mapping[str, Any], board: str, window: str, speech: Speech) -> str:
    """The count if it is shown, and where the article comes from if it is not from this window."""
    count, origin = speech.count(item["count"], board), item.get("origin")
    if item.get("times") is not None:
        count = speech.times(item["times"])
    if origin is None or origin == window:
        return count
    elsewhere = speech.words["latest" if origin == "latest" else "over"].format(period=speech.period(origin))
    return f"{count} {elsewhere}".lstrip()


def _words(page: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Words that the page has too are the page's."""
    return {name: page[name] for name in _FROM_PAGE} | dict(own) | {"boards": page["boards"] | own["boards"]}
