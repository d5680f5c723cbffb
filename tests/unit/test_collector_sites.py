"""For which site a request speaks: key, then Origin, then Referer, then Host."""

import hmac
from typing import Any

import pytest

from producers.collector.authorize import Sites
from producers.collector.http.refusal import RefusedError
from tests.support.defaults import collector_site

A, B = (
    collector_site(("https://a.example",), ("va.example",), key="key-of-a"),
    collector_site(("https://b.example",), key="key-of-b"),
)
SITES = Sites({"a": A, "b": B})


def site(*, referred: bool = False, **headers: str) -> tuple[str, bool]:
    found = SITES.speaker(
        {name.encode(): value.encode("latin-1") for name, value in headers.items()}, referred=referred
    )
    return found.site_id, found.keyed


def test_the_first_that_is_there_speaks() -> None:
    """And no other is looked at: a key wins over the page, the page over the name of the collector."""
    everything: dict[str, Any] = {
        "authorization": "Bearer key-of-b",
        "origin": "https://a.example",
        "host": "va.example",
    }
    assert site(**everything) == ("b", True)
    assert site(origin="https://b.example", host="va.example") == ("b", False)
    assert site(referred=True, referer="https://b.example/x?y", host="va.example") == ("b", False)
    assert site(referer="https://b.example/x?y", host="va.example:8081") == ("a", False)
    assert site(referred=True, host="VA.example") == ("a", False)


@pytest.mark.parametrize("said", ["same-origin", "same-site", "none", None])
def test_a_page_that_does_not_say_which_it_is(said: str | None) -> None:
    """It may be the site's own: if browsers say nothing, or that it is of the same site as the collector's name."""
    headers: dict[str, Any] = {"host": "va.example"} | ({"sec-fetch-site": said} if said else {})
    assert site(**headers) == ("a", False)


def test_a_page_of_another_site_says_which_it_is() -> None:
    """By Origin or Referer; its key, which no stranger's page has, is enough for a server."""
    across: dict[str, Any] = {"host": "va.example", "sec-fetch-site": "cross-site"}
    assert site(origin="https://b.example", **across) == ("b", False)
    assert site(referred=True, referer="https://b.example/", **across) == ("b", False)
    assert site(authorization="Bearer key-of-b", **across) == ("b", True)


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
        ({"host": "va.example", "sec-fetch-site": "cross-site"}, 403),
        ({"host": "c.example"}, 403),
        ({"host": ""}, 403),
        ({}, 403),
    ],
)
def test_nobody(headers: dict[str, Any], status: int) -> None:
    """What is there and wrong is refused, not passed over."""
    with pytest.raises(RefusedError) as refused:
        site(referred=True, **headers)
    assert refused.value.status == status


def test_a_page_without_an_origin_is_told_so() -> None:
    """Nobody can add null to a site's origins."""
    with pytest.raises(RefusedError, match=r"no origin \(null\).*sandbox"):
        site(origin="null")
    with pytest.raises(RefusedError, match="add it to the origins"):
        site(origin="https://www-a-example.translate.goog")


@pytest.mark.parametrize(
    ("authorization", "said"),
    [
        ("", "has no key"),
        ("Bearer", "has no key"),
        ("bearer ", "has no key"),
        ("Basic key-of-a", "is not Bearer KEY"),
        ("key-of-a", "is not Bearer KEY"),
        ("Bearer key-of-c", "is no site's"),
    ],
)
def test_what_is_wrong_with_a_key_is_reported(authorization: str, said: str) -> None:
    """Without repeating any of it; all of them are 401 and counted as write_key."""
    with pytest.raises(RefusedError, match=said) as refused:
        site(authorization=authorization)
    assert (refused.value.status, refused.value.reason) == (401, "write_key")
    assert "key-of" not in refused.value.detail


def test_foreign_origins_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """So that it is seen what to add; a hundred at most, and nothing that is not a page's origin."""
    sites = Sites({"a": A})
    unlike = [
        "",
        "x" * 300,
        "https://" + "x" * 201,
        "https://c.example\n",
        "https://u:p@c.example",
        "moz-extension://1f",
    ]
    for origin in [
        *unlike,
        "https://c.example",
        "https://c.example",
        "null",
        *(f"http://[::{n:x}]:8" for n in range(200)),
    ]:
        with pytest.raises(RefusedError):
            sites.by_origin(origin.encode())
    sites.by_origin(b"https://a.example")
    with pytest.raises(RefusedError):
        sites.speaker({b"referer": b"https://u:p@c.example/secret?x"}, referred=True)
    logged = [vars(record)["origin"] for record in caplog.records]
    assert logged == ["https://c.example", "null", *(f"http://[::{n:x}]:8" for n in range(98))]


def test_every_key_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a time that does not tell which one, or how much of it, was right."""
    compared, honest = [], hmac.compare_digest

    def compare(key: bytes, given: bytes) -> bool:
        compared.append(key)
        return honest(key, given)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert site(authorization="Bearer key-of-a") == ("a", True)
    assert compared == [b"key-of-a", b"key-of-b"]
