"""What pages and servers may say of an event."""

from typing import Any

import pytest

from producers.collector.authorize import Speaker
from producers.collector.validate import MAX_DETAIL, Arrival, FaultError, ignored_fields, ignored_parameters, views
from producers.event import PageView
from schemas.article_id import IdRule
from tests.support.defaults import LONGEST_WINDOW_MS, collector_site

NOW = 1_795_396_624_735
WEEK_MS = 7 * 86_400_000
PAGE = Speaker("demo", collector_site(), keyed=False)
SERVER = Speaker("demo", collector_site(), keyed=True)


def made(
    item: Any, speaker: Speaker = PAGE, *, is_bot: bool = False, visitor_id: str | None = None, **more: Any
) -> PageView:
    (found,) = views([item], speaker, Arrival(NOW, is_bot, visitor_id, LONGEST_WINDOW_MS, **more))
    if isinstance(found, FaultError):
        raise found
    return found


def test_a_page_says_little() -> None:
    """The rest is the collector's: site, time, kind of agent, visitor. Unknown fields and numbers of others are dropped."""
    item = {"article_id": "/a", "producer_id": "x/1", "sequence": 9, "hat": "red", "site_id": "demo", "event_id": "e1"}
    view = made(item, visitor_id="v")
    assert (view.site_id, view.article_id, view.event_type, view.occurred_at) == ("demo", "/a", "view", NOW)
    assert (view.visitor_id, view.agent_class, view.value, view.event_id) == ("v", "unknown", 1, "e1")
    assert (view.producer_id, view.sequence) == (None, None)
    assert made({"article_id": "/a"}).event_id != made({"article_id": "/a"}).event_id


def test_names_that_mean_nothing_are_reported() -> None:
    """Each once, in their order, bounded in number and length; what the contract knows and we number anew is among them."""
    every = dict.fromkeys(
        ("article_id", "event_type", "event_id", "agent_class", "value", "occurred_at", "visitor_id", "repeat_key")
    )
    assert ignored_fields([every | {"site_id": "demo"}, 7, None, []]) == []
    items = [{"article_id": "/a", "type": "x", "event-type": "x"}, {"_t": 1, "type": 2, "sequence": 3, "articleId": 4}]
    assert ignored_fields(items) == ["type", "event-type", "_t", "sequence", "articleId"]
    assert ignored_fields([{"": 1, "é": 2, "a b": 3, "<b>": 4, "x\n": 5, "7": 6, "x" * 65: 7}]) == []
    assert ignored_fields([{"x" * 64: 1}]) == ["x" * 64]
    assert ignored_fields([{f"f{i}": i for i in range(1_000)}] * 500) == [f"f{i}" for i in range(10)]


def test_parameters_that_name_no_article_are_told() -> None:
    """As fields are; those of the rule's own name are none, and a pattern may read any."""
    items = [
        {"article_id": one} for one in ("/?p=12&utm_source=x#?q=1", "https://a.example/?P=1&p=2", "a?b=1", "/?%70=3")
    ]
    assert ignored_parameters([*items, 7, None, {}, {"article_id": 5}], IdRule()) == ["p", "utm_source", "P"]
    assert ignored_parameters(items, IdRule("query:p")) == ["utm_source", "P"]
    assert ignored_parameters(items, IdRule("^/([0-9]+)")) == []
    assert ignored_parameters([{"article_id": f"/?é=1&<b>=2&{'x' * 65}=3&=4&5=6&"}], IdRule()) == []
    many = "&".join(f"f{i}=1" for i in range(1_000))
    assert ignored_parameters([{"article_id": f"/?{many}"}] * 500, IdRule()) == [f"f{i}" for i in range(10)]


def test_bots() -> None:
    """Known by their agent, or as the page says it (navigator.webdriver)."""
    assert made({"article_id": "/a"}, is_bot=True).agent_class == "bot"
    assert made({"article_id": "/a", "agent_class": "bot"}).agent_class == "bot"


def test_the_sites_own_people() -> None:
    """By their network, unless a program runs there; a page cannot say so itself."""
    assert made({"article_id": "/a"}, is_internal=True).agent_class == "internal"
    assert made({"article_id": "/a"}, is_internal=True, is_bot=True).agent_class == "bot"
    assert made({"article_id": "/a", "agent_class": "bot"}, is_internal=True).agent_class == "bot"


def test_a_key_is_of_the_article_in_its_normal_form() -> None:
    """For the types that a rule looks at, of pages alone; without a salt there is none."""
    needs: dict[str, Any] = {"repeat_types": frozenset({"view"}), "repeat_key": "key of {}".format}
    for address in ("/caf%c3%a9/?utm_source=x", "https://www.example.org/café", "/café"):
        assert made({"article_id": address}, **needs).repeat_key == "key of /café"
    assert made({"article_id": "/a", "event_type": "share"}, **needs).repeat_key is None
    assert made({"article_id": "/a"}, **needs | {"repeat_key": None}).repeat_key is None
    assert made({"article_id": "/a"}, SERVER, **needs).repeat_key is None


@pytest.mark.parametrize("speaker", [PAGE, SERVER])
def test_an_address_is_its_article(speaker: Speaker) -> None:
    """Whatever limits or counts the event sees the normal form alone; an id that is no address stays."""
    for given in ("/soci%c3%a9t%c3%a9/", "https://www.example.org/x/../soci%C3%A9t%C3%A9?utm_source=x#y", "/société"):
        assert made({"article_id": given}, speaker).article_id == "/société"
    for plain in ("17", "a/b/", "soci%c3%a9t%c3%a9", "tag:example.org,2026:1"):
        assert made({"article_id": plain}, speaker).article_id == plain


