"""`producers articles hide | show | alias`: the editor's decisions, in records that no feed overwrites."""

from __future__ import annotations

from typing import Any

import click
import orjson

from producers import event
from producers.client.producer import Producer
from producers.commands import common
from ranker.connect.kafka import KafkaSettings
from schemas.article_id import ALLOWED, DEFAULT, NoArticleError, is_article_id, normalized


def _normal(given: str, config: str | None, site: str) -> str:
    """The id of the article that is given by its id, its path or its address."""
    try:
        article = normalized(given, common.id_rules(config).get(site, DEFAULT))
    except NoArticleError as error:
        raise click.UsageError(f"{given!r} is no article id: {error}") from error
    if not is_article_id(article):
        raise click.UsageError(f"{given!r} is no article id; it has {ALLOWED}")
    return article


_site = click.argument("site", callback=common.check_site)


@click.command("hide")
@_site
@click.argument("article", metavar="ID")
@common.config_option
@common.bootstrap_option
@common.topic_option("articles")
def hide(*, site: str, article: str, config: str | None, kafka: KafkaSettings, topic: str) -> None:
    """Take an article off every list, and blank it in days and weeks that were made, until `producers articles show`.

    It is still counted. No import brings it back, and it may be hidden before anything else is known of it. ID is the
    article's id as lists show it, or its address; one that begins with - is written after --.

    \b
    Examples:
      producers articles hide demo /faits-divers/un-nom-de-trop
      producers articles hide demo -- -42
    """
    article = _normal(article, config, site)
    _write(kafka, topic, site, [article], "editor", {"hidden": True})
    click.echo(f"{article} of {site} is hidden from every list")


@click.command("show")
@_site
@click.argument("article", metavar="ID")
@common.config_option
@common.bootstrap_option
@common.topic_option("articles")
def show(*, site: str, article: str, config: str | None, kafka: KafkaSettings, topic: str) -> None:
    """Take `producers articles hide` back: the article returns to the place of its counts.

    An article that a feed or an import has removed (status removed) stays away; import it again as published.

    \b
    Examples:
      producers articles show demo /faits-divers/un-nom-de-trop
      producers articles show demo -- -42
    """
    given, article = article, _normal(article, config, site)
    # Version 0.1 may have hidden just this address; for readers, other spellings are the article.
    words = _with_spelling(article, given) if "?" in given or "#" in given else [article]
    _write(kafka, topic, site, words, "editor", {"hidden": False})
    click.echo(f"{article} of {site} is no longer hidden by the editor")


@click.command("alias")
@_site
@click.argument("old")
@click.argument("new", required=False)
@common.config_option
@common.bootstrap_option
@common.topic_option("articles")
def alias(*, site: str, old: str, new: str | None, config: str | None, kafka: KafkaSettings, topic: str) -> None:
    """Count an article that moved under its new id; without NEW, take that back.

    OLD and NEW become one article in every list, also for what was counted before. One hop: an article that moves a
    second time needs an alias of both old ids to the newest one. A site has room for 10,000 aliases; beyond that, new
    ones have no effect.

    \b
    Examples:
      producers articles alias demo /2026/le-dernier-bal /culture/le-dernier-bal
      producers articles alias demo /2026/le-dernier-bal
      producers articles alias demo -- -42 -43
    """
    given, old = old, _normal(old, config, site)
    new = None if new is None else _normal(new, config, site)
    if old == new:
        raise click.UsageError(f"OLD and NEW are both {old!r}; an alias leads from one article to another.")
    _write(kafka, topic, site, _with_spelling(old, given), "alias", {"alias_of": new})
    if new is None:
        click.echo(f"{old} of {site} stands for itself")
    else:
        click.echo(f"{old} of {site} is counted together with {new}, and stands under that id")


def _with_spelling(article: str, given: str) -> list[str]:
    """The id, and the given spelling if it can be an id: lists may have what other producers counted under it."""
    return [article, given] if given != article and is_article_id(given) else [article]


def _write(kafka: KafkaSettings, topic: str, site: str, articles: list[str], word: str, fields: dict[str, Any]) -> None:
    """Send a record of schema `word` for each id; returns when Kafka has acknowledged them. No id holds the space."""
    records = [
        (
            event.key(site, article) + f" #{word}".encode(),
            orjson.dumps({"site_id": site, "article_id": article, **fields}),
        )
        for article in articles
    ]
    common.run(_send(kafka, topic, records))


async def _send(kafka: KafkaSettings, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    async with Producer(kafka, topic) as producer:
        await producer.send_records(records)
        await producer.flush()
