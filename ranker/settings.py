"""ranker.toml and the RANKER_… environment: read once and validated, every fault in one message.

ranker.toml decides what is counted and how it is shown (schemas/ranker.schema.json); the environment has the addresses
of servers and the secrets. Classes get the values they need, never the settings themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from msgspec import UnsetType, structs, to_builtins

from ranker import calendars
from ranker.connect.kafka import KafkaSettings
from ranker.connect.redis_settings import RedisSettings
from ranker.connect.registry import RegistrySettings
from ranker.core import generation as generations
from ranker.core import rising_boards
from ranker.core.periods import Calendar
from ranker.core.rising_boards import RisingBoard
from ranker.core.rules import memory_rules
from ranker.service.address import Network, networks
from schemas import configuration
from schemas.article_id import DEFAULT, IdRule
from schemas.configuration import SettingsError

ENVIRONMENTS = ("production", "development")
"""The first is the default of RANKER_ENV: to forget it must not loosen anything."""

DEFAULT_GENERATION = generations.from_table(configuration.filled({}))
"""That of an empty ranker.toml."""

BEHIND = 2
"""Times `stale_after_s`: a shard whose T is older makes its lists incomplete, and they name it."""


_SITE = configuration.filled({"sites": {"any": {}}})["sites"]["any"]


@dataclass(frozen=True)
class Site:
    """How one site's lists are shown; a site without a table has the schema's defaults.

    Without a `read_token` no client sees what `show_counts` hides.
    """

    title: str
    show_counts: bool = _SITE["show_counts"]
    hide_unknown: bool = _SITE["hide_unknown"]
    cors: tuple[str, ...] = tuple(_SITE["cors"])
    ids: IdRule = DEFAULT
    read_token: str | None = field(default=None, repr=False)
    calendar: Calendar | None = None


@dataclass(frozen=True)
class Caching:
    """How long caches may use lists, in seconds: fresh, then while they revalidate, then while the reader fails."""

    max_age_s: int
    stale_while_revalidate_s: int
    stale_if_error_s: int


MOST_BUCKETS = 100
"""Live buckets of what rules remember: each is a list in Redis and tables in the process."""


@dataclass(frozen=True)
class Settings:
    """All settings. Names carry units: `_ms` milliseconds, `_s` seconds."""

    environment: str
    kafka: KafkaSettings
    redis: RedisSettings
    registry: RegistrySettings
    config_path: str | None
    generation: generations.Generation
    rules: dict[str, Any]
    """The table [rules], its preset applied."""
    rising: dict[str, RisingBoard]
    rising_windows: frozenset[str]
    """Windows that are there for rising boards alone."""
    sites: dict[str, Site]
    accept_create_time: bool
    session_timeout_ms: int
    metadata_max_age_ms: int
    flush_ms: int
    dead_share: float
    dead_stretch: int
    unpack_mb: int
    refresh_ms: int
    stale_after_s: int
    gone_after_s: int
    caching: Caching
    proxies: tuple[Network, ...]
    client_streams: int
    client_lists_s: int

    @property
    def calendars(self) -> list[Calendar]:
        """Those of all sites."""
        return [site.calendar for site in self.sites.values() if site.calendar]

    def masked(self) -> dict[str, Any]:
        """All settings in effect, by the names of ranker.toml and the environment, without secrets."""
        generation = self.generation
        return {
            "RANKER_ENV": self.environment,
            "RANKER_CONFIG": self.config_path or "(none: defaults)",
            **self.kafka.shown(),
            **self.redis.shown(),
            **self.registry.shown(),
            "generation": generation.id,
            "topic": generation.topic,
            "epoch": generation.epoch,
            "lanes": generation.lanes,
            "windows": {
                w.name: {"length_s": w.length_ms // 1000, "grain_s": w.grain_ms // 1000} for w in generation.windows
            },
            "boards": generation.boards,
            "rising": {
                name: {"of": one.of, "recent": one.recent, "before": one.before, **one.thresholds._asdict()}
                for name, one in self.rising.items()
            },
            "rules": self.rules,
            **({} if isinstance(generation.source, UnsetType) else {"source": to_builtins(generation.source)}),
            "sites": {
                name: {
                    "title": site.title,
                    "show_counts": site.show_counts,
                    "hide_unknown": site.hide_unknown,
                    "cors": list(site.cors),
                    "ids": {"from": site.ids.source, "trailing_slash": site.ids.trailing_slash},
                    "read_token": "***" if site.read_token else "(none)",
                    **({} if site.calendar is None else {"calendar": site.calendar.shown()}),
                }
                for name, site in self.sites.items()
            },
            "kafka": {
                "accept_create_time": self.accept_create_time,
                "session_timeout_ms": self.session_timeout_ms,
                "metadata_max_age_ms": self.metadata_max_age_ms,
            },
            "consume": {
                "flush_ms": self.flush_ms,
                "dead_share": self.dead_share,
                "dead_stretch": self.dead_stretch,
                "unpack_mb": self.unpack_mb,
            },
            "serve": {
                "refresh_ms": self.refresh_ms,
                "stale_after_s": self.stale_after_s,
                "gone_after_s": self.gone_after_s,
                **asdict(self.caching),
                "proxies": list(map(str, self.proxies)),
                "client_streams": self.client_streams,
                "client_lists_s": self.client_lists_s,
            },
        }


def load(config_path: str | None, environ: Mapping[str, str], preset: str | None = None) -> Settings:
    """The settings of `config_path` (else RANKER_CONFIG, else defaults) and `environ`.

    A `preset` takes the place of rules.preset, and of the keys that override one.

    Raises SettingsError, which carries every fault of file and environment with its place and its fix.
    """
    path = config_path or environ.get("RANKER_CONFIG") or None
    faults: list[str] = []
    environment = environ.get("RANKER_ENV") or ENVIRONMENTS[0]
    if environment not in ENVIRONMENTS:
        faults.append(f"RANKER_ENV: {environment!r} is unknown; set it to {' or '.join(ENVIRONMENTS)}")
    kafka = KafkaSettings.from_environ(environ)
    faults += kafka.faults()
    redis = RedisSettings.from_environ(environ)
    faults += redis.faults()
    registry = RegistrySettings.from_environ(environ)
    faults += registry.faults()
    table, found = configuration.table(path, preset)
    tokens, bad = configuration.secrets("RANKER_READ_TOKENS", environ.get("RANKER_READ_TOKENS") or "")
    faults += bad
    if found:
        raise SettingsError(faults + found)
    generation = generations.from_table(table)
    rules = configuration.id_rules(table)
    kafka_table, consume, serve = table["kafka"], table["consume"], table["serve"]
    proxies, unfit = networks(serve["proxies"], "serve.proxies")
    unfit += networks(table["rules"]["internal_networks"], "rules.internal_networks")[1]
    dated, wrong = _calendars(table)
    unfit += wrong
    settings = Settings(
        environment=environment,
        kafka=kafka,
        redis=redis,
        registry=registry,
        config_path=path,
        generation=generation,
        rules={key: value for key, value in table["rules"].items() if key != "preset"},
        rising=rising_boards.boards(table),
        rising_windows=frozenset(configuration.rising_windows(table)),
        sites={
            name: Site(
                site.get("title", name),
                site["show_counts"],
                site["hide_unknown"],
                tuple(site["cors"]),
                rules[name],
                tokens.get(name),
                dated.get(name),
            )
            for name, site in table["sites"].items()
        },
        accept_create_time=kafka_table.get("accept_create_time", environment == "development"),
        session_timeout_ms=kafka_table["session_timeout_ms"],
        metadata_max_age_ms=kafka_table["metadata_max_age_ms"],
        flush_ms=consume["flush_ms"],
        dead_share=float(consume["dead_share"]),
        dead_stretch=consume["dead_stretch"],
        unpack_mb=consume["unpack_mb"],
        refresh_ms=serve["refresh_ms"],
        stale_after_s=serve["stale_after_s"],
        gone_after_s=serve["gone_after_s"],
        caching=Caching(**{name: serve[name] for name in Caching.__dataclass_fields__}),
        proxies=tuple(proxies),
        client_streams=serve["client_streams"],
        client_lists_s=serve["client_lists_s"],
    )
    faults += [
        f"RANKER_READ_TOKENS: site {name!r} has no [sites.{name}] table; add it, or remove its token"
        for name in sorted(tokens.keys() - settings.sites.keys())
    ]
    if "source" in table and "keys" not in table["source"] and memory_rules(generation):
        unfit.append(
            "source.keys: the rules duplicate and repeat see the records of one partition only; write keys = "
            '"article" if all records of an article have the same key, or "other" to accept what they miss otherwise'
        )
    faults += [f"{path}: {fault}" for fault in (*unfit, *_meaning_faults(settings))]
    if faults:
        raise SettingsError(faults)
    return settings


def _calendars(table: Mapping[str, Any]) -> tuple[dict[str, Calendar], list[str]]:
    """By site, and the faults of the others."""
    found: dict[str, Calendar] = {}
    faults: list[str] = []
    for name, site in table["sites"].items():
        if "calendar" in site:
            wrong = list(calendars.faults(site["calendar"], tuple(table["boards"])))
            faults += (f"sites.{name}.calendar.{fault}" for fault in wrong)
            if not wrong:
                found[name] = calendars.calendar(site["calendar"], tuple(table["boards"]))
    return found, faults


def _meaning_faults(settings: Settings) -> Iterator[str]:
    """Faults that the schema cannot express: values that are valid each, but not together."""
    unfit = list(rising_boards.faults(settings.rising, settings.generation, settings.rising_windows))
    yield from unfit
    generation = settings.generation
    if unfit:  # what is wrong with a window that a rising board adds has been said
        own = tuple(window for window in generation.windows if window.name not in settings.rising_windows)
        generation = structs.replace(generation, windows=own)
    yield from generations.faults(generation)
    yield from _rules_faults(settings.generation)
    if settings.generation.sites == ():
        yield 'rules.unknown_sites: "reject" without any site rejects everything; add a [sites.NAME] table'
    if settings.gone_after_s <= settings.stale_after_s:
        yield "serve.gone_after_s: must be more than stale_after_s, or no list is ever served stale"


def _rules_faults(generation: generations.Generation) -> Iterator[str]:
    rules = memory_rules(generation)
    if rules is None:
        return
    if rules.grace_ms > MOST_BUCKETS * rules.per_ms:
        most_s = MOST_BUCKETS * rules.per_ms // 1000
        yield f"rules.grace_s: more than {MOST_BUCKETS} periods; choose {most_s} or less, or a longer repeat_per_s"
    for kind in rules.types:
        if kind not in generation.boards_of:
            yield f"rules.repeat_types: no board weighs {kind!r}; name types that stand in [boards.…]"
