"""Changes the product's text while it runs: one string that must occur exactly once, put back afterwards."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ranker.store import shard


class NotThereError(Exception):
    """The text to replace does not stand exactly once in the source: the product has moved on, move the mutant."""


@contextmanager
def python(module_name: str, old: str, new: str) -> Iterator[None]:
    """Every function of a module whose code the change alters runs the altered code."""
    module = importlib.import_module(module_name)
    source = replaced(inspect.getsource(module), old, new, module_name)
    altered = ModuleType(module_name)
    altered.__file__ = module.__file__
    exec(compile(source, module.__file__ or module_name, "exec"), altered.__dict__)
    changed = []
    for name, function in _functions(module, module_name).items():
        other = _functions(altered, module_name).get(name)
        if other is None or _alike(function.__code__, other.__code__):
            continue
        changed.append((function, function.__code__))
        function.__code__ = other.__code__
    if not changed:
        raise NotThereError(f"{module_name}: the change alters no function: {old!r}")
    try:
        yield
    finally:
        for function, code in changed:
            function.__code__ = code


@contextmanager
def lua(old: str, new: str) -> Iterator[None]:
    """Every ShardStore made meanwhile loads an altered advance.lua."""
    original = shard.script

    def script(name: str, *, allow_oom: bool = False) -> str:
        text = original(name, allow_oom=allow_oom)
        return replaced(text, old, new, name) if name == "advance" else text

    shard.script = script
    try:
        yield
    finally:
        shard.script = original


def replaced(text: str, old: str, new: str, where: str) -> str:
    if text.count(old) != 1:
        raise NotThereError(f"{where}: found {text.count(old)} times: {old!r}")
    return text.replace(old, new)


def _alike(one: CodeType, other: CodeType) -> bool:
    """Line numbers may differ."""
    if one.co_code != other.co_code or one.co_names != other.co_names or len(one.co_consts) != len(other.co_consts):
        return False
    return all(
        _alike(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else a == b and type(a) is type(b)
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )


def _functions(holder: Any, module_name: str, prefix: str = "") -> dict[str, FunctionType]:
    """Qualified name to function, of a module and of its classes; properties by their getter."""
    found: dict[str, FunctionType] = {}
    for name, value in vars(holder).items():
        plain = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        plain = plain.fget if isinstance(plain, property) else plain
        if isinstance(plain, FunctionType) and plain.__module__ == module_name:
            found[prefix + name] = plain
        elif isinstance(plain, type) and plain.__module__ == module_name:
            found.update(_functions(plain, module_name, f"{prefix}{name}."))
    return found
