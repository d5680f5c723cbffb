"""The contract is right in itself, and the producers' own check says the same as the schema."""

import json
import re
import unicodedata
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import producers
import schemas
from producers import event
from ranker.core.event import PageView
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from schemas.article_id import is_article_id
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

VALID = [(name, case) for name in schemas.NAMES for case in schemas.examples(name, valid=True)]
INVALID = [(name, case) for name in schemas.NAMES for case in schemas.examples(name, valid=False)]
SOUND: dict[str, Any] = orjson.loads(schemas.examples("page-view", valid=True)["every-field"])


class Stored(msgspec.Struct):
    """A record as the fold reads it."""

    value: bytes
    offset: int = 0
    timestamp: int = 4_102_444_800_000
    key: bytes | None = b""
    headers: tuple[tuple[str, bytes | None], ...] = ()


@pytest.mark.parametrize("name", schemas.NAMES)
def test_each_schema_is_a_schema(name: str) -> None:
    """Every schema is valid JSON Schema, draft 2020-12."""
    Draft202012Validator.check_schema(schemas.load(name))


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_field_is_described(name: str) -> None:
    """A reader of a schema finds a description at every named field."""

    def undescribed(schema: dict[str, Any], path: str) -> list[str]:
        found = []
        for field, inner in schema.get("properties", {}).items():
            here = f"{path}.{field}"
            # A table of free names is described once, above them.
            found += [here] if "description" not in inner and "const" not in inner else []
            found += undescribed(inner, here)
        if isinstance(schema.get("additionalProperties"), dict):
            found += undescribed(schema["additionalProperties"], f"{path}.*")
        return found

    assert undescribed(schemas.load(name), name) == []


@pytest.mark.parametrize(("name", "case"), VALID)
def test_valid_examples_are_valid(name: str, case: str) -> None:
    """What is shown as valid has no fault."""
    raw = schemas.examples(name, valid=True)[case]
    assert schemas.faults(name, schemas.decode(name, raw)) == []


@pytest.mark.parametrize(("name", "case"), INVALID)
def test_invalid_examples_are_invalid(name: str, case: str) -> None:
    """What is shown as invalid cannot be decoded or has a fault that names its place."""
    raw = schemas.examples(name, valid=False)[case]
    try:
        value = schemas.decode(name, raw)
    except ValueError:
        return
    assert schemas.faults(name, value)


def test_ranker_toml_refuses_a_misspelt_key() -> None:
    """A key that does nothing would be the worst answer to a typing error."""
    assert schemas.faults("ranker", {"serve": {"refesh_ms": 500}}) == [
        "serve: Additional properties are not allowed ('refesh_ms' was unexpected)"
    ]


def test_the_example_with_every_key_holds_the_defaults() -> None:
    """ranker.toml's example with every key is what counts without a file."""
    table = schemas.decode("ranker", schemas.examples("ranker", valid=True)["every-key"])
    for key, schema in schemas.load("ranker")["properties"].items():
        if "default" in schema and schema.get("type") != "object":  # an absent table has the defaults inside
            assert table[key] == schema["default"], key
        for inner, inner_schema in schema.get("properties", {}).items():
            if key in table and "default" in inner_schema and inner_schema.get("type") != "object":
                assert table[key][inner] == inner_schema["default"], inner


@pytest.mark.parametrize("case", list(schemas.examples("page-view", valid=True)))
def test_the_fold_counts_every_valid_page_view(case: str) -> None:
    """What the contract allows is counted."""
    assert counted(schemas.examples("page-view", valid=True)[case])


@pytest.mark.parametrize("case", list(schemas.examples("page-view", valid=False)))
def test_the_fold_rejects_every_invalid_page_view(case: str) -> None:
    """What the contract forbids becomes a dead letter."""
    assert not counted(schemas.examples("page-view", valid=False)[case])


