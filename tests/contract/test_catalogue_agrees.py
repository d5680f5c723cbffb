"""What the catalogue takes in and the schemas article, editor and alias are the same contract."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import schemas
from ranker.core.article import fault

BEHIND = {"article": b"", "editor": b" #editor", "alias": b" #alias"}
VALID = [(name, case) for name in BEHIND for case in schemas.examples(name, valid=True)]
INVALID = [(name, case) for name in BEHIND for case in schemas.examples(name, valid=False)]


def own_key(name: str, value: Any) -> bytes:
    """The key that a record of this kind has; of its ids whatever is there."""
    table = value if isinstance(value, dict) else {}
    return f"{table.get('site_id')}/{table.get('article_id')}".encode() + BEHIND[name]


@pytest.mark.parametrize(("name", "case"), VALID)
def test_what_the_contract_allows_is_taken(name: str, case: str) -> None:
    """Under its own key, and under no other."""
    raw = schemas.examples(name, valid=True)[case]
    key = own_key(name, orjson.loads(raw))
    assert fault(key, raw) is None
    assert fault(b"other" + key, raw)
    assert fault(key + b"#other", raw)
    assert fault(None, raw)


@pytest.mark.parametrize(("name", "case"), VALID)
def test_words_of_version_0_1_are_taken_too(name: str, case: str) -> None:
    """Under a key without the space, which no id holds; with another one behind it, a key names nothing."""
    raw = schemas.examples(name, valid=True)[case]
    key = own_key(name, orjson.loads(raw))
    assert fault(key.replace(b" #", b"#"), raw) is None
    assert fault(key + b" ", raw)
    assert fault(key.replace(b" #", b"  #"), raw) if b" #" in key else True


@pytest.mark.parametrize(("name", "case"), INVALID)
def test_what_the_contract_forbids_is_left_out(name: str, case: str) -> None:
    """Whatever else is right about it."""
    raw = schemas.examples(name, valid=False)[case]
    assert fault(own_key(name, orjson.loads(raw)), raw)


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.parametrize(("other", "case"), VALID)
def test_a_key_takes_its_own_kind_only(name: str, other: str, case: str) -> None:
    """An article under the editor's key is no word of the editor's, nor the other way round."""
    value = orjson.loads(schemas.examples(other, valid=True)[case])
    assert (fault(own_key(name, value), orjson.dumps(value)) is None) == (schemas.faults(name, value) == [])
    if name != other:
        assert fault(own_key(name, value), orjson.dumps(value))


IDS = st.one_of(
    st.sampled_from(["/a", "/b", "", "/a b", "/a\u200b", "/é" * 200, "/" + "é" * 256, "/a#editor", "/a#alias"]),
    st.none(),
    st.integers(0, 2),
    st.text(st.characters(codec="utf-8", max_codepoint=0x2FF), max_size=4),
)
SITES = st.sampled_from(["demo", "a.b-c_d", "Demo", "", "de/mo", "demo\n", None, 3])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "site_id": SITES,
    "article_id": IDS,
    "hidden": st.sampled_from([True, False, None, 0, 1, "true", []]),
    "alias_of": IDS,
    "by": st.just({"unknown": [1]}),
}


@given(st.sampled_from(["editor", "alias"]), st.fixed_dictionaries({}, optional=FIELDS))
@example("alias", {"site_id": "demo", "article_id": "/a", "alias_of": "/a"})
def test_the_catalogue_agrees_with_the_schemas(name: str, value: dict[str, Any]) -> None:
    """Of any value; only that an alias leads to another article is more than a schema can say."""
    itself = name == "alias" and value.get("alias_of", "") == value.get("article_id")
    taken = fault(own_key(name, value), orjson.dumps(value)) is None
    assert taken == (schemas.faults(name, value) == [] and not itself)
