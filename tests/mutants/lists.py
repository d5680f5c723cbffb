"""What can be taken from the merge and the lists; `hunt` names the property that has to miss it."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

_NAMED = "{*A.aliases, *A.aliases.values(), *A.wanted}"
_SHORT = "not (A and B.by_catalogue and not C)"

LISTS = (
    Mutant("aliases are ignored by name", "ranker.core.merge:_sum_up", "move(A, B)", "{}", "merge"),
    Mutant("aliases are ignored in whole lists", "ranker.core.merge:_sum_whole", "move(A, B)", "{}", "merge"),
    Mutant("aliases after the cut", "ranker.core.merge:merge", _NAMED, "set(A.wanted)", "merge"),
    Mutant(
        "aliases are not asked for at their targets",
        "ranker.core.merge:merge",
        _NAMED,
        "{*A.aliases, *A.wanted}",
        "merge",
    ),
    Mutant(
        "aliases of aliases",
        "ranker.core.merge:move",
        "(A, B.pop(C))",
        "(aliases.get(A, A), B.pop(C))",
        "merge",
    ),
    Mutant(
        "aliases whose counts add up to nothing are named",
        "ranker.core.merge:move",
        "A.get(B)",
        "A.get(B) is not None",
        "merge",
    ),
    Mutant(
        "the bar is of rows that are not summed",
        "ranker.core.merge:merge",
        "R, M = _sum_up(A, ...)\nB = R[PLACES - 1] if C else None",
        "R, M = _sum_up(A, ...)\n"
        "B = sorted((row for answer in A.values() for row in answer.rows), reverse=True)\n"
        "B = B[PLACES - 1] if len(B) >= PLACES else None",
        "merge",
        long=True,
    ),
    Mutant("all further rows", "ranker.core.merge:_further", "A[1] in B.wanted", "True", "merge"),
    Mutant(
        "wanted articles go by the name they moved to",
        "ranker.core.merge:_further",
        "A[1] in B.wanted",
        "A[1] in {B.aliases.get(article, article) for article in B.wanted}",
        "merge",
    ),
    Mutant(
        "aliases count as strays",
        "ranker.core.merge:merge",
        "len(A) > MAX_STRAYS",
        "len(A | followed) > MAX_STRAYS",
        "merge",
    ),
    Mutant("strays are not summed", "ranker.core.merge:merge", "A = B | C", "A = dict(B)", "merge", long=True),
    Mutant(
        "ties end a merge early", "ranker.core.merge:_could_reach", "A[-1] > B", "A[-1][0] > B[0]", "merge", long=True
    ),
    Mutant(
        "the filter is applied after the cut",
        "ranker.serve.api.items:list_places",
        "ends_in(A.rows)",
        "ends_in(A.rows[:most]) or len(A.rows) >= most",
        "lists",
        long=True,
    ),
    Mutant("what is looked up has no holes", "ranker.serve.api.items:list_places", _SHORT, "not A", "lists"),
    Mutant("what was read is all there is", "ranker.serve.api.items:list_places", _SHORT, "False", "lists"),
    Mutant("nothing is looked up", "ranker.serve.api.lists:Lists._full", "await A.look_up(...)", "None", "lists"),
    Mutant(
        "counts below the least stay",
        "ranker.serve.api.items:list_places",
        "A < B.min_count",
        "False",
        "lists",
        long=True,
    ),
    Mutant("hidden articles stay", "ranker.lists.filters:Filter.admits", "not A.hidden", "True", "lists", long=True),
    Mutant(
        "more than the budget is half looked up",
        "ranker.serve.live.lookups:_look",
        "if len(A) > BUDGET: ...",
        "if len(A) > BUDGET: return frozenset(sorted(A)[:BUDGET])",
        "lists",
        long=True,
    ),
    Mutant(
        "pages overlap",
        "ranker.serve.api.items:items",
        "A[B.offset : C]",
        "A[max(0, B.offset - 1) : C]",
        "pages",
    ),
    Mutant(
        "what fills a list up may be in it",
        "ranker.serve.api.spread:Spread.takes",
        "A in B._placed",
        "False",
        "fallback",
    ),
    Mutant(
        "a section has a place more",
        "ranker.serve.api.spread:Spread.takes",
        "A._taken[B, C] == D",
        "A._taken[B, C] > D",
        "spread",
    ),
    Mutant(
        "what is passed over has a place of its other group",
        "ranker.serve.api.spread:Spread.takes",
        "A._passed.add(B)",
        "(A._passed.add(B), [A._full[field].add(getattr(article, field)) for field in A._max_per])",
        "spread",
        long=True,
    ),
    Mutant(
        "what is passed over below the last place is counted",
        "ranker.serve.api.lists:Lists._content",
        "A.skipped",
        "len(A._passed)",
        "spread",
    ),
    Mutant(
        "what stands in other lists stays",
        "ranker.serve.api.spread:Spread.takes",
        "A in B._left_out",
        "False",
        "spread",
    ),
    Mutant(
        "other lists are filtered as this one",
        "ranker.serve.api.lists:Lists._left_out",
        "A._filter(B, Query())",
        "A._filter(B, query)",
        "spread",
    ),
    Mutant(
        "another list that is short leaves this one complete",
        "ranker.serve.api.lists:Lists._left_out",
        "A and B and not C",
        "A and B",
        "spread",
        long=True,
    ),
    Mutant(
        "sections begin anew in what fills a list up",
        "ranker.serve.api.spread:Spread.add",
        "self.places += A",
        "self.places += A; self._taken.clear()",
        "spread fallback",
    ),
    Mutant("what moved is new again", "ranker.serve.api.lists:_Newest.article_ids", "A.aliases(B)", "{}", "fallback"),
)
