"""schemas/openapi.yaml is OpenAPI 3.1, whole, and says the same everywhere."""

from typing import Any

import openapi_spec_validator
import pytest
import yaml

import schemas
from ranker.metrics import ReaderMetrics, new_registry
from ranker.serve.api.clients import Clients
from ranker.serve.app import Web
from ranker.serve.live.build_live import build_live
from ranker.serve.live.hourly import Hourly
from ranker.serve.live.published import Ages
from ranker.serve.pages.front import Page
from ranker.service.address import Addresses
from ranker.settings import Caching
from tests.support.docs_page import PAGE, page
from tests.support.openapi import SCHEMAS, SPEC, Example, at, examples, faults, operations

VALUES = [example for example in examples() if example.value is not None]


@pytest.fixture
async def routes() -> list[Any]:
    metrics = ReaderMetrics(new_registry())
    live = build_live(None, sites={}, refresh_ms=1000, ages=Ages(1, 2), metrics=metrics)
    hourly = Hourly(None, live.board.now_ms)
    return Web(live, hourly, Page({}), Caching(), Clients(Addresses([])), metrics).routes


def test_it_is_openapi() -> None:
    """Against the schema of OpenAPI 3.1, and beyond it: references, unique ids, parameters of paths."""
    openapi_spec_validator.validate(SPEC)


def test_it_means_the_same_in_yaml_1_1_and_1_2() -> None:
    """No unquoted time, no `on`, no `12e03`: parsers of both versions read the same."""
    from ruamel.yaml import YAML

    assert YAML(typ="safe", pure=True).load(schemas.openapi().decode()) == SPEC
    assert yaml.safe_load(schemas.openapi()) == SPEC


async def test_every_route_is_described_and_every_description_is_served(routes: list[Any]) -> None:
    """Path by path, method by method; the preflight is one route for all paths under /v1."""
    described = {(path, method.upper()) for path, method, _ in operations()}
    served = set()
    for route in routes:
        for method in route.methods - {"HEAD"}:
            if route.path == "/v1/{rest:path}":
                if method == "OPTIONS":
                    served |= {(path, method) for path, _ in described if path.startswith("/v1/")}
            else:
                served.add((route.path, method))
    assert served == described


def test_every_operation_has_an_example() -> None:
    """Of each way in which it answers 200; and every example can be executed."""
    shown = {(example.path, example.kind) for example in examples()}
    for path, method, operation in operations():
        assert operation["summary"], path
        for kind in at(operation["responses"].get("200", {})).get("content", ()):
            assert (path, kind) in shown, f"{method} {path} has no example of {kind}"


@pytest.mark.parametrize("example", VALUES, ids=lambda example: example.name)
def test_examples_fit_their_schemas(example: Example) -> None:
    """What the file shows is what the file allows."""
    assert example.media is not None
    assert faults(example.media["schema"], example.value) == []


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_fields_are_described_and_closed(name: str) -> None:
    """A field that is not here is a fault, and each that is says what it means."""

    def check(schema: dict[str, Any], place: str) -> None:
        if schema.get("type") == "object":
            assert "additionalProperties" in schema, place
            assert set(schema.get("required", ())) <= set(schema["properties"]), place
        for field, inner in schema.get("properties", {}).items():
            assert "description" in at(inner), f"{place}.{field}"
            check(inner, f"{place}.{field}")
        for inner in (*schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else ())):
            check(inner, place)

    assert "description" in SCHEMAS[name]
    check(SCHEMAS[name], name)


def test_parameters_are_bounded_and_their_examples_fit() -> None:
    """Every number has two ends, every list a length."""
    for path, _, operation in operations():
        for parameter in map(at, (*SPEC["paths"][path].get("parameters", ()), *operation.get("parameters", ()))):
            schema = at(parameter["schema"])
            if schema["type"] == "integer":
                assert {"minimum", "maximum", "default"} <= schema.keys(), parameter
            if schema["type"] == "array":
                assert "maxItems" in schema, parameter
            if "example" in parameter:
                assert faults(schema, parameter["example"]) == [], parameter


def test_the_page_is_current() -> None:
    """The page that is served is the one that this description gives."""
    assert PAGE.read_text("utf-8") == page(SPEC), (
        "openapi.yaml or how it is shown changed: run .venv/bin/python -m tests.support.docs_page"
    )


def test_the_page_shows_everything() -> None:
    """Each path, parameter, field and example of the file is on the page; what looks like markup is text."""
    text = PAGE.read_text("utf-8")
    for path, _, operation in operations():
        assert f"</b> {path}</code>" in text
        for parameter in map(at, operation.get("parameters", ())):
            assert f"<code>{parameter['name']}</code>" in text
    for name, schema in SCHEMAS.items():
        assert f'id="{name}"' in text
        assert all(f"{field}</code>" in text for field in schema.get("properties", ()))
    for example in examples():
        assert example.request["target"].replace("&", "&amp;") in text
    assert "&lt;articles-populaires&gt;" in text
    assert "<articles-populaires>" not in text
    assert "<script" not in text
    assert "style=" not in text
