"""What can be taken from the rising lists: each step of the definition, and of how it is read."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

_CORE = "ranker.core.rising"
_READ = "ranker.lists.rising"

RISING = (
    Mutant(
        "G is the part of the whole window",
        f"{_READ}:RisingReader.rises",
        "A.before.total - A.recent.total",
        "A.before.total",
    ),
    Mutant("G is upside down", f"{_CORE}:site_ratio", "A / B", "B / A"),
    Mutant("G of nothing before", f"{_CORE}:site_ratio", "A if B else 0.0", "A if B else 1.0"),
    Mutant("o holds c too", f"{_READ}:RisingReader.rises", "A.get(B, 0) - C", "A.get(B, 0)"),
    Mutant("H is not drawn to G", f"{_CORE}:own_ratio", "DRAWN * A", "0"),
    Mutant("H is of few counts", f"{_CORE}:own_ratio", "A / 60 + DRAWN", "A / 60 + 1"),
    Mutant("H is not of hours but of minutes", f"{_CORE}:own_ratio", "(A / 60 + B) / C", "(A + B) / C"),
    Mutant("H goes below zero", f"{_CORE}:own_ratio", "max(before_minutes, 0)", "before_minutes"),
    Mutant("G alone", f"{_CORE}:expected", "max(site, own)", "site"),
    Mutant("H alone", f"{_CORE}:expected", "max(site, own)", "own"),
    Mutant("the smaller of G and H", f"{_CORE}:expected", "max(site, own)", "min(site, own)"),
    Mutant("e goes below 1", f"{_CORE}:expected", "max(A, LEAST_EXPECTED)", "max(A, 0.0)"),
    Mutant("one root of c", f"{_CORE}:sigmas", "sqrt(A) + sqrt(B)", "sqrt(A) + sqrt(A)"),
    Mutant("the root of 4 e", f"{_CORE}:sigmas", "sqrt(4 * A + 1)", "sqrt(4 * A)"),
    Mutant(
        "another order of operations", f"{_CORE}:sigmas", "sqrt(A) + sqrt(B) - sqrt(C)", "sqrt(A) + (sqrt(B) - sqrt(C))"
    ),
    Mutant("more than sigmas", f"{_CORE}:rise", "A < B.sigmas", "A <= B.sigmas"),
    Mutant("no sigmas", f"{_CORE}:rise", "A < B.sigmas", "False"),
    Mutant("more than times", f"{_CORE}:rise", "A < B.times", "A <= B.times"),
    Mutant("no times", f"{_CORE}:rise", "A < B.times", "False"),
    Mutant("what was published as it begins", f"{_CORE}:was_there", "A < begin_ms", "A <= begin_ms"),
    Mutant("what was published lately", f"{_CORE}:was_there", "A < begin_ms", "True"),
    Mutant("unknown articles are old", f"{_CORE}:was_there", "A > B", "True"),
    Mutant("unknown articles are new", f"{_CORE}:was_there", "A > B", "False"),
    Mutant("without the grain", f"{_READ}:RisingReader.rises", "A - B.length_ms - B.grain_ms", "A - B.length_ms"),
    Mutant(
        "by counts alone",
        f"{_CORE}:first_places",
        "sorted(A, reverse=True)",
        "sorted(A, key=lambda one: one.count, reverse=True)",
    ),
    Mutant("the weakest first", f"{_CORE}:first_places", "sorted(A, reverse=True)", "sorted(A)"),
    Mutant("no last place", f"{_CORE}:first_places", "A[:PLACES]", "A"),
    Mutant("the others are never better", f"{_CORE}:first_places", "A is None or B", "True"),
    Mutant("the others are always better", f"{_CORE}:first_places", "A is None or B", "False"),
    Mutant("a list that is not full needs no others", f"{_CORE}:first_places", "len(A) == PLACES and B", "not A or B"),
    Mutant("the cut comes too early", f"{_CORE}:could_rise", "sigmas(A, LEAST_EXPECTED)", "sigmas(A, 2.0)"),
    Mutant("the cut ends at what can just be listed", f"{_CORE}:could_rise", "A >= B.sigmas", "A > B.sigmas"),
    Mutant("no least", f"{_CORE}:could_rise", "A >= B.least", "True"),
    Mutant("the cut leaves out the least", f"{_CORE}:could_rise", "A >= B.least", "A > B.least"),
    Mutant("the weakest are looked at", f"{_CORE}:hopeful", "sorted(A, key=B, reverse=True)", "sorted(A, key=B)"),
    Mutant("hidden articles rise", f"{_READ}:RisingReader.rises", "not A.hidden", "True"),
    Mutant("moved articles have no yesterday", f"{_READ}:_own_ratios", "A.get(B, B)", "B"),
    Mutant("moved articles are not read", f"{_READ}:_shards", "A in targets", "False"),
    Mutant("hours whole or not at all", f"{_CORE}:_minutes_inside", "max(0, A) // MINUTE_MS", "60 * (A > 0)"),
    Mutant(
        "yesterday's last hour is that before",
        f"{_CORE}:Yesterday.count_minutes",
        "_minutes_inside(A, self.middle_ms, self.to_ms)",
        "_minutes_inside(A, self.from_ms, self.middle_ms)",
    ),
    Mutant("yesterday ends with a second", f"{_CORE}:yesterday", "A // MINUTE_MS * MINUTE_MS - B", "A - B"),
    Mutant("two days ago", f"{_CORE}:yesterday", "A - DAY_MS", "A - 2 * DAY_MS"),
    Mutant("what is below the first places had much", f"{_READ}:_likely", "A.get(B, C)", "A.get(B, 10**6)"),
    Mutant("what comes near is not read", f"{_READ}:_likely", "A.least // 2", "A.least + 1"),
)
