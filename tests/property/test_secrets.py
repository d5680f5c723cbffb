"""No address is printed with its secrets, whatever they are made of, by whatever prints an address."""

import os
import tempfile
from collections.abc import Callable
from unittest import mock

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.ports import HOST, free_port
from producers import Producer, ProducerError
from producers.collector.settings import load as collector_settings
from producers.commands import main as producers
from ranker import settings as ranker_settings
from ranker.commands import main as ranker
from ranker.connect.kafka import KafkaSettings
from ranker.connect.redis import connect
from ranker.service import endpoints
from schemas.configuration import SettingsError
from tests.support.redis_at import redis_at

GREEK = "αβγδεζηθικλμνξο"
LETTERS = {"λ", *GREEK}
SECRETS = st.text(GREEK + "/?#@:[]%&=,+\n ℀", min_size=1, max_size=12).map(lambda text: f"λ{text}λ")
REDIS = (
    "redis://:{}@h:1/0", "redis://{}@h", "redis://u:{}@h:1", "redis://{}:6379/x@h", "rediss+cluster://{}:u@h:1", "{}@h:1",
    "redis://h:1/0?password={}", "redis://h:1/0?{}", "redis://u:{}@h:port", "redis://{}:6379?x@h", "unix://{}@/tmp/redis.sock", "postgres://{}@h", "{}://{}@h",
)  # fmt: skip
KAFKA = (
    "{}@h:9092",
    "u:{}@h:9092,h2:9092",
    "SASL_SSL://u:{}@h:9092",
    "h1:9092,u:{}@h2:9092",
    "kafka://h:9092?password={}",
)


PortLimits = tuple[Callable[[str, str], str], str]


def environment(redis: str = "", kafka: str = "") -> dict[str, str]:
    given = {"RANKER_REDIS_URL": redis, "RANKER_KAFKA_BOOTSTRAP": kafka, "RANKER_CONFIG": ""}
    return {name: value.replace("\0", "") for name, value in given.items()}


def of_ranker(address: str, place: str) -> str:
    try:
        found = ranker_settings.load(None, environment(**{place: address}))
    except SettingsError as error:
        return str(error) + str(error.__context__ or "")
    return str(found.masked())


def of_connect(address: str, _: str) -> str:
    try:
        connect(redis_at(address))
    except ValueError as error:
        return str(error) + str(error.__context__ or "")
    return ""


def of_collector(address: str, _: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write('[sites.demo]\norigins = ["https://demo.example"]\nvisitors = true\n')
        config.flush()
        try:
            collector_settings(config.name, environment(redis=address))
        except SettingsError as error:
            return str(error) + str(error.__context__ or "")
    return ""


def of_kafka_settings(address: str, _: str) -> str:
    settings = KafkaSettings(address)
    return f"{settings!r} {settings.shown()} {list(settings.faults())}"


def of_shown(address: str, _: str) -> str:
    return endpoints.shown(address)


DOORS: list[PortLimits] = [
    (of_shown, "redis"),
    (of_ranker, "redis"),
    (of_connect, "redis"),
    (of_collector, "redis"),
    (of_shown, "kafka"),
]
DOORS += [(of_ranker, "kafka"), (of_kafka_settings, "kafka")]


@settings(max_examples=500, deadline=None)
@given(secret=SECRETS, limits=st.sampled_from(DOORS), which=st.integers(0, 100))
def test_no_message_holds_a_part_of_a_secret(secret: str, limits: PortLimits, which: int) -> None:
    """Nor does the error that it was made of."""
    said, place = limits
    forms = REDIS if place == "redis" else KAFKA
    printed = said(forms[which % len(forms)].replace("{}", secret), place)
    assert not LETTERS & set(printed), printed


async def test_a_producer_takes_no_user_and_says_no_secret() -> None:
    """Kafka's address has neither; nothing is looked up."""
    with pytest.raises(ProducerError, match=r"'\*\*\*@h:9092' is not HOST:PORT, without user"):
        async with Producer("u:λ,λ@h:9092"):
            pass


@pytest.mark.parametrize("form", KAFKA[:3])
def test_no_command_holds_a_part_of_a_secret(form: str) -> None:
    """Those of the ranker and of the producers, with an address that cannot be read; no traceback either."""
    secret = "λ/κ?θ@η"
    address, redis = form.replace("{}", secret), f"redis://:{secret}@h"
    lines = [
        (ranker, ["check"]), (ranker, ["top", "--once"]), (ranker, ["generations"]), (ranker, ["dead", "list"]),
        (ranker, ["topics", "apply"]), (ranker, ["serve"]), (ranker, ["consume"]),
        (producers, ["simulate", "--events", "1"]), (producers, ["articles", "hide", "demo", "/a"]),
        (producers, ["simulate", "--collector", f"ftp://{secret}@h"]),
    ]  # fmt: skip
    for main, words in lines:
        with mock.patch.dict(os.environ, environment(redis, address)):
            result = CliRunner().invoke(main, words)
        assert result.exit_code in (1, 2), (words, result.output, result.exception)
        assert isinstance(result.exception, SystemExit), (words, result.exception)
        assert not LETTERS & set(result.output), (words, result.output)


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    """The address can be read; nobody is there."""
    redis = f"redis://somebody:hush-hush@{HOST}:{free_port()}/0?client_name=hush"
    for words in (["check"], ["top", "--once"], ["generations"]):
        with mock.patch.dict(os.environ, environment(redis, f"{HOST}:{free_port()}")):
            result = CliRunner().invoke(ranker, words)
        assert result.exit_code == 1, result.output
        assert HOST in result.output
        assert "hush" not in result.output
        assert "somebody" not in result.output
