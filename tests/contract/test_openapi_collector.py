"""schemas/openapi-collector.yaml is OpenAPI 3.1, whole, and says what the page view and the collector say."""

from typing import Any, get_args

import openapi_spec_validator
import orjson
import pytest
import yaml

import schemas
from producers.collector import app, validate
from producers.collector.beacons import matomo
from producers.collector.beacons.beacon import Reason
from producers.collector.beacons.beacon_routes import TRACKERS
from producers.collector.http import body
from tests.support.openapi import COLLECTOR, Example, at, examples, faults, operations

SCHEMAS = COLLECTOR["components"]["schemas"]
EXAMPLES = examples(COLLECTOR)
OPEN = {"Event", "Bulk", "Pageview", "UmamiEvent"}
"""What is sent, of which more may be sent than is read."""


def test_it_is_openapi() -> None:
    """Against the schema of OpenAPI 3.1, and beyond it: references, unique ids, parameters of paths."""
    openapi_spec_validator.validate(COLLECTOR)


def test_it_means_the_same_in_yaml_1_1_and_1_2() -> None:
    """No unquoted time, no `on`, no `12e03`: parsers of both versions read the same."""
    from ruamel.yaml import YAML

    assert YAML(typ="safe", pure=True).load(schemas.openapi_collector().decode()) == COLLECTOR


def test_every_route_is_described_and_every_description_is_served() -> None:
    """Path by path, method by method; HEAD is GET without the body."""
    described = {(path, method.upper()) for path, method, _ in operations(COLLECTOR)}
    served = app._METHODS | {path: tracker.methods for path, tracker in TRACKERS.items()}
    assert described == {(path, method) for path, methods in served.items() for method in methods if method != "HEAD"}


def test_every_status_has_an_example() -> None:
    """But 401 of the image, which is as 401 of the events."""
    shown = {(example.path, example.status) for example in EXAMPLES}
    shared = {status for _, status in shown}
    for path, _, operation in operations(COLLECTOR):
        for status in map(int, operation["responses"]):
            assert (path, status) in shown or (status >= 400 and status in shared), (path, status)


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.value is not None], ids=lambda one: one.name)
def test_examples_fit_their_schemas(example: Example) -> None:
    """What the file shows is what the file allows, of the answers and of the requests that are taken."""
    assert example.media is not None
    assert faults(example.media["schema"], example.value, COLLECTOR) == []
    if (example.path, example.status) == ("/v1/events", 202):
        assert faults(SCHEMAS["Events"], orjson.loads(example.request["body"]), COLLECTOR) == []


def test_a_field_is_as_the_page_view_has_it() -> None:
    """Same names, same bounds; null stands for absence here."""
    contract = schemas.load("page-view")["properties"]
    for name, field in SCHEMAS["Event"]["properties"].items():
        here, there = dict(at(field, COLLECTOR)), dict(contract[name])
        for bound in ("minLength", "maxLength", "minimum", "maximum"):
            assert here.get(bound) == there.get(bound), name
        if "pattern" in there:
            assert here["pattern"] == there["pattern"].removesuffix("(?!\\n)")
    assert set(SCHEMAS["Event"]["properties"]) == {*validate._FIELDS, "site_id"}


def test_limits_and_reasons_are_the_collectors() -> None:
    """The file says no other number and no other word than the code."""
    rejected = SCHEMAS["Rejected"]["properties"]
    assert set(rejected["reason"]["enum"]) == set(get_args(validate.Reason))
    assert rejected["detail"]["maxLength"] == validate.MAX_DETAIL
    for ignored in ("IgnoredFields", "IgnoredParameters"):
        assert SCHEMAS[ignored]["maxItems"] == validate.MAX_IGNORED
        assert SCHEMAS[ignored]["items"]["pattern"] == f"^{validate._NAME.pattern}$"
    assert SCHEMAS["Events"]["oneOf"][1]["maxItems"] == body.MAX_EVENTS
    assert SCHEMAS["Bulk"]["properties"]["requests"]["maxItems"] == matomo.MAX_BULK
    passed_over = COLLECTOR["components"]["headers"]["NotCounted"]["schema"]["enum"]
    assert set(passed_over) == {*get_args(Reason), "prefetch", "client_article_hour"}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_fields_are_described_and_answers_closed(name: str) -> None:
    """A field of an answer that is not here is a fault, and each that is says what it means."""

    def check(schema: dict[str, Any], place: str) -> None:
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is (name in OPEN), place
            assert set(schema.get("required", ())) <= set(schema["properties"]), place
        for field, inner in schema.get("properties", {}).items():
            assert "description" in at(inner, COLLECTOR), f"{place}.{field}"
            check(inner, f"{place}.{field}")

    assert "description" in SCHEMAS[name]
    check(SCHEMAS[name], name)


def test_yaml_is_read_safely() -> None:
    """No tag, no code."""
    assert yaml.safe_load(schemas.openapi_collector()) == COLLECTOR
