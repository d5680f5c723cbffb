"""For which site a request speaks: key, then Origin, then Referer, then Host."""

import hmac

import pytest

from producers.collect import sites as module
from producers.collect.refusal import RefusedError
from producers.collect.settings import Site
from producers.collect.sites import Sites

A, B = Site(("https://a.example",), ("va.example",), key="key-of-a"), Site(("https://b.example",), key="key-of-b")
SITES = Sites({"a": A, "b": B})


def site(*, referred: bool = False, **headers: str) -> tuple[str, bool]:
    found = SITES.speaker(
        {name.encode(): value.encode("latin-1") for name, value in headers.items()}, referred=referred
    )
    return found.site_id, found.keyed


def test_the_first_that_is_there_speaks() -> None:
    """And no other is looked at: a key wins over the page, the page over the name of the collector."""
    everything = {"authorization": "Bearer key-of-b", "origin": "https://a.example", "host": "va.example"}
    assert site(**everything) == ("b", True)
    assert site(origin="https://b.example", host="va.example") == ("b", False)
    assert site(referred=True, referer="https://b.example/x?y", host="va.example") == ("b", False)
    assert site(referer="https://b.example/x?y", host="va.example:8081") == ("a", False)
    assert site(referred=True, host="VA.example") == ("a", False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer key-of-c", "origin": "https://a.example"}, 401),
        ({"authorization": "Bearer key-of-", "origin": "https://a.example"}, 401),
        ({"authorization": "Bearer ", "origin": "https://a.example"}, 401),
        ({"authorization": "Bearer clé", "origin": "https://a.example"}, 401),
        ({"authorization": "Basic key-of-a"}, 401),
        ({"authorization": "", "origin": "https://a.example"}, 401),
        ({"origin": "null", "host": "va.example"}, 403),
        ({"origin": "", "host": "va.example"}, 403),
        ({"origin": "https://a.example.evil.example", "host": "va.example"}, 403),
        ({"origin": "http://a.example", "host": "va.example"}, 403),
        ({"referer": "https://c.example/", "host": "va.example"}, 403),
        ({"referer": "https://a.example@c.example/", "host": "va.example"}, 403),
        ({"referer": "https://[", "host": "va.example"}, 403),
        ({"host": "c.example"}, 403),
        ({"host": ""}, 403),
        ({}, 403),
    ],
)
def test_nobody(headers: dict[str, str], status: int) -> None:
    """What is there and wrong is refused, not passed over."""
    with pytest.raises(RefusedError) as refused:
        site(referred=True, **headers)
    assert refused.value.status == status


def test_every_key_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a time that does not tell which one, or how much of it, was right."""
    compared, honest = [], hmac.compare_digest

    def compare(key: bytes, given: bytes) -> bool:
        compared.append(key)
        return honest(key, given)

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    assert site(authorization="Bearer key-of-a") == ("a", True)
    assert compared == [b"key-of-a", b"key-of-b"]
