"""The page at /definitions: the text of every rule in force, and what it cannot do, in French and English."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ranker.core import rules
from ranker.core.generation import Generation
from ranker.core.rules import HOUR_S, RULE_PREFIX, Rules
from ranker.serve.api.refusals import unread
from ranker.serve.live.board import Board
from ranker.serve.pages.documents import HTML, NO_SCRIPT, document
from ranker.serve.pages.speech import MINUTE_MS, Speech
from ranker.serve.pages.templates import environment
from ranker.service.accept import preferred_language

LANGUAGE = "fr"


class Definitions:
    """The template and its words, read once. `files` is the address of the front page's style."""

    def __init__(self, files: str) -> None:
        self._files = files
        folder = resources.files("ranker.serve.pages")
        page, own = (
            orjson.loads(folder.joinpath(where, "words.json").read_bytes()) for where in ("front", "definitions")
        )
        self._words: dict[str, dict[str, Any]] = {lang: page[lang] | own[lang] for lang in own}
        self._template = environment.get_template("definitions/index.html")

    def index(self, request: Request, board: Board) -> Response:
        """In `?lang=`, else in the language that the browser prefers of those that there are, else in French."""
        if board.generation is None:
            raise unread(board)
        lang = request.query_params.get("lang", "")
        if lang not in self._words:
            lang = preferred_language(request.headers.get("accept-language", ""), self._words) or LANGUAGE
        content = self.page(board.generation, lang).encode()
        return document(request, content, HTML, {**NO_SCRIPT, "content-language": lang, "vary": "accept-language"})

    def page(self, generation: Generation, lang: str) -> str:
        """The page about the rules of a generation, in a language that there is."""
        speech = Speech(self._words[lang], lang)
        words = speech.words
        remembering = rules.memory_rules(generation)
        values = {"generation": generation.id}
        if remembering is not None:
            values |= _bounds(remembering, speech)

        def filled(texts: Sequence[str]) -> list[str]:
            return [text.format_map(values) for text in texts]

        sections = []
        for outcome, name in rules.by_outcome(generation).items():
            rule = outcome.removeprefix(RULE_PREFIX)
            sections.append((name, rule, words["rules_text"][rule], words[_source(name)]))
        return self._template.render(
            lang=lang,
            files=self._files,
            words=words,
            filled=filled,
            languages=[(other, other == lang, text["language"]) for other, text in self._words.items()],
            rules=sections,
            remembers=remembering is not None,
            windows=", ".join(
                words["window"].format(
                    length=speech.length(window.length_ms // MINUTE_MS),
                    grain=speech.length(window.grain_ms // MINUTE_MS),
                )
                for window in generation.windows
            ),
            boards=", ".join(
                f"{board} = {' + '.join(f'{weight} × {outcome}' for outcome, weight in sorted(weights.items()))}"
                for board, weights in sorted(generation.boards.items())
            ),
        )


def _bounds(remembering: Rules, speech: Speech) -> dict[str, str]:
    """What the texts have places for, in words."""
    per_s = remembering.per_ms // 1000
    period = speech.words["hour"]
    if per_s != HOUR_S:
        period = speech.words["period"].format(length=speech.length(per_s // 60))
    return {
        "period": period,
        "types": ", ".join(remembering.types),
        "grace": speech.length(remembering.grace_ms // MINUTE_MS),
        "max_keys": speech.figure(remembering.max_keys),
        "chance": speech.figure(_rounded(2**64 // remembering.max_keys)),
        "names": ", ".join(filter(None, (remembering.duplicate, remembering.repeat))),
    }


def _source(name: str) -> str:
    """Whose definition a rule is, as the name of its text."""
    if name.startswith("unique_item@"):
        return "published"
    return "ours" if name.startswith("repeat-") else "our_rule"


def _rounded(number: int) -> int:
    """The first digit of a large number, the others zero: no larger than it."""
    power: int = 10 ** (len(str(number)) - 1)
    return number // power * power
