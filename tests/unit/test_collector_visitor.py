"""Addresses behind proxies, and what becomes of them."""

import ipaddress
from itertools import combinations

import pytest

from producers import readers
from producers.readers import repeat_key, visitor_id
from ranker.service.address import Addresses, parsed, rate_limit_key

PROXIES = Addresses([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", [b"203.0.113.9"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [b"1.1.1.1, 203.0.113.9 , 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", [b"1.1.1.1", b"203.0.113.9", b"10.0.0.2"], "203.0.113.9"),
        ("fd00::1", [b"2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", [b"1.1.1.1, 203.0.113.9:51234, 10.0.0.2:80"], "203.0.113.9"),
        ("10.0.0.1", [b"[2001:db8::7]:51234"], "2001:db8::7"),
        ("10.0.0.1", [b"[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", [b"203.0.113.9, 203.0.113.8:"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.9, []:80"], "10.0.0.1"),
        ("::ffff:10.0.0.1", [b"::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [b"203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.9,"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.9, \xff\xfe"], "10.0.0.1"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.9", *[b"10.0.0.2"] * 19], "203.0.113.9"),
        ("10.0.0.1", [b"203.0.113.9", *[b"10.0.0.2"] * 20], "10.0.0.1"),
        (None, [b"203.0.113.9"], "::"),
    ],
)
def test_who_is_believed(peer: str | None, forwarded: list[bytes], client: str) -> None:
    """Only proxies are, from the right, up to the first address that is none of theirs; after garbage nothing is."""
    assert str(PROXIES.of(peer, forwarded)) == client


def test_households() -> None:
    """An IPv4 address is one client; so is a /64."""
    two = [parsed("2001:db8::1"), parsed("2001:db8::2"), parsed("2001:db8:0:1::2")]
    first, second, third = (rate_limit_key(one) for one in two if one is not None)
    assert first == second != third
    assert rate_limit_key(ipaddress.ip_address("203.0.113.9")) != rate_limit_key(ipaddress.ip_address("203.0.113.8"))


@pytest.mark.parametrize("written", ["64:ff9b::203.0.113.9", "64:ff9b::cb00:7109", "::ffff:203.0.113.9"])
def test_an_ipv4_address_that_is_written_as_ipv6(written: str) -> None:
    """It is one client, as it is in IPv4, and not all of IPv4 together."""
    address = parsed(written)
    assert address is not None
    assert rate_limit_key(address) == ipaddress.ip_address("203.0.113.9").packed


def test_a_visitor_is_the_same_and_nobody_else() -> None:
    """Salt, site, address and agent: each changes it, and parts cannot run into each other."""
    ip = ipaddress.ip_address
    triples = [
        (b"s" * 32, "demo", ip("203.0.113.9"), "Mozilla"),
        (b"t" * 32, "demo", ip("203.0.113.9"), "Mozilla"),
        (b"s" * 32, "other", ip("203.0.113.9"), "Mozilla"),
        (b"s" * 32, "demo", ip("203.0.113.8"), "Mozilla"),
        (b"s" * 32, "demo", ip("203.0.113.9"), "Mozill"),
        (b"s" * 32, "demo4", ip("52.203.0.113"), "\x09Mozilla"),
        (b"s" * 32, "demo", ip("2001:db8::1"), "Mozilla"),
        (b"s" * 32, "demo", ip("2001:db8::2"), "Mozilla"),
    ]
    names = [visitor_id(*triple) for triple in triples]
    assert names == [visitor_id(*triple) for triple in triples]
    assert all(one != other for one, other in combinations(names, 2))
    assert all(len(name) == 32 for name in names)


def test_a_repeat_key_is_of_one_reader_and_article() -> None:
    """Salt, site, article, address and agent: each changes it, and parts cannot run into each other."""
    ip = ipaddress.ip_address
    parts = [
        (b"s" * 32, "demo", "/a", ip("203.0.113.9"), "Mozilla"),
        (b"t" * 32, "demo", "/a", ip("203.0.113.9"), "Mozilla"),
        (b"s" * 32, "other", "/a", ip("203.0.113.9"), "Mozilla"),
        (b"s" * 32, "demo", "/b", ip("203.0.113.9"), "Mozilla"),
        (b"s" * 32, "demo", "/a", ip("203.0.113.8"), "Mozilla"),
        (b"s" * 32, "demo", "/a", ip("203.0.113.9"), "Mozill"),
        (b"s" * 32, "dem", "o/a", ip("203.0.113.9"), "Mozilla"),
        (b"s" * 32, "demo", "/a4", ip("52.203.0.113"), "\x09Mozilla"),
        (b"s" * 32, "demo", "/a", ip("2001:db8::1"), "Mozilla"),
        (b"s" * 32, "demo", "/a", ip("2001:db8:0:1::1"), "Mozilla"),
    ]
    keys = [repeat_key(*one) for one in parts]
    assert keys == [repeat_key(*one) for one in parts]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)


def test_an_ipv6_reader_is_a_network_of_64_bits() -> None:
    """The rest of the address changes by itself (RFC 8981), and is the client's to choose."""
    keys = {
        repeat_key(b"s" * 32, "demo", "/a", ipaddress.ip_address(one), "Mozilla")
        for one in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8::8000:0:0:1")
    }
    assert len(keys) == 1


def test_a_repeat_key_says_nothing_of_a_visitor_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if both were hashed of the same parts and in the same length: each has a purpose of its own."""
    hashed = readers._hashed

    def alike(salt: bytes, purpose: bytes, _size: int, *_parts: bytes) -> str:
        return hashed(salt, purpose, 16, b"the same parts")

    monkeypatch.setattr(readers, "_hashed", alike)
    address = ipaddress.ip_address("203.0.113.9")
    visitor = visitor_id(b"s" * 32, "demo", address, "Mozilla")
    assert repeat_key(b"s" * 32, "demo", "/a", address, "Mozilla") != visitor


def test_visitor_ids_stay_what_they_were() -> None:
    """Over an upgrade in the middle of a day."""
    address = ipaddress.ip_address("203.0.113.9")
    assert visitor_id(b"s" * 32, "demo", address, "Mozilla") == "0c4f570fd6db24c4851c6a3e61d201c1"
