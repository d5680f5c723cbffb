"""The collector's settings, from ranker.toml and the environment: every fault in one message, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from producers.collector.beacons import site_ids
from ranker.connect.redis_settings import RedisSettings
from ranker.service.address import Network, networks
from schemas import configuration
from schemas.article_id import IdRule
from schemas.configuration import SettingsError


@dataclass(frozen=True)
class Site:
    """The pages and hosts that send for a site, and what they may send. `key` is the write key.

    `beacons` has the ids that other analytics have of it, in the form of beacons/site_ids.py.
    """

    origins: tuple[str, ...]
    hosts: tuple[str, ...]
    public_types: frozenset[str]
    visitors: bool
    ids: IdRule
    key: str | None = field(default=None, repr=False)
    beacons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RuleNeeds:
    """What the rules need of the collector: a repeat_key for events of `repeat_types`, whose readers are internal.

    `drops_internal`: whether events of `internal_networks` are in no list.
    """

    repeat_types: frozenset[str] = frozenset()
    internal_networks: tuple[Network, ...] = ()
    drops_internal: bool = False


@dataclass(frozen=True)
class Settings:
    """All settings. `redis` is None if no site has visitors configured and no rule needs to know the reader."""

    topic: str
    sites: dict[str, Site]
    needs: RuleNeeds
    redis: RedisSettings | None
    proxies: tuple[Network, ...]
    client_events_s: int
    client_burst: int
    client_article_hour: int
    key_events_s: int
    new_articles_per_minute: int
    new_articles_burst: int
    repeats_kb_per_minute: int
    spool_mb: int
    longest_window_ms: int


def load(config_path: str | None, environ: Mapping[str, str]) -> Settings:
    """The settings of `config_path` (else RANKER_CONFIG) and `environ`. Raises SettingsError."""
    path = config_path or environ.get("RANKER_CONFIG") or None
    table, faults = configuration.table(path)
    keys, bad = configuration.secrets("RANKER_WRITE_KEYS", environ.get("RANKER_WRITE_KEYS") or "")
    if faults + bad:
        raise SettingsError(faults + bad)
    collect: dict[str, Any] = dict(table["collect"])
    sites = {name: _site(site, keys.get(name)) for name, site in table["sites"].items()}
    proxies, unfit = networks(collect.pop("proxies"), "collect.proxies")
    rules = table["rules"]
    internal, no_networks = networks(rules["internal_networks"], "rules.internal_networks")
    types = frozenset(rules["repeat_types"] if configuration.needs_readers(table) else ())
    redis = RedisSettings.from_environ(environ) if types or _any_visitors(sites) else None
    if redis and (unreachable := list(redis.faults())):
        raise SettingsError(unreachable)
    wrong = [*unfit, *no_networks, *_meaning_faults(sites, keys)]
    if "source" in table:
        wrong.append(
            "source: the topic has other names than page views, which the collector writes; give it another file"
        )
    if wrong:
        raise SettingsError([f"{path or 'no ranker.toml'}: {fault}" for fault in wrong])
    return Settings(
        topic=table["topic"],
        sites=sites,
        needs=RuleNeeds(types, tuple(internal), rules["internal"] == "drop"),
        redis=redis,
        proxies=tuple(proxies),
        longest_window_ms=configuration.longest_window_ms(table),
        **collect,
    )


def _site(table: dict[str, Any], key: str | None) -> Site:
    return Site(
        tuple(table["origins"]),
        tuple(table["hosts"]),
        frozenset(table["public_types"]),
        table["visitors"],
        IdRule.from_table(table["ids"]),
        key,
        {tracker: site_ids.FORMS[tracker](str(their_id)) for tracker, their_id in table["beacons"].items()},
    )


def _any_visitors(sites: dict[str, Site]) -> bool:
    return any(site.visitors for site in sites.values())


def _meaning_faults(sites: dict[str, Site], keys: dict[str, str]) -> Iterator[str]:
    """Faults that the schema cannot express: values that are valid each, but not together."""
    for name in sorted(keys.keys() - sites.keys()):
        yield f"RANKER_WRITE_KEYS: site {name!r} has no [sites.{name}] table; add it, or remove its key"
    if not any(site.origins or site.hosts or site.key for site in sites.values()):
        yield (
            'no site has events to collect; write such as [sites.demo] with origins = ["https://www.example.org"], '
            "or give a site a key in RANKER_WRITE_KEYS"
        )
    claims = [
        *(("origins", name, value) for name, site in sites.items() for value in site.origins),
        *(("hosts", name, value) for name, site in sites.items() for value in site.hosts),
        *((f"beacons.{one}", name, value) for name, site in sites.items() for one, value in site.beacons.items()),
    ]
    owners: dict[tuple[str, str], str] = {}
    for what, name, value in claims:
        if (owner := owners.setdefault((what, value), name)) != name:
            yield f"sites.{name}.{what}: {value} is site {owner}'s already; give it to one of them"
    for name, site in sites.items():
        if site.beacons and not (site.origins or site.hosts or site.key):
            yield (
                f"sites.{name}.beacons: nothing says which pages may send them; "
                'add such as origins = ["https://www.example.org"]'
            )
    holders: dict[str, str] = {}
    for name, key in keys.items():
        if holders.setdefault(key, name) != name:
            yield f"RANKER_WRITE_KEYS: sites {holders[key]} and {name} have one key; give each its own"