def test_null_is_absent() -> None:
    """As in the page view."""
    names = ("value", "occurred_at", "visitor_id", "agent_class", "event_id", "event_type", "site_id")
    view = made({"article_id": "/a"} | dict.fromkeys(names))
    assert (view.value, view.occurred_at, view.event_type) == (1, NOW, "view")


def test_a_server_says_all() -> None:
    """With the key of the site."""
    item = {
        "article_id": "/a",
        "event_type": "vote",
        "value": -5,
        "occurred_at": NOW - WEEK_MS,
        "visitor_id": "w",
        "repeat_key": "k",
        "agent_class": "internal",
    }
    view = made(item, SERVER)
    assert (view.event_type, view.value, view.occurred_at) == ("vote", -5, NOW - WEEK_MS)
    assert (view.visitor_id, view.repeat_key, view.agent_class) == ("w", "k", "internal")
    assert made({"article_id": "/a"}, SERVER).occurred_at == NOW
    assert made({"article_id": "/a", "occurred_at": NOW + 300_000}, SERVER).value == 1


@pytest.mark.parametrize(
    ("speaker", "item", "reason"),
    [
        (PAGE, {"article_id": "/a", "value": 2}, "not_public"),
        (PAGE, {"article_id": "/a", "value": -1}, "not_public"),
        (PAGE, {"article_id": "/a", "occurred_at": NOW}, "not_public"),
        (PAGE, {"article_id": "/a", "visitor_id": "v"}, "not_public"),
        (PAGE, {"article_id": "/a", "repeat_key": "k"}, "not_public"),
        (PAGE, {"article_id": "/a", "agent_class": "internal"}, "not_public"),
        (PAGE, {"article_id": "/a", "event_type": "comment"}, "not_public"),
        (PAGE, {"article_id": "/a", "agent_class": "person"}, "not_public"),
        (PAGE, {"article_id": "/a", "site_id": "other"}, "foreign_site"),
        (SERVER, {"article_id": "/a", "site_id": "other"}, "foreign_site"),
        (SERVER, {"article_id": "/a", "site_id": ["demo"]}, "foreign_site"),
        (SERVER, {"article_id": "/a", "occurred_at": NOW + 300_001}, "future"),
        (SERVER, {"article_id": "/a", "occurred_at": NOW - WEEK_MS - 1}, "late"),
        (SERVER, {"article_id": "/a", "occurred_at": NOW // 1000}, "late"),
        (SERVER, {"article_id": "/a", "occurred_at": 0}, "late"),
        (SERVER, {"article_id": "/a", "occurred_at": NOW * 1_000}, "invalid"),
        (SERVER, {"article_id": "/a", "occurred_at": NOW * 1_000_000}, "invalid"),
        (SERVER, {"article_id": "/a", "occurred_at": 10**40}, "invalid"),
        (SERVER, {"article_id": "/a", "value": 0}, "invalid"),
        (SERVER, {"article_id": "/a", "value": 1.0}, "invalid"),
        (PAGE, {"article_id": "/a", "value": True}, "invalid"),
        (PAGE, {"article_id": "/a", "event_type": {}}, "invalid"),
        (PAGE, {"article_id": "/a", "agent_class": ["bot"]}, "not_public"),
        (PAGE, {"article_id": "/a", "event_id": "x" * 129}, "invalid"),
        (PAGE, {"article_id": "a\r\nx"}, "invalid"),
        (PAGE, {"article_id": "/" + "x" * 512}, "invalid"),
        (SERVER, {"article_id": "https://www.example.org/" + "%C3%A9" * 256}, "invalid"),
        (PAGE, {"article_id": "/" + "a/../" * 2_000}, "invalid"),
        (PAGE, {"article_id": "x" * 60_000}, "invalid"),
        (PAGE, {"article_id": ["/a"]}, "invalid"),
        (PAGE, {"article_id": None}, "invalid"),
        (PAGE, {}, "invalid"),
        (PAGE, [], "invalid"),
        (PAGE, "x", "invalid"),
        (PAGE, None, "invalid"),
    ],
)
def test_faults(speaker: Speaker, item: Any, reason: str) -> None:
    """Each with its reason, in a short sentence, however long what was sent is."""
    with pytest.raises(FaultError) as fault:
        made(item, speaker)
    assert fault.value.reason == reason
    assert 0 < len(fault.value.detail) <= MAX_DETAIL


@pytest.mark.parametrize(
    ("longest_ms", "at_ms", "said"),
    [
        (WEEK_MS, NOW // 1000, "that looks like seconds; give milliseconds"),
        (WEEK_MS, NOW * 1_000, "which looks like microseconds; give milliseconds"),
        (WEEK_MS, NOW * 1_000_000, "which looks like nanoseconds; give milliseconds"),
        (WEEK_MS, NOW - WEEK_MS - 1, "(7 days)"),
        (3_600_000, NOW - 3_600_001, "(0.0417 days)"),
        (30 * 86_400_000, NOW - WEEK_MS - 1, ""),
    ],
)
def test_a_time_that_counts_nowhere_says_why(longest_ms: int, at_ms: int, said: str) -> None:
    """Seconds are the commonest mistake and have a sentence of their own; the longest window is the configured one."""
    arrival = Arrival(NOW, is_bot=False, visitor_id=None, longest_window_ms=longest_ms)
    (found,) = views([{"article_id": "/a", "occurred_at": at_ms}], SERVER, arrival)
    assert isinstance(found, FaultError) is bool(said)
    assert said in str(found)
