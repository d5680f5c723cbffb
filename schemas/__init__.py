"""The contract between what emits events and what counts them, and of the HTTP APIs of both ends, as data.

Read it from any program; in Python, `load`, `topics`, `source_presets`, `source_example`, `examples`, `faults`,
`openapi` and `openapi_collector` are all there is.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import orjson

NAMES = ("page-view", "article", "editor", "alias", "ranker", "best-of", "check")
"""The schemas there are, each with examples."""


@dataclass(frozen=True)
class Topic:
    """A topic as it has to be: `key` says in words what records are keyed by, `config` holds Kafka's own settings."""

    name: str
    partitions: int
    key: str
    config: dict[str, str]


@functools.cache
def load(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) called `name`; shared, so not to be changed. Raises KeyError for another name."""
    if name not in NAMES:
        raise KeyError(name)
    schema: dict[str, Any] = orjson.loads(_file(f"{name}.schema.json").read_bytes())
    return schema


@functools.cache
def topics() -> tuple[Topic, ...]:
    """Every topic, in the order of their names."""
    found = []
    for file in _file("topics").iterdir():
        table = tomllib.loads(file.read_text("utf-8"))
        found.append(Topic(table["name"], table["partitions"], table["key"], dict(table["config"])))
    return tuple(sorted(found, key=lambda topic: topic.name))


def topic(name: str) -> Topic:
    """The topic called `name`; raises KeyError where there is none."""
    return {topic.name: topic for topic in topics()}[name]


@functools.cache
def source_presets() -> dict[str, dict[str, Any]]:
    """Name to what [source] says of a known format; shared, so not to be changed."""
    presets = {file.name.removesuffix(".toml"): file for file in _file("source").iterdir()}
    return {name: tomllib.loads(presets[name].read_text("utf-8")) for name in sorted(presets)}


def source_example(name: str) -> bytes:
    """A record of the format of preset `name`."""
    return _file("examples").joinpath("source", f"{name}.json").read_bytes()


def examples(name: str, *, valid: bool) -> dict[str, bytes]:
    """Examples of schema `name` by their own name, as bytes: a fault may lie in the encoding itself."""
    folder = _file("examples").joinpath(name, "valid" if valid else "invalid")
    return {file.name.rpartition(".")[0]: file.read_bytes() for file in sorted(folder.iterdir(), key=lambda f: f.name)}


def decode(name: str, raw: bytes) -> Any:
    """An example's value: TOML for ranker, else JSON. Raises ValueError where the bytes are neither."""
    return tomllib.loads(raw.decode("utf-8")) if name == "ranker" else orjson.loads(raw)


def faults(name: str, value: Any) -> list[str]:
    """Every fault of `value` against schema `name`, as "place: what is wrong", sorted; empty when it is valid."""
    found = {
        f"{'.'.join(map(str, fault.absolute_path)) or name}: {_sentence(fault)}"
        for fault in _validator(name).iter_errors(value)
    }
    return sorted(found)


def openapi() -> bytes:
    """The reader's API, OpenAPI 3.1, as YAML."""
    return _file("openapi.yaml").read_bytes()


def openapi_collector() -> bytes:
    """The collector's API, OpenAPI 3.1, as YAML."""
    return _file("openapi-collector.yaml").read_bytes()


def _sentence(fault: Any) -> str:
    """What is wrong, in words: a pattern tells nobody what was meant, its description does."""
    if fault.validator in {"not", "pattern", "maxLength", "minLength", "maxUtf8Bytes"}:
        shown = repr(fault.instance)
        shown = shown if len(shown) <= 80 else shown[:77] + "…"
        meant = fault.schema.get("description") or f"must match {fault.schema.get('pattern', '')}"
        return f"{shown} does not fit: {meant}"
    return str(fault.message)


@functools.cache
def _validator(name: str) -> Any:
    # jsonschema takes 60 ms to import, which the producers' hot commands need not pay.
    from jsonschema import Draft202012Validator, ValidationError, validators

    def max_utf8_bytes(_: Any, limit: int, value: Any, __: Mapping[str, Any]) -> Iterator[ValidationError]:
        if isinstance(value, str) and len(value.encode("utf-8", "surrogatepass")) > limit:
            yield ValidationError(f"is longer than {limit} bytes of UTF-8")

    def is_integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    # Two things are our own. JSON Schema counts characters: "maxUtf8Bytes" counts bytes. And it takes 5.0 and 5e3 for
    # integers, which typed decoders in most languages do not.
    extended = validators.extend(
        Draft202012Validator,
        {"maxUtf8Bytes": max_utf8_bytes},
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer),
    )
    return extended(load(name))


def _file(path: str) -> Traversable:
    return files(__name__).joinpath(path)
