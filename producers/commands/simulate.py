"""`producers simulate`."""

from __future__ import annotations

import dataclasses
import os
import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import click
import orjson

from producers import event, times
from producers.client.producer import Producer
from producers.commands import common
from producers.simulate import demo, emit, popularity
from producers.simulate.collector_sender import CollectorSender, is_address
from producers.simulate.steady import Steady, insist
from producers.simulate.traffic import Shares, Traffic
from ranker.connect.kafka import KafkaSettings
from ranker.service import endpoints, progress, signals
from ranker.service.printable import printable
from schemas import configuration


class Duration(click.ParamType[int]):
    """`90s`, `15m`, `24h`, `7d`, as milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return times.duration_ms(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True)
class Plan:
    """What to send, after the options are understood."""

    seed: int
    site: str
    demo: bool
    article_count: int
    history_ms: int
    history_events: int
    live: emit.Live
    shares: Shares
    collector: tuple[str, str, float] | None
    """Its address, the site's write key, and the share of live events that goes there."""


_DEMO_SHARES = Shares(bot=0.04, reload=0.15, internal=0.01)

_share = click.FloatRange(0, 1)


def _check_collector(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_address(value):
        raise click.BadParameter(
            f"{endpoints.shown(value)!r} is no address of a collector; write such as http://127.0.0.1:8081"
        )
    return value


@click.command("simulate")
@click.option("--site", default="demo", show_default=True, callback=common.check_site, help="Site of the events.")
@click.option("--demo", is_flag=True, help="Use the invented French catalogue and import it into topic articles.")
@click.option(
    "--articles",
    "article_count",
    default=200,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="How many articles, without --demo.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same traffic, for the same moment.")
@click.option(
    "--rate", default=50.0, show_default=True, type=click.FloatRange(0, 1_000_000), help="Live events a second."
)
@click.option(
    "--duration", type=Duration(), help="How long to send live events, such as 90s or 2h. Default: until Ctrl-C."
)
@click.option("--events", type=click.IntRange(0), help="How many live events to send; 0 for a history alone.")
@click.option("--history", type=Duration(), default=0, metavar="DURATION", help="Write so much past first, such as 7d.")
@click.option(
    "--history-events",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(0),
    help="How many events the past has.",
)
@click.option("--late", default=0.0, type=_share, help="Share of events from before the longest window.")
@click.option("--future", default=0.0, type=_share, help="Share of events from a clock that is fast.")
@click.option("--duplicate", default=0.0, type=_share, help="Share of events that repeat an earlier one.")
@click.option("--broken", default=0.0, type=_share, help="Share of records that are no event of the contract.")
@click.option("--bot", type=_share, help="Share of events by crawlers. Default: 0, with --demo 0.04.")
@click.option(
    "--reload", type=_share, help="Share of views that repeat a reader's of a moment ago. Default: 0, with --demo 0.15."
)
@click.option("--internal", type=_share, help="Share of events by the site's own people. Default: 0, with --demo 0.01.")
@click.option(
    "--collector",
    metavar="URL",
    callback=_check_collector,
    help="Send a share of the live events, plain ones, over HTTP to `producers collect` there, with the site's key in "
    "RANKER_WRITE_KEYS.",
)
@click.option("--collector-share", default=0.1, show_default=True, type=_share, help="Which share, with --collector.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
@common.bootstrap_option
@common.topic_option("page-views")
@click.option("--articles-topic", default="articles", show_default=True, help="Topic for the catalogue of --demo.")
def command(
    *,
    site: str,
    demo: bool,
    article_count: int,
    seed: int,
    rate: float,
    duration: int | None,
    events: int | None,
    history: int,
    history_events: int,
    late: float,
    future: float,
    duplicate: float,
    broken: float,
    bot: float | None,
    reload: float | None,
    internal: float | None,
    collector: str | None,
    collector_share: float,
    as_json: bool,
    kafka: KafkaSettings,
    topic: str,
    articles_topic: str,
) -> None:
    """Send invented traffic: few articles are read much and many little, they appear and fade, and one goes viral.

    A history is spread by the time of day, and its records have the times of then: on a topic with the producers' times
    (CreateTime) they look as if they had been sent then, on others they are of now. Live traffic keeps the chosen rate,
    and its events are numbered, so that a loss is detected: a duplicate repeats its number, a broken one may leave a
    gap. If Kafka or the collector goes away, live traffic waits, reports it, and catches up afterwards. Ctrl-C ends it
    after all sent events are delivered.

    \b
    Examples:
      producers simulate --demo --history 7d --rate 50
      producers simulate --rate 5000 --duration 60s --bot 0.1 --late 0.01 --broken 0.001
      producers simulate --history 24h --history-events 200000 --events 0 --seed 7 --json
    """
    usual = _DEMO_SHARES if demo else Shares()
    shares = Shares(
        late,
        future,
        duplicate,
        broken,
        usual.bot if bot is None else bot,
        usual.reload if reload is None else reload,
        usual.internal if internal is None else internal,
    )
    if sum(dataclasses.astuple(shares)) > 1:
        names = ", ".join(f"--{field.name}" for field in dataclasses.fields(Shares))
        raise click.UsageError(f"{names} are shares of one whole: at most 1.")
    plan = Plan(
        seed=seed,
        site=site,
        demo=demo,
        article_count=article_count,
        history_ms=history,
        history_events=history_events if history else 0,
        live=emit.Live(rate, events, None if duration is None else duration / 1000),
        shares=shares,
        collector=None if collector is None else (collector, _write_key(site), collector_share),
    )
    common.run(_simulate(plan, kafka, topic, articles_topic, as_json=as_json))


async def _simulate(plan: Plan, kafka: KafkaSettings, topic: str, articles_topic: str, *, as_json: bool) -> None:
    start_ms = emit.now_ms()
    rng = random.Random(plan.seed)  # noqa: S311 - traffic, not secrets
    catalogue = demo.articles(plan.site, start_ms) if plan.demo else []
    models = _models(plan, rng, catalogue, start_ms)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event(common.soon()))
        line = await stack.enter_async_context(Steady(lambda: Producer(kafka, topic, name="simulate")))
        catalogue_line = await stack.enter_async_context(Steady(lambda: Producer(kafka, articles_topic)))
        producer = await line.producer()
        if catalogue:
            await catalogue_line.producer()

        async def publish_articles(from_ms: int, to_ms: int) -> None:
            """Sends the articles published in (from_ms, to_ms] to the catalogue's topic."""
            if out := [event.encode(entry) for entry in catalogue if from_ms < entry["published_at"] <= to_ms]:
                await insist(lambda: catalogue_line.deliver(out), stop, _say)

        await publish_articles(0, start_ms)
        past = _past(plan, rng, models, start_ms)
        if plan.history_events:
            with progress.bar("Writing the past", plan.history_events, unit="events") as advance:
                await emit.write_history(
                    past, producer, from_ms=start_ms - plan.history_ms, to_ms=start_ms, count=plan.history_events,
                    stop=stop, advance=advance,
                )  # fmt: skip
        history = producer.sent
        if not as_json and plan.history_events:
            click.echo(f"{history:,} events of the past sent to {topic}")
        live_ms = emit.now_ms()
        spike, run = _spike(rng, models, live_ms), f"s{plan.seed}-{live_ms:x}"
        present = _present(plan, models, spike, run, producer.producer_id)

        sender = None
        if plan.collector is not None:
            url, key, share = plan.collector
            # The collector is their producer and numbers them.
            plain = _present(dataclasses.replace(plan, shares=Shares()), models, spike, f"{run}-http", None)
            sender = await stack.enter_async_context(CollectorSender(url, key, share, plain))
        # Also the articles published while the history was written.
        await publish_articles(start_ms, emit.now_ms())
        live = await emit.go_live(
            present, line, plan.live, stop=stop, publish_articles=publish_articles, say=_say, collector=sender
        )
    kinds = past.kinds + present.kinds + (sender.traffic.kinds if sender else Counter())
    by_http = sender.accepted if sender else 0
    way = f", {by_http:,} of them by {endpoints.shown(sender.url)}" if sender else ""
    if as_json:
        summary = {"sent": history + live, "history": history, "live": live, "collected": by_http, "seed": plan.seed}
        click.echo(orjson.dumps(summary | {"kinds": kinds}))
    else:
        click.echo(f"{live:,} live events sent to {topic}{way}")
        click.echo(", ".join(f"{kind} {count:,}" for kind, count in kinds.items()) or "nothing sent")


def _models(
    plan: Plan, rng: random.Random, catalogue: list[dict[str, Any]], start_ms: int
) -> list[popularity.ArticleModel]:
    if plan.demo:
        named = [(entry["article_id"], entry["published_at"]) for entry in catalogue]
        return popularity.article_models(rng, named, [entry["section"] for entry in catalogue])
    named = popularity.invented(rng, plan.article_count, start_ms - plan.history_ms, start_ms + popularity.HOUR_MS)
    return popularity.article_models(rng, named)


def _past(plan: Plan, rng: random.Random, models: list[popularity.ArticleModel], start_ms: int) -> Traffic:
    # Within the longest window, however long the past is.
    span_ms = min(plan.history_ms, 7 * popularity.DAY_MS)
    onset_ms = start_ms - span_ms * 2 // 5
    spike = popularity.spike(rng, models, onset_ms, span_ms // 250 + 1, span_ms // 30 + 1)
    return Traffic(
        plan.seed, plan.site, models, run=f"s{plan.seed}-{start_ms:x}-past", shares=plan.shares,
        spikes=[spike] if spike else [],
    )  # fmt: skip


def _write_key(site: str) -> str:
    keys, faults = configuration.secrets("RANKER_WRITE_KEYS", os.environ.get("RANKER_WRITE_KEYS") or "")
    if faults or site not in keys:
        raise click.UsageError(
            "\n".join(faults) or f"--collector needs the site's write key: RANKER_WRITE_KEYS has none of {site}."
        )
    return keys[site]


def _spike(rng: random.Random, models: list[popularity.ArticleModel], now_ms: int) -> popularity.Spike | None:
    # Fast enough to watch: it begins within a minute and overtakes the first ten within a few.
    return popularity.spike(
        rng, models, now_ms + popularity.MINUTE_MS // 2, 3 * popularity.MINUTE_MS, 3 * popularity.HOUR_MS
    )


def _present(
    plan: Plan, models: list[popularity.ArticleModel], spike: popularity.Spike | None, run: str, producer_id: str | None
) -> Traffic:
    return Traffic(
        plan.seed, plan.site, models, run=run, shares=plan.shares, spikes=[spike] if spike else [],
        weigh_every_ms=2_000, producer_id=producer_id,
    )  # fmt: skip


def _say(sentence: str) -> None:
    click.echo(printable(sentence), err=True)
