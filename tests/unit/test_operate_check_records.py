"""What `ranker check` says of a foreign topic's newest records, and of the registry of their schemas."""

from __future__ import annotations

import json

import pytest

from ranker.connect.registry import Registry, RegistrySettings
from ranker.core.event import MAX_VALUE_BYTES
from ranker.core.generation import Generation
from ranker.log.value_schemas import ValueSchemas
from ranker.operate.check_records import fits
from ranker.operate.findings import Finding
from tests.support import defaults
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.raw_records import NOW_MS, Given
from tests.support.registry import SchemaRegistry, serving

LOG: dict[str, object] = {
    "fields": {"article_id": "uri", "method": "m", "status": "s", "occurred_at": "t"},
    "constants": {"site_id": "demo", "event_type": "view"},
    "article_pattern": "^(/news/.+)",
}


async def findings(
    table: dict[str, object], *values: bytes | None, schemas: ValueSchemas | None = None
) -> list[Finding]:
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source(table))
    records = [Given(offset, NOW_MS, None, value) for offset, value in enumerate(values)]
    return await fits(generation, records, schemas)


@pytest.mark.parametrize("value", [b"{" + b" " * MAX_VALUE_BYTES, b"x" * (MAX_VALUE_BYTES + 1)])
async def test_a_value_that_is_too_large(value: bytes) -> None:
    """It was cut, and is found in no record."""
    (found,) = await findings(LOG, value)
    assert (found.kind, found.fix) == ("fault", "have its producer write values of 1,048,576 bytes at most")
    assert "1 cannot be counted, such as offset 0: too_large" in found.text


@pytest.mark.parametrize(("bad", "kind"), [(2, "fault"), (1, "note")])
async def test_what_is_no_page_view_makes_the_share_no_smaller(bad: int, kind: str) -> None:
    """Of an access log most lines are none: all page views may be bad."""
    line = {"uri": "/news/a", "m": "GET", "s": 200, "t": NOW_MS}
    good, other, wrong = (json.dumps({**line, **more}).encode() for more in ({}, {"uri": "/x.css"}, {"t": "x"}))
    (found,) = await findings(LOG, good, *[other] * 20, *[wrong] * bad)
    assert (found.kind, f"{bad} cannot be counted" in found.text) == (kind, True)


async def test_the_registry_is_asked_though_no_record_needs_it() -> None:
    """Of an empty topic, a wrong address would show with the first record only."""
    table = {"format": "avro", "fields": {"article_id": "a", "occurred_at": "t"}, "constants": LOG["constants"]}
    with serving(SchemaRegistry()) as registry:
        schemas = ValueSchemas(Registry(RegistrySettings(registry.url)), patience_s=0)
        said = await findings(table, schemas=schemas)
        assert (said[0].kind, said[0].text, len(registry.requests)) == ("ok", "replies", 1)
        registry.status = 401
        (said_no,) = await findings(table, b"{}", schemas=schemas)
        assert (said_no.kind, said_no.subject) == ("fault", "schema registry")
