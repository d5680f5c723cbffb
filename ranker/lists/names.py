"""The name of an article: the normal form of its id, by which catalogue, filters and history know it.

Topics may hold other spellings: those that version 0.1 wrote, and those of producers that send what they like.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from schemas.article_id import IdRule, NoArticleError, from_address, is_address, normalized, with_query

REMEMBERED = 32_768
"""Ids of all sites whose names are kept: to look one up takes 0.1 us, to make it 1 to 10."""


def namer(rule: IdRule) -> Callable[[str], str]:
    """A function from a site's article ids to names; an id that has no normal form is its own name."""
    return partial(_name, rule.source, rule.trailing_slash)


def own_name(article_id: str, rule: IdRule) -> str:
    """The name; with a query or a fragment that the rule does not read, the normal form of that very address.

    Those are no spelling, since other articles may differ in nothing else: version 0.1 hid and moved that one address.
    """
    if "?" not in article_id and "#" not in article_id:
        return namer(rule)(article_id)
    if not is_address(article_id):
        return article_id
    try:
        return with_query(article_id, rule) if rule.source == "path" else from_address(article_id, rule)
    except NoArticleError:
        pass
    try:
        return with_query(article_id, rule)
    except NoArticleError:
        return article_id


_rule = lru_cache(maxsize=64)(IdRule)  # to make one takes as long as to recognise a plain id


@lru_cache(maxsize=REMEMBERED)
def _name(source: str, trailing_slash: str, article_id: str) -> str:
    try:
        name = normalized(article_id, _rule(source, trailing_slash))
    except NoArticleError:  # longer than an id may be
        return article_id
    return article_id if name == article_id else name
