"""What can be taken from the merge and the lists; `hunt` names the property that has to miss it."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

LISTS = (
    Mutant(
        "aliases are ignored by name",
        "ranker.core.merge",
        "                    under = aliases.get(article, article)\n                    totals[under]",
        "                    under = article\n                    totals[under]",
        hunt="merge",
    ),
    Mutant(
        "aliases are ignored in whole lists",
        "ranker.core.merge",
        "        for count, article in answer.rows:\n            under = aliases.get(article, article)\n",
        "        for count, article in answer.rows:\n            under = article\n",
        hunt="merge",
    ),
    Mutant(
        "aliases after the cut",
        "ranker.core.merge",
        "    named = {*wish.aliases, *wish.aliases.values(), *wish.wanted}\n",
        "    named = set(wish.wanted)\n",
        hunt="merge",
    ),
    Mutant(
        "aliases are not asked for at their targets",
        "ranker.core.merge",
        "{*wish.aliases, *wish.aliases.values(), *wish.wanted}",
        "{*wish.aliases, *wish.wanted}",
        hunt="merge",
    ),
    Mutant(
        "aliases of aliases",
        "ranker.core.merge",
        "                    under = aliases.get(article, article)\n                    totals[under]",
        "                    under = aliases.get(article, article)\n"
        "                    under = aliases.get(under, under)\n                    totals[under]",
        hunt="merge",
    ),
    Mutant(
        "the bar is of rows that are not summed",
        "ranker.core.merge",
        "            bar = rows[PLACES - 1] if len(rows) >= PLACES else None\n",
        "            read = sorted((row for answer in answers.values() for row in answer.rows), reverse=True)\n"
        "            bar = read[PLACES - 1] if len(read) >= PLACES else None\n",
        hunt="merge",
    ),
    Mutant(
        "all further rows",
        "ranker.core.merge",
        "    return [row for row in rows[PLACES:] if row[1] in wish.wanted]\n",
        "    return list(rows[PLACES:])\n",
        hunt="merge",
    ),
    Mutant(
        "wanted articles go by the name they moved to",
        "ranker.core.merge",
        "if row[1] in wish.wanted]",
        "if row[1] in {wish.aliases.get(article, article) for article in wish.wanted}]",
        hunt="merge",
    ),
    Mutant(
        "aliases count as strays",
        "ranker.core.merge",
        "            if len(strays) > MAX_STRAYS:\n",
        "            if len(strays | followed) > MAX_STRAYS:\n",
        hunt="merge",
    ),
    Mutant(
        "strays are not summed",
        "ranker.core.merge",
        "            marked = followed | strays\n",
        "            marked = dict(followed)\n",
        hunt="merge",
    ),
    Mutant(
        "ties end a merge early",
        "ranker.core.merge",
        "rows[-1] > bar)",
        "rows[-1][0] > bar[0])",
        hunt="merge",
    ),
    Mutant(
        "the filter is applied after the cut",
        "ranker.serve.listing",
        "    if ends_in(published.rows) or",
        "    if ends_in(published.rows[:most]) or len(published.rows) >= most or",
        hunt="lists",
    ),
    Mutant(
        "what is looked up has no holes",
        "ranker.serve.listing",
        "short=not (covered and filter_.by_catalogue)",
        "short=not covered",
        hunt="lists",
    ),
    Mutant(
        "what was read is all there is",
        "ranker.serve.listing",
        "short=not (covered and filter_.by_catalogue)",
        "short=False",
        hunt="lists",
    ),
    Mutant(
        "nothing is looked up",
        "ranker.serve.lists",
        "await self.refresher.look_up(wanted, self._filter(name.site, query).in_catalogue, deadline_s)",
        "pass",
        hunt="lists",
    ),
    Mutant(
        "counts below the least stay",
        "ranker.serve.listing",
        "len(places) == most or count < filter_.min_count",
        "len(places) == most",
        hunt="lists",
    ),
    Mutant(
        "hidden articles stay",
        "ranker.lists.filters",
        "            not article.hidden\n            and article_id",
        "            article_id",
        hunt="lists",
    ),
    Mutant(
        "more than the budget is half looked up",
        "ranker.serve.matching",
        "            return None\n        await",
        "            return frozenset(sorted(found)[:BUDGET])\n        await",
        hunt="lists",
    ),
    Mutant(
        "pages overlap",
        "ranker.serve.listing",
        "places[query.offset : query.offset + query.limit]",
        "places[max(0, query.offset - 1) : query.offset + query.limit]",
        hunt="pages",
    ),
    Mutant(
        "what fills a list up may be in it",
        "ranker.serve.listing",
        "            seen.setdefault(place.article_id, place)\n",
        "            seen.setdefault(place.article_id + place.origin, place)\n",
        hunt="fallback",
    ),
    Mutant(
        "what moved is new again",
        "ranker.serve.latest",
        " and article_id not in moved",
        "",
        hunt="fallback",
    ),
)
