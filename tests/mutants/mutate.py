"""Changes the product while it runs: one expression or statement of one function, put back afterwards.

What is looked for is Python, compared as syntax. A single capital letter stands for any expression, the same one
wherever it is repeated; `...` stands for the remaining arguments of a call, or for the statements of a block. Both
keep their meaning in what takes the place: "A.count(...)" becomes "[A.count(...), A.count(...)]".
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from types import CodeType, EllipsisType, FunctionType, ModuleType
from typing import Any

from ranker.store import shard


class NotThereError(Exception):
    """What is to be replaced does not stand there exactly once: the product has moved on, move the mutant."""


@contextmanager
def python(where: str, old: str, new: str) -> Iterator[None]:
    """`where` is module:function, or module:Class.method. It runs with `new` in place of `old` meanwhile."""
    module_name, _, name = where.partition(":")
    module = importlib.import_module(module_name)
    function = _function(module, name, where)
    tree = ast.parse(inspect.getsource(module))
    _exchange(_definition(tree, name, where), old, new, where, vars(module).keys() | vars(builtins).keys())
    whole = compile(ast.fix_missing_locations(tree), module.__file__ or where, "exec")
    code, function.__code__ = function.__code__, next(code for code in _codes(whole) if code.co_qualname == name)
    try:
        yield
    finally:
        function.__code__ = code


@contextmanager
def lua(old: str, new: str) -> Iterator[None]:
    """Every ShardStore made meanwhile loads an altered advance.lua; here `old` and `new` are text."""
    original = shard.script

    def script(name: str, *, allow_oom: bool = False) -> str:
        text = original(name, allow_oom=allow_oom)
        if name != "advance":
            return text
        if text.count(old) != 1:
            raise NotThereError(f"{name}.lua: found {text.count(old)} times: {old!r}")
        return text.replace(old, new)

    shard.script = script
    try:
        yield
    finally:
        shard.script = original


def _function(module: ModuleType, name: str, where: str) -> FunctionType:
    """The function whose code runs: of a property its getter, of a decorated one what is inside."""
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    found = found.fget if isinstance(found, property) else inspect.unwrap(getattr(found, "__func__", found))
    if not isinstance(found, FunctionType):
        raise NotThereError(f"{where}: there is no such function")
    return found


def _definition(tree: ast.Module, name: str, where: str) -> ast.AST:
    found: Any = tree
    for part in name.split("."):
        found = next((one for one in found.body if getattr(one, "name", None) == part), None)
        if found is None:
            raise NotThereError(f"{where}: its module does not define it")
    return found  # type: ignore[no-any-return]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _exchange(function: ast.AST, old: str, new: str, where: str, known: set[str]) -> None:
    """Puts `new` in the one place that holds `old`."""
    before, after = ast.parse(old).body, ast.parse(new).body
    found = [
        (*place, bound) for place in _places(function, before) if (bound := _fitting(before, place[1])) is not None
    ]
    if len(found) != 1:
        kind = type(before[0].value if isinstance(before[0], ast.Expr) else before[0])
        held = [ast.unparse(node) for node in ast.walk(function) if isinstance(node, kind)] or [ast.unparse(function)]
        raise NotThereError(
            f"{where} holds {len(found)} times what the mutant replaces, {old!r}. Of this kind ({kind.__name__}) it "
            "holds:\n\n" + "\n".join(held)
        )
    parent, nodes, bound = found[0]
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    strange = _names(after) - names - {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)} - known
    if strange:
        raise NotThereError(f"{where} does not know {sorted(strange)}, of which the mutant speaks: {new!r}")
    put = [_Filling(bound).visit(deepcopy(node)) for node in after]
    for field, value in ast.iter_fields(parent):
        if isinstance(value, list) and nodes[0] in value:
            at = value.index(nodes[0])
            value[at : at + len(nodes)] = put if isinstance(nodes[0], ast.stmt) else [put[0].value]
        elif value is nodes[0]:
            setattr(parent, field, put[0].value)


def _places(function: ast.AST, before: list[ast.stmt]) -> Iterator[tuple[ast.AST, Sequence[ast.AST]]]:
    """(parent, what could be `before`): an expression wherever one may stand, or statements in a row."""
    expression = len(before) == 1 and isinstance(before[0], ast.Expr)
    for parent in ast.walk(function):
        if expression:
            yield from ((parent, [child]) for child in ast.iter_child_nodes(parent) if isinstance(child, ast.expr))
            continue
        for _, value in ast.iter_fields(parent):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield from ((parent, value[at : at + len(before)]) for at in range(len(value) - len(before) + 1))


def _fitting(before: list[ast.stmt], nodes: Sequence[ast.AST]) -> dict[str, Any] | None:
    """What the letters stand for; None if these nodes are something else."""
    bound: dict[str, Any] = {}
    wanted: Any = [before[0].value] if isinstance(before[0], ast.Expr) and isinstance(nodes[0], ast.expr) else before
    return bound if _fits(wanted, nodes, bound) else None


def _fits(wanted: Any, found: Any, bound: dict[str, Any]) -> bool:
    match wanted:
        case ast.Name(id=name) if _letter(name):
            return isinstance(found, ast.expr) and _fits(bound.setdefault(name, found), found, {name: found})
        case ast.Call(func=called, args=[*first, ast.Constant(value=EllipsisType())]) if isinstance(found, ast.Call):
            bound["..."] = ast.Call(found.func, found.args[len(first) :], found.keywords)
            return _fits(called, found.func, bound) and _fits(first, found.args[: len(first)], bound)
        case [ast.Expr(value=ast.Constant(value=EllipsisType()))]:
            return isinstance(found, list)
        case [*many]:
            return len(many) == len(found) and all(map(_fits, many, found, [bound] * len(many)))
        case ast.AST():
            parts = (part for part in wanted._fields if part != "ctx")
            return type(wanted) is type(found) and all(
                _fits(getattr(wanted, part), getattr(found, part), bound) for part in parts
            )
    return type(wanted) is type(found) and bool(wanted == found)


def _letter(name: str) -> bool:
    return re.fullmatch("[A-Z]", name) is not None


def _names(after: list[ast.stmt]) -> set[str]:
    """What these statements read and do not bring with them."""
    nodes = [node for statement in after for node in ast.walk(statement)]
    own = {node.arg for node in nodes if isinstance(node, ast.arg)}
    names = [node for node in nodes if isinstance(node, ast.Name) and not _letter(node.id)]
    own |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return {name.id for name in names} - own


class _Filling(ast.NodeTransformer):
    """Puts in what the letters and `...` stand for."""

    def __init__(self, bound: dict[str, Any]) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not _letter(node.id):
            return node
        filled = deepcopy(self._bound[node.id])
        if hasattr(filled, "ctx"):
            filled.ctx = node.ctx
        return filled  # type: ignore[no-any-return]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node.args:
            case [*first, ast.Constant(value=EllipsisType())]:
                rest = deepcopy(self._bound["..."])
                node.args, node.keywords = [*first, *rest.args], [*node.keywords, *rest.keywords]
        return self.generic_visit(node)
