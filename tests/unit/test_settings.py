from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import schemas
from ranker import settings
from ranker.core.generation import Generation, Window
from ranker.settings import Site
from schemas.configuration import SettingsError

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"


def write(folder: Path, text: str) -> str:
    file = folder / "ranker.toml"
    file.write_text(text, "utf-8")
    return str(file)


def refused(config_path: str | None, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.load(config_path, environ or {})
    return caught.value.faults


def test_defaults_need_no_file() -> None:
    """Without a file and without a variable everything has a value, and nothing is loosened."""
    found = settings.load(None, {})
    windows = Window("24h", 86_400_000, 60_000), Window("7d", 604_800_000, 3_600_000)
    boards = {"read": {"view": 1}, "commented": {"comment": 1}, "shared": {"share": 1}}
    assert found.generation == Generation("page-views", windows, boards)
    assert (found.kafka.bootstrap, found.redis.url) == ("127.0.0.1:9092", "redis://127.0.0.1:6379/0")
    assert (found.environment, found.accept_create_time) == ("production", False)
    assert (found.flush_ms, found.dead_share, found.dead_stretch, found.unpack_mb) == (250, 0.5, 1000, 64)
    assert (found.refresh_ms, found.stale_after_s, found.gone_after_s) == (500, 30, 3600)
    assert found.sites == {}


def test_the_schema_names_the_same_defaults() -> None:
    """What schemas/ranker.schema.json calls a default is what an absent key gives."""
    found = settings.load(None, {}).masked()
    tables = schemas.load("ranker")["properties"]
    for table in ("rules", "kafka", "consume", "serve"):
        for key, about in tables[table]["properties"].items():
            if key not in ("accept_create_time", "preset"):  # one follows RANKER_ENV, one sets others
                assert found[table][key] == about["default"]
    for key in ("topic", "lanes", "windows", "boards"):
        assert found[key] == tables[key]["default"]


def test_every_key_of_a_file_arrives(tmp_path: Path) -> None:
    """A value given in ranker.toml is the value in effect."""
    path = write(
        tmp_path,
        """
        topic = "hits"
        lanes = 8
        [windows."1h"]
        length_s = 3600
        grain_s = 60
        [boards.engaged]
        view = 1
        share = 5
        [rules]
        bots = "count"
        unknown_sites = "reject"
        [sites.demo]
        title = "Démo"
        [sites.bare]
        [kafka]
        accept_create_time = true
        session_timeout_ms = 7000
        metadata_max_age_ms = 1500
        [consume]
        flush_ms = 100
        dead_share = 1
        dead_stretch = 10
        unpack_mb = 2
        [serve]
        refresh_ms = 700
        stale_after_s = 5
        gone_after_s = 60
        """,
    )
    found = settings.load(path, {})
    assert found.generation.topic == "hits"
    assert found.generation.lanes == 8
    assert [(w.name, w.length_ms, w.grain_ms) for w in found.generation.windows] == [("1h", 3_600_000, 60_000)]
    assert found.generation.boards == {"engaged": {"view": 1, "share": 5}}
    assert (found.generation.bots, found.generation.sites) == ("count", ("bare", "demo"))
    assert found.sites == {"demo": Site("Démo"), "bare": Site("bare")}
    assert found.accept_create_time
    assert (found.session_timeout_ms, found.metadata_max_age_ms) == (7000, 1500)
    assert (found.flush_ms, found.dead_share, found.dead_stretch, found.unpack_mb) == (100, 1.0, 10, 2)
    assert (found.refresh_ms, found.stale_after_s, found.gone_after_s) == (700, 5, 60)


def test_the_argument_goes_before_the_variable(tmp_path: Path) -> None:
    """--config wins over RANKER_CONFIG; the variable is read if there is no argument."""
    path = write(tmp_path, 'topic = "a"')
    assert settings.load(path, {"RANKER_CONFIG": "/nowhere"}).generation.topic == "a"
    assert settings.load(None, {"RANKER_CONFIG": path}).generation.topic == "a"


def test_development_accepts_create_time_unless_the_file_says_no(tmp_path: Path) -> None:
    """The embedded broker knows no LogAppendTime, so development accepts CreateTime; a file may still refuse it."""
    environ = {"RANKER_ENV": "development"}
    assert settings.load(None, environ).accept_create_time
    assert not settings.load(write(tmp_path, "[kafka]\naccept_create_time = false"), environ).accept_create_time


def test_all_faults_come_in_one_message(tmp_path: Path) -> None:
    """File and environment are judged together: nobody fixes one fault to find the next."""
    path = write(
        tmp_path,
        """
        lanse = 8
        [windows."24h"]
        length_s = 86400
        [serve]
        refresh_ms = 1
        [sites.Demo]
        """,
    )
    environ = {
        "RANKER_ENV": "staging",
        "RANKER_KAFKA_BOOTSTRAP": "kafka",
        "RANKER_REDIS_URL": "http://user:hidden@h:1/",
    }
    faults = refused(path, environ)
    message = str(SettingsError(faults))
    assert len(faults) == 7
    for word in (
        "RANKER_ENV: 'staging'",
        "RANKER_KAFKA_BOOTSTRAP: 'kafka'",
        "RANKER_REDIS_URL",
        "did you mean lanes?",
        "windows.24h: 'grain_s' is a required property",
        "serve.refresh_ms: 1 is less than the minimum of 100; how often lists are read",
        "sites: 'Demo' is not allowed",
    ):
        assert word in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[windows.a]\nlength_s = 100\ngrain_s = 7", "the grain must divide the length"),
        (
            "[windows.a]\nlength_s = 60\ngrain_s = 20\n[windows.b]\nlength_s = 600\ngrain_s = 30",
            "must be a multiple of a's grain",
        ),
        ('[rules]\nunknown_sites = "reject"', "add a [sites.NAME] table"),
        ("[serve]\nstale_after_s = 30\ngone_after_s = 30", "serve.gone_after_s"),
        ('[serve]\nproxies = ["10.0.0.1/8"]', "serve.proxies: '10.0.0.1/8' is no address or network"),
        ('[rules]\ninternal_networks = ["10.0.0.1/8"]', "rules.internal_networks: '10.0.0.1/8' is no address"),
    ],
)
def test_values_that_do_not_work_together_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    """What the schema cannot express is checked by its meaning."""
    faults = refused(write(tmp_path, text))
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize("name", sorted(schemas.examples("ranker", valid=True)))
def test_valid_examples_load(tmp_path: Path, name: str) -> None:
    """Every valid example of the contract is accepted."""
    path = tmp_path / "ranker.toml"
    path.write_bytes(schemas.examples("ranker", valid=True)[name])
    settings.load(str(path), {})


