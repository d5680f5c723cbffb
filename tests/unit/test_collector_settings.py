"""What the collector needs of ranker.toml and the environment, and everything that can be wrong with it, at once."""

from pathlib import Path

import pytest

from producers.collector.settings import Settings, load
from ranker.connect.redis_settings import RedisSettings
from schemas.configuration import SettingsError

KEY = "a-write-key-of-demo"


def settings(tmp_path: Path, text: str, **environ: str) -> Settings:
    file = tmp_path / "ranker.toml"
    file.write_text(text)
    return load(str(file), environ)


@pytest.mark.parametrize(
    ("site", "keys"),
    [('origins = ["https://a.example"]', ""), ('hosts = ["views.a.example"]', ""), ("", f"demo={KEY}")],
)
def test_one_of_three_is_enough(tmp_path: Path, site: str, keys: str) -> None:
    """An origin, a host or a key: without Redis, since no site wants visitors."""
    found = settings(tmp_path, f"[sites.demo]\n{site}", RANKER_WRITE_KEYS=keys)
    assert (found.topic, found.redis, found.client_events_s) == ("page-views", None, 50)
    assert found.longest_window_ms == 7 * 86_400_000


def test_every_key(tmp_path: Path) -> None:
    """Each has its place; an origin is as browsers write it, and no key is shown."""
    text = """
    topic = "clicks"
    [sites.demo]
    origins = ["https://a.example:443", "http://a.example:8080"]
    public_types = ["view"]
    visitors = true
    [collect]
    proxies = ["10.0.0.0/8", "::1"]
    client_events_s = 5
    client_burst = 600
    client_article_hour = 31
    key_events_s = 7
    new_articles_per_minute = 8
    new_articles_burst = 9
    repeats_kb_per_minute = 10
    spool_mb = 40
    [windows]
    2h = { length_s = 7200, grain_s = 60 }
    1h = { length_s = 3600, grain_s = 60 }
    """
    found = settings(tmp_path, text, RANKER_WRITE_KEYS=f"demo={KEY}", RANKER_REDIS_URL="redis://r:1")
    assert found.sites["demo"].origins == ("https://a.example", "http://a.example:8080")
    assert found.sites["demo"].public_types == {"view"}
    assert [str(proxy) for proxy in found.proxies] == ["10.0.0.0/8", "::1/128"]
    numbers = (
        found.client_events_s,
        found.client_burst,
        found.client_article_hour,
        found.key_events_s,
        found.new_articles_per_minute,
    )
    assert (*numbers, found.new_articles_burst, found.repeats_kb_per_minute) == (5, 600, 31, 7, 8, 9, 10)
    assert found.spool_mb == 40
    assert (found.topic, found.redis, found.longest_window_ms) == ("clicks", RedisSettings("redis://r:1"), 7_200_000)
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("text", "keys", "said"),
    [
        ("", "", "no site has events to collect"),
        ("[sites.demo]", "", "no site has events to collect"),
        (
            '[sites.a]\norigins = ["https://x.example"]\n[sites.b]\norigins = ["https://x.example:443"]',
            "",
            "sites.b.origins: https://x.example is site a's already",
        ),
        ('[sites.a]\nhosts = ["x.example"]\n[sites.b]\nhosts = ["x.example"]', "", "sites.b.hosts: x.example is"),
        (
            """
            sites.a = { hosts = ["x.example"], beacons.plausible = "www.X.example" }
            sites.b = { hosts = ["y.example"], beacons.plausible = "x.example" }
            """,
            "",
            "sites.b.beacons.plausible: x.example is site a's already",
        ),
        (
            '[sites.a]\nhosts = ["x.example"]\n[sites.b.beacons]\nmatomo = 3',
            "",
            'sites.b.beacons: nothing says which pages may send them; add such as origins = ["https://www.example.org"]',
        ),
        (
            '[sites.a]\nhosts = ["x.example"]\nbeacons.goatcounter = "x..example"',
            "",
            "sites.a.beacons.goatcounter: 'x..example' has no host that there can be",
        ),
        ('[sites.a]\nhosts = ["x.example"]', f"b={KEY}", "site 'b' has no [sites.b] table"),
        ("[sites.a]\n[sites.b]", f"a={KEY},b={KEY}", "sites a and b have one key"),
        ("[sites.a]", f"a={KEY[:3]}", "RANKER_WRITE_KEYS: entry 1 is not site=secret"),
        ('[collect]\nproxies = ["10.0.0.1/8"]', "", "collect.proxies: '10.0.0.1/8' is no address or network"),
        (
            '[rules]\ninternal_networks = ["192.0.2.1/24"]',
            "",
            "rules.internal_networks: '192.0.2.1/24' is no address or network",
        ),
        ("[collect]\nclient_burst = 1", "", "collect.client_burst"),
        ('[sites.a]\nhosts = ["x.example"]\n[source]\ntime = "s"', "", "source: the topic has other names"),
    ],
)
def test_faults_say_what_to_do(tmp_path: Path, text: str, keys: str, said: str) -> None:
    """In a sentence, and without a key."""
    with pytest.raises(SettingsError) as error:
        settings(tmp_path, text, RANKER_WRITE_KEYS=keys)
    assert said in str(error.value)
    assert KEY not in str(error.value)


def test_ids_of_other_analytics(tmp_path: Path) -> None:
    """Each in the form that its beacons are compared by."""
    text = """
    [sites.demo]
    origins = ["https://a.example"]
    [sites.demo.beacons]
    matomo = 3
    plausible = "www.A.example"
    umami = "2F1B6D0E-8c1a-4d6e-9b1f-0a7c5e3d9f42"
    goatcounter = "Statistiques.société.example"
    """
    assert settings(tmp_path, text).sites["demo"].beacons == {
        "matomo": "3",
        "plausible": "a.example",
        "umami": "2f1b6d0e-8c1a-4d6e-9b1f-0a7c5e3d9f42",
        "goatcounter": "statistiques.xn--socit-esab.example",
    }


@pytest.mark.parametrize(
    ("rules", "types", "redis_url", "drops_internal"),
    [
        ("", set(), None, False),
        ('preset = "none"', set(), None, False),
        ('preset = "press"', {"view"}, "redis://r:1", True),
        ('preset = "press"\nrepeat = "count"', set(), None, True),
        ('repeat = "drop"\nrepeat_types = ["view", "share"]', {"view", "share"}, "redis://r:1", False),
    ],
)
def test_what_rules_need(
    tmp_path: Path, rules: str, types: set[str], redis_url: str | None, drops_internal: bool
) -> None:
    """Salts, so Redis, if one has to know the reader, although no site wants visitors."""
    text = f'[sites.demo]\norigins = ["https://a.example"]\n[rules]\n{rules}\ninternal_networks = ["192.0.2.0/24"]'
    found = settings(tmp_path, text, RANKER_REDIS_URL="redis://r:1")
    assert found.needs.repeat_types == types
    assert found.redis == (RedisSettings(redis_url) if redis_url else None)
    assert found.needs.drops_internal == drops_internal
    assert list(map(str, found.needs.internal_networks)) == ["192.0.2.0/24"]


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Nobody mends one and finds the next."""
    with pytest.raises(SettingsError) as error:
        settings(tmp_path, '[collect]\nproxies = ["1.2.3.4/99", "::1/999"]', RANKER_WRITE_KEYS=f"gone={KEY}")
    assert len(error.value.faults) == 4
