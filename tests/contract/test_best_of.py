"""What is delivered of a document is what schemas/openapi.yaml allows, for every client, and whatever was taken down."""

from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from ranker.serve.api.best_of import delivered
from ranker.serve.api.best_of_request import Sight
from tests.support.openapi import SCHEMAS, faults

EXAMPLES = sorted((Path(__file__).parents[2] / "schemas/examples/best-of/valid").glob("*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("removed", [False, True], ids=["all shown", "all removed"])
@pytest.mark.parametrize(
    "sight",
    [Sight(counts=True, positions=True), Sight(counts=True, positions=False), Sight(counts=False, positions=False)],
)
def test_delivered(path: Path, sight: Sight, removed: bool) -> None:
    """Each example of the document's own schema, for every client."""
    content = delivered(orjson.loads(path.read_bytes()), lambda _: removed, sight, date(2026, 12, 5))
    assert faults(SCHEMAS["BestOf"], content) == []


def test_nothing_of_a_document_is_left_out() -> None:
    """The description has the document's own fields, of items and changes too, and `removed` beside them."""
    own: dict[str, Any] = orjson.loads(Path("schemas/best-of.schema.json").read_bytes())["properties"]
    api = SCHEMAS["BestOf"]["properties"]
    assert api.keys() == own.keys()
    for field in ("items", "changed"):
        assert api[field]["items"]["properties"].keys() == {*own[field]["items"]["properties"], "removed"}
