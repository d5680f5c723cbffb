"""The name of an article: the normal form of its id, by which catalogue, filters and history know it.

Topics may hold other spellings: those that version 0.1 wrote, and those of producers that send what they like.
"""

from __future__ import annotations

from schemas.article_id import IdRule, NoArticleError, from_address, is_address, normalized, with_query


def name_of(article_id: str, rule: IdRule) -> str:
    """The normal form of a site's article id; an id that has none is its own name. Takes 1 to 10 us."""
    try:
        name = normalized(article_id, rule)
    except NoArticleError:  # longer than an id may be
        return article_id
    return article_id if name == article_id else name


def own_name(article_id: str, rule: IdRule) -> str:
    """The name; with a query or a fragment that the rule does not read, the normal form of that very address.

    Those are no spelling, since other articles may differ in nothing else: version 0.1 hid and moved that one address.
    """
    if "?" not in article_id and "#" not in article_id:
        return name_of(article_id, rule)
    if not is_address(article_id):
        return article_id
    if rule.source != "path":
        try:
            return from_address(article_id, rule)
        except NoArticleError:
            pass
    try:
        return with_query(article_id, rule)
    except NoArticleError:
        return article_id


def names_of(article_id: str, rule: IdRule) -> tuple[str, str]:
    """Own name and name."""
    name = name_of(article_id, rule)
    return own_name(article_id, rule) if "?" in article_id or "#" in article_id else name, name
