"""Which rules count, in a sentence of the page."""

from importlib import resources
from typing import Any

import orjson
import pytest

from ranker.serve.pages.counted import what_counts
from ranker.serve.pages.speech import Speech
from tests.support.defaults import press

WORDS = orjson.loads(resources.files("ranker.serve.pages").joinpath("front/words.json").read_bytes())


@pytest.mark.parametrize(
    ("rules", "french", "english"),
    [
        (
            {},
            (
                "Ce qui compte : une lecture par lecteur et par article chaque heure, sans les robots, "
                "sans le réseau interne, sans les doublons."
            ),
            (
                "What counts: one read per reader and article every hour, without crawlers, "
                "without the site’s own network, without duplicates."
            ),
        ),
        (
            {"preset": "none", "repeat": "drop", "repeat_per_s": 1800, "repeat_types": ["view", "share"]},
            "Ce qui compte : une action (share, view) par lecteur et par article toutes les 30 min.",
            "What counts: one action (share, view) per reader and article every 30 min.",
        ),
        (
            {"preset": "none", "repeat": "drop", "repeat_per_s": 7200},
            "Ce qui compte : une lecture par lecteur et par article toutes les 2 heures.",
            "What counts: one read per reader and article every 2 hours.",
        ),
        (
            {"preset": "none", "duplicate": "drop"},
            "Ce qui compte : sans les doublons.",
            "What counts: without duplicates.",
        ),
        (
            {"preset": "none"},
            "Tout compte : aucune règle n’écarte rien.",
            "Everything counts: no rule leaves anything out.",
        ),
    ],
)
def test_what_counts(rules: dict[str, Any], french: str, english: str) -> None:
    """Every rule that is in force, no other, with its period if that is not the published hour."""
    for lang, text in (("fr", french), ("en", english)):
        said = what_counts(press(**rules), Speech(WORDS[lang], lang))
        assert said.replace("\u00a0", " ") == text
