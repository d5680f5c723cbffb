"""Bodies: what is read, and what is refused with a sentence."""

import pytest

from producers.collector.http import body
from producers.collector.http.refusal import RefusedError


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (b"application/json", b""),
        (b"text/plain;charset=UTF-8", b"identity"),
        (b'Application/JSON; charset="utf-8"', b""),
        (b"text/plain; format=flowed", b""),
    ],
)
def test_kinds_that_are_read(content_type: bytes, encoding: bytes) -> None:
    """JSON, or text as navigator.sendBeacon sends it."""
    body.check_kind(content_type, encoding)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (b"", b""),
        (b"application/x-www-form-urlencoded", b""),
        (b"application/json; charset=iso-8859-1", b""),
        (b"text/plain; charset=utf-16", b""),
        (b"application/json", b"gzip"),
        (b"application/json", b"br, gzip"),
    ],
)
def test_kinds_that_are_not(content_type: bytes, encoding: bytes) -> None:
    """Nothing is unpacked, nothing is guessed."""
    with pytest.raises(RefusedError) as refused:
        body.check_kind(content_type, encoding)
    assert refused.value.status == 415


def test_one_or_several() -> None:
    """An object stands for an array of one; colons and quotes in its text are not fields."""
    assert body.events(b'{"article_id": "/a:b:\\"c\\":"}') == [{"article_id": '/a:b:"c":'}]
    assert body.events(b'[{"article_id": "\\u003a\\u00e9"}, 7]') == [{"article_id": ":é"}, 7]
    assert len(body.events(b"[" + b",".join([b"{}"] * 500) + b"]")) == 500


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "line 1 column 1"),
        (b"\xef\xbb\xbf{}", "line 1 column 1"),
        (b"7", "neither an event, as an object, nor an array of events"),
        (b'"text"', "neither an event, as an object, nor an array of events"),
        (b"[]", "The array is empty: send at least one event."),
        (b'{"article_id": "/a"} {}', "unexpected content"),
        (b'{"article_id": "\xff\xfe"}', "UTF-8"),
        (b'{"article_id": "\\ud800"}', "surrogate"),
        (b'{"value": NaN}', "line 1"),
        (b'{"value": -Infinity}', "line 1"),
        (b'{"value": 01}', "line 1"),
        (b"[" * 60_000 + b"]" * 5_000, "depth"),
        (b"[" * 900 + b"]" * 900, "nested too deeply"),
        (b'{"a": ' * 200 + b"1" + b"}" * 200, "needs"),
        (b'{"value": 1, "value": 1000}', "one name"),
        (b'[{}, {"a": {"b": 1, "b": 2}}]', "one name"),
        (b'{"a\\u003a": ":", "a\\u003a": ""}', "one name"),
        (b'{"b": "\\u003A\\u003A", "a": 1, "a": 2}', "one name"),
    ],
)
def test_what_is_not_json(raw: bytes, why: str) -> None:
    """Each is reported in a sentence; nothing of the body is repeated."""
    if why == "needs":  # deep, but readable: an event without an article is the next one's fault to find
        assert len(body.events(raw)) == 1
        return
    with pytest.raises(RefusedError) as refused:
        body.events(raw)
    assert refused.value.status == 400
    assert why in refused.value.detail
    assert refused.value.detail.endswith(".")
    assert len(refused.value.detail) < 250


def test_too_many() -> None:
    """500 at once."""
    with pytest.raises(RefusedError) as refused:
        body.events(b"[" + b",".join([b"{}"] * 501) + b"]")
    assert refused.value.status == 413
