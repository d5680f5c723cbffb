"""`ranker size`: what a load will take, before there is any."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from ranker.commands.common import config_option, load_settings, user_errors
from ranker.commands.compare import duration_ms
from schemas.configuration import PRESETS

if TYPE_CHECKING:
    from ranker.core.sizing.load import Load
    from ranker.core.sizing.plan import Plan, Prices
    from ranker.settings import Settings

_MOST = 1e12


class _Number(click.FloatRange):
    """A number within the range, of which sums can be made: neither inf nor nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not number <= _MOST:
            self.fail(f"{value!r} is not a number up to {_MOST:g}.", param, ctx)
        return number


_SHARE = _Number(0, 1, max_open=True)
_POSITIVE = _Number(0, min_open=True)
_PRICE = _Number(0)


def _seen(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[float, float]:
    del context, parameter  # click's signature
    found = {}
    for value in values:
        length, _, articles = value.partition("=")
        if not articles.isdecimal() or not int(articles):
            raise click.BadParameter(f"{value!r}; write a time and a number of articles, such as 1h=900")
        found[duration_ms(length) / 1000] = float(articles)
    return found


def _types(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    del context, parameter  # click's signature
    found = {}
    for value in values:
        name, _, share = value.partition("=")
        try:
            found[name] = float(share)
        except ValueError:
            raise click.BadParameter(
                f"{value!r}; write a type and its share of the events, such as view=0.97"
            ) from None
    if found and not (0.99 <= sum(found.values()) <= 1.01 and min(found.values()) >= 0):
        raise click.BadParameter(f"the shares are {sum(found.values()):g} together; they have to be 1")
    return found


@click.command("size")
@click.option("--views", type=_POSITIVE, required=True, help="Events a second, on the average of a week.")
@click.option(
    "--articles",
    type=click.IntRange(1, 100_000_000),
    required=True,
    help="Articles with an event within the longest window, of all sites.",
)
@click.option(
    "--id-length", type=click.IntRange(1, 512), required=True, help="Bytes of an article's id, on the average."
)
@click.option(
    "--ids",
    type=click.Choice(["words", "random"]),
    default="words",
    show_default=True,
    help="Whether ids are paths of words, or hexadecimal digits, which compress to twice as much.",
)
@click.option("--rules", type=click.Choice(list(PRESETS)), help="This preset of rules instead of those in ranker.toml.")
@config_option
@click.option("--peak", type=_Number(1), default=2.0, show_default=True, help="The busiest two hours over the average.")
@click.option(
    "--sites", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Sites, taken as equally large."
)
@click.option(
    "--zipf",
    type=_Number(0, 3),
    default=1.0,
    show_default=True,
    help="The article of rank r has r^-ZIPF of the first one's events.",
)
@click.option(
    "--seen",
    multiple=True,
    callback=_seen,
    metavar="DURATION=ARTICLES",
    help="So many different articles have an event in so long, such as 1h=900; else as --zipf has it. Repeatable.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    callback=_types,
    metavar="TYPE=SHARE",
    help="Share of a type of event; else view=0.97, share=0.02, comment=0.01. Repeatable.",
)
@click.option("--bots", type=_SHARE, default=0.0, show_default=True, help="Share of events by bots.")
@click.option(
    "--repeats", type=_SHARE, default=0.0, show_default=True, help="Share of views that rules drop as repeats."
)
@click.option("--catalogue", type=click.IntRange(0), help="Articles with a record; else those of --articles.")
@click.option("--record-bytes", type=click.IntRange(1), default=250, show_default=True, help="Of an article's record.")
@click.option("--collectors", type=click.IntRange(0), help="Processes that send events; else what is needed.")
@click.option("--partitions", type=click.IntRange(1), help="Of page-views; else what is needed, 4 at least.")
@click.option("--replicas", type=click.IntRange(1), default=3, show_default=True, help="Copies that Kafka keeps.")
@click.option(
    "--retention", type=duration_ms, metavar="DURATION", help="Of page-views; else what `ranker topics apply` sets."
)
@click.option("--requests", type=_Number(0), default=0.0, help="Lists that are requested a second, behind any cache.")
@click.option("--streams", type=click.IntRange(0), default=0, help="Streams that are open at once.")
@click.option("--lists", type=click.IntRange(1), help="Lists in use; else each site's of every board and window.")
@click.option("--price-memory", type=_PRICE, default=0.0, help="Of a GB of memory for a month, in any currency.")
@click.option("--price-core", type=_PRICE, default=0.0, help="Of a core for a month.")
@click.option("--price-disk", type=_PRICE, default=0.0, help="Of a GB of disk for a month.")
@click.option("--price-sent", type=_PRICE, default=0.0, help="Of a GB that is sent to clients.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document: bytes, cores, bytes a second.")
def command(config: str | None, rules: str | None, *, as_json: bool, **options: Any) -> None:
    """Print what a load will take: memory, disk, processes, network.

    Needs neither Kafka nor Redis. Windows, boards and rules are those of ranker.toml. The formulas and what was
    measured for them are in docs/scale.md; Redis' memory was within 15 % of what real runs took (up to 96 MB).

    \b
    Examples:
      ranker size --views 1000 --articles 5000 --id-length 40
      ranker size --views 1000 --articles 5000 --id-length 40 --rules press --repeats 0.1 --seen 1h=900
      ranker size --views 20000 --sites 300 --articles 400000 --id-length 80 --requests 5000 --json
      ranker size --views 1000 --articles 5000 --id-length 40 --price-memory 4 --price-core 25 --price-disk 0.1
    """
    from ranker.core.sizing.plan import Prices, plan

    with user_errors():
        settings = load_settings(config, rules)
    prices = Prices(*(options[f"price_{kind}"] for kind in ("memory", "core", "disk", "sent")))
    found = plan(_load(settings, options), settings.generation)
    if as_json:
        click.echo(json.dumps(_document(found, prices), indent=2))
        return
    from ranker.commands.size_text import lines

    for line in lines(found, settings.generation, prices):
        click.echo(line)


def _load(settings: Settings, options: dict[str, Any]) -> Load:
    from ranker.core.sizing import processes
    from ranker.core.sizing.load import TYPES, Load
    from ranker.core.sizing.plan import partitions_for
    from ranker.operate.topics import wanted

    for seconds, articles in options["seen"].items():
        if articles > options["articles"]:
            raise click.UsageError(
                f"--seen has {articles:,.0f} articles in {seconds / 3600:g} h, more than --articles has in the longest "
                f"window ({options['articles']:,}); raise --articles"
            )
    generation, sites = settings.generation, options["sites"]
    kept_ms = options["retention"]
    if kept_ms is None:
        topics = {topic.name: topic for topic in wanted(generation, settings.calendars)}
        ours = topics.get(generation.topic)
        kept_ms = int(ours.config["retention.ms"]) if ours else 864_000_000
    load = Load(
        rate=options["views"],
        articles=options["articles"],
        id_bytes=options["id_length"],
        ids=options["ids"],
        peak=options["peak"],
        sites=sites,
        zipf=options["zipf"],
        seen=options["seen"],
        types=options["types"] or TYPES,
        bots=options["bots"],
        repeats=options["repeats"],
        catalogue=options["articles"] if options["catalogue"] is None else options["catalogue"],
        record_bytes=options["record_bytes"],
        replicas=options["replicas"],
        retention_s=kept_ms / 1000,
        requests=options["requests"],
        streams=options["streams"],
        lists=options["lists"] or sites * len(generation.boards) * len(generation.windows),
        flush_s=settings.flush_ms / 1000,
        refresh_s=settings.refresh_ms / 1000,
    )
    load = replace(load, partitions=options["partitions"] or partitions_for(load, generation))
    members = processes.collectors(load).count if options["collectors"] is None else options["collectors"]
    return replace(load, members=members)


def _document(found: Plan, prices: Prices) -> dict[str, Any]:
    from ranker.core.sizing.plan import monthly

    document = asdict(found)
    document["memory"] |= {"whole": found.memory.whole}
    document["storage"] |= {"whole": found.storage.whole}
    return document | {"monthly": monthly(found, prices)}