@pytest.mark.parametrize("name", sorted(schemas.examples("ranker", valid=False)))
def test_invalid_examples_are_refused(tmp_path: Path, name: str) -> None:
    """Every invalid example of the contract is refused, with the file's name in each fault."""
    path = tmp_path / "ranker.toml"
    path.write_bytes(schemas.examples("ranker", valid=False)[name])
    assert all(fault.startswith(str(path)) for fault in refused(str(path)))


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    """A missing file, and one in another encoding, are reported with the fix and without a traceback."""
    assert "--config or RANKER_CONFIG" in refused(str(tmp_path / "none.toml"))[0]
    file = tmp_path / "latin.toml"
    file.write_bytes('topic = "é"'.encode("latin-1"))
    assert "UTF-8" in refused(str(file))[0]


def test_the_reference_names_every_key_as_the_schema_does() -> None:
    """docs/reference.md lists every key of ranker.toml with the schema's own words."""
    text = REFERENCE.read_text("utf-8")

    def told(table: dict[str, Any], prefix: str) -> None:
        for key, about in table.get("properties", {}).items():
            if "properties" not in about:
                assert f"| `{prefix}{key}" in text
                assert about["description"] in text, key
            told(about, f"{prefix}{key}.")
            more = about.get("additionalProperties")
            if isinstance(more, dict):
                told(more, f"{prefix}{key}.NAME.")

    told(schemas.load("ranker"), "")


def test_the_example_of_the_reference_loads(tmp_path: Path) -> None:
    """The ranker.toml shown in docs/reference.md is a valid one."""
    example = REFERENCE.read_text("utf-8").partition("```toml\n")[2].partition("```")[0]
    assert settings.load(write(tmp_path, example), {}).sites == {"demo": Site("Le Journal de démonstration")}


def test_read_tokens_belong_to_configured_sites(tmp_path: Path) -> None:
    """From the variable or from a file; they are in no message and in nothing that is printed."""
    config = write(tmp_path, "[sites.demo]\n[sites.other]\nshow_counts = false\n")
    secrets = tmp_path / "tokens"
    secrets.write_text("demo=0123456789abcdef\n\nother=fedcba9876543210==\n")
    for value in ("demo=0123456789abcdef, other=fedcba9876543210==", f"@{secrets}"):
        found = settings.load(config, {"RANKER_READ_TOKENS": value})
        assert [site.read_token for site in found.sites.values()] == ["0123456789abcdef", "fedcba9876543210=="]
        assert not any(secret in repr(found) + str(found.masked()) for secret in ("0123456789", "fedcba"))


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("demo=short", "entry 1 is not site=secret"),
        ("demo=0123456789abcdef,0123456789abcdefgh", "entry 2 is not site=secret"),
        ("nobody=0123456789abcdef", "'nobody' has no [sites.nobody] table"),
        ("@/nowhere/tokens", "cannot be read"),
    ],
)
def test_broken_read_tokens(tmp_path: Path, value: str, fault: str) -> None:
    """Each fault names its fix and keeps the secret."""
    (found,) = refused(write(tmp_path, "[sites.demo]\n"), {"RANKER_READ_TOKENS": value})
    assert fault in found
    assert "0123456789" not in found
    assert "short" not in found


@pytest.mark.parametrize("name", ["latest", "from"])
def test_names_that_no_board_may_have(tmp_path: Path, name: str) -> None:
    """The API has them for what has just been published, and for the beginning of an hour."""
    (found,) = refused(write(tmp_path, f"[boards.{name}]\nview = 1\n"))
    assert f"boards.{name}" in found
