"""Which rules count, in a sentence for readers; the definitions page has the rest."""

from __future__ import annotations

from ranker.core import rules
from ranker.core.generation import Generation
from ranker.core.rules import BOT, DUPLICATE, HOUR_S, INTERNAL, REPEAT, RULE_PREFIX
from ranker.serve.pages.speech import Speech


def what_counts(generation: Generation, speech: Speech) -> str:
    """The rules in force: what a reader is most likely to notice comes first."""
    words, in_force = speech.words["rules"], rules.by_outcome(generation)
    named = [words[one.removeprefix(RULE_PREFIX)] for one in (BOT, INTERNAL, DUPLICATE) if one in in_force]
    remembering = rules.memory_rules(generation)
    if remembering is not None and REPEAT in in_force:
        per_s = remembering.per_ms // 1000
        each = words["each_hour"] if per_s == HOUR_S else words["each"].format(period=speech.length(per_s // 60))
        form = "repeat" if remembering.types == ("view",) else "repeat_types"
        named = [words[form].format(each=each, types=", ".join(remembering.types)), *named]
    return str(words["count"].format(rules=", ".join(named)) if named else words["none"])