def counted(raw: bytes) -> bool:
    fold = Fold(Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS, bots="count"))
    # Appended when it happened, so that no example is late or in the future.
    try:
        timestamp = msgspec.json.decode(raw, type=PageView).occurred_at
    except (msgspec.DecodeError, UnicodeDecodeError):
        timestamp = 0
    partial = fold([Stored(raw, timestamp=max(timestamp, 946_684_800_000))])  # the earliest that a record can have
    assert len(partial.rejected) + len(partial.counts) + partial.late == 1
    return not partial.rejected


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-2000, 2000), st.floats(allow_nan=False), st.text(max_size=5), st.just([])
)
LIKELY = {
    "event_id": st.text(max_size=130).filter(lambda text: text.isascii()),
    "event_type": st.from_regex(r"[a-zA-Z!][a-z0-9_]{0,34}\n?", fullmatch=True),
    "site_id": st.from_regex(r"[a-zA-Z0-9._/-]{0,66}\n?", fullmatch=True),
    "occurred_at": st.integers(-5, 4_102_444_800_005),
    "visitor_id": st.text("ab", max_size=130),
    "repeat_key": st.text("ab", max_size=130),
    "agent_class": st.sampled_from(["person", "bot", "internal", "unknown", "robot"]),
    "value": st.integers(-1002, 1002),
    "sequence": st.integers(-2, 2**63),
}


@given(st.fixed_dictionaries({}, optional={name: st.one_of(likely, ANYTHING) for name, likely in LIKELY.items()}))
@example({"value": 0})
@example({"visitor_id": 0})
@example({"sequence": True})
def test_the_producers_check_agrees_with_the_schema(changes: dict[str, Any]) -> None:
    """`event.is_valid` is the schema, only quicker; a typed event is made only if it is valid."""
    view = {**SOUND, **changes}
    assert event.is_valid(view) == (schemas.faults("page-view", view) == [])
    assert is_made(view) == event.is_valid(view)


@pytest.mark.parametrize("valid", [True, False])
def test_a_typed_event_is_made_of_just_the_valid_examples(valid: bool) -> None:
    """What it writes is then valid, and says the same."""
    for case, raw in schemas.examples("page-view", valid=valid).items():
        try:
            view = schemas.decode("page-view", raw)
        except ValueError:
            continue
        fields = isinstance(view, dict) and {name: view[name] for name in view if name in SOUND}
        # Fields that a typed event would fill in itself are required of JSON.
        if not fields or not {"event_id", "event_type", "occurred_at"} <= fields.keys():
            assert not valid, case
            continue
        assert is_made(fields) == valid, case
        if valid:
            written = orjson.loads(event.stamped(producers.PageView(**fields), "test/1", 0)[1])
            assert schemas.faults("page-view", written) == []
            defaults = {"agent_class": "unknown", "value": 1, "visitor_id": None, "repeat_key": None}
            assert {**defaults, **written} == {**defaults, **fields, "producer_id": "test/1", "sequence": 0}


def is_made(fields: dict[str, Any]) -> bool:
    try:
        producers.PageView(**fields)
    except (TypeError, producers.InvalidEventError):
        return False
    return True


@given(st.sampled_from(sorted(SOUND)))
def test_the_producers_check_misses_what_the_schema_requires(name: str) -> None:
    """Leaving out a field is a fault for both or for neither."""
    view = {field: value for field, value in SOUND.items() if field != name}
    assert event.is_valid(view) == (schemas.faults("page-view", view) == [])


def test_schema_and_code_agree_on_every_character_of_an_id() -> None:
    """Of the characters that Unicode knows (basic plane), both allow the same in article ids."""
    # Unassigned ones are left out: which they are depends on Python's version, and a pattern cannot say it.
    known = [chr(code) for code in range(0x10000) if unicodedata.category(chr(code)) != "Cn"]
    forbidden = schemas.load("page-view")["properties"]["article_id"]["not"]["pattern"]
    matches = re.compile(forbidden).search
    assert [char for char in known if is_article_id(char) == bool(matches(char))] == []


@given(st.text(max_size=200))
def test_an_id_that_code_allows_is_allowed_by_the_schema(article_id: str) -> None:
    """No producer of ours sends an id that another reader of the schema must refuse."""
    view = {**SOUND, "article_id": article_id}
    if event.is_valid(view):
        assert schemas.faults("page-view", view) == []
        assert json.loads(event.encode(view)[1]) == view


def test_ids_are_measured_in_bytes() -> None:
    """512 bytes of UTF-8, however few characters that is."""
    assert is_article_id("é" * 256)
    assert not is_article_id("é" * 256 + "e")
