"""The OpenAPI files as tests see them: their operations, their examples, their schemas."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from jsonschema import Draft202012Validator

import schemas

SPEC: dict[str, Any] = yaml.load(schemas.openapi(), Loader=yaml.CSafeLoader)
COLLECTOR: dict[str, Any] = yaml.load(schemas.openapi_collector(), Loader=yaml.CSafeLoader)
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
SCHEMAS = SPEC["components"]["schemas"]


@dataclass(frozen=True)
class Example:
    """A request out of the file with what it is answered by; `value` is None if the file does not spell it out."""

    name: str
    path: str
    request: Mapping[str, Any]
    status: int
    response: Mapping[str, Any]
    kind: str = ""
    media: Mapping[str, Any] | None = None
    value: Any = None


def at(node: Mapping[str, Any], spec: Mapping[str, Any] = SPEC) -> Mapping[str, Any]:
    """What a reference points to."""
    if "$ref" not in node:
        return node
    found: Any = spec
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found  # type: ignore[no-any-return]


def operations(spec: Mapping[str, Any] = SPEC) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(path, method, operation)."""
    for path, item in spec["paths"].items():
        yield from ((path, method, item[method]) for method in METHODS if method in item)


def examples(spec: Mapping[str, Any] = SPEC) -> list[Example]:
    """Each once, wherever it is referred to."""
    found: dict[str, Example] = {}
    for path, method, operation in operations(spec):
        for status, response in ((int(code), at(one, spec)) for code, one in operation["responses"].items()):
            if request := response.get("x-request"):
                name = f"{status} {request.get('method', method.upper())} {request['target']}"
                found.setdefault(name, Example(name, path, request, status, response))
            for kind, media in response.get("content", {}).items():
                for name, example in media.get("examples", {}).items():
                    one = Example(name, path, example["x-request"], status, response, kind, media, example.get("value"))
                    known = found.setdefault(name, one)
                    assert known.value is one.value, f"two examples are called {name}"
    return list(found.values())


def faults(schema: Mapping[str, Any], value: Any, spec: Mapping[str, Any] = SPEC) -> list[str]:
    """What is wrong with a value."""
    validator = Draft202012Validator({**schema, "components": spec["components"]})
    return sorted(f"{error.json_path}: {error.message}" for error in validator.iter_errors(value))
