"""Values of records in every odd form that JSON allows or almost allows, of our topic and of foreign ones."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

LAST_MS = 4_102_444_800_000
OURS = {
    "event_id": "e1",
    "event_type": "view",
    "site_id": "demo",
    "article_id": "/a",
    "occurred_at": 1_700_000_000_000,
    "visitor_id": "v",
    "repeat_key": "k",
    "agent_class": "bot",
    "value": 2,
    "producer_id": "p/1",
    "sequence": 7,
}
_REQUIRED = ("event_id", "event_type", "site_id", "article_id", "occurred_at")
_NUMBERS = (
    *[
        "1",
        "-1",
        "0",
        "-0",
        "1.0",
        "-0.0",
        "0.0",
        "-0e0",
        "1e0",
        "1E2",
        "1e1",
        "10e-1",
        "1e400",
        "-1e400",
        "1e-400",
        "01",
        "1.",
        "+1",
        ".5",
        "-",
        "1.5",
        "1000",
        "1001",
        "-1000",
        "-1001",
    ],
    *[
        "1700000000000.0",
        "1.7e12",
        "1700000000000",
        "4102444800000",
        "4102444800001",
        "-1700",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
    ],
    *(f"{sign}{2**bits + more}" for sign in ("", "-") for bits in (53, 63, 64) for more in (-1, 0, 1)),
    *("9" * 300, "9" * 4300, "9" * 4301, "-" + "9" * 4301, "9" * 4301 + ".5", "9" * 5000 + "e2", "1." + "9" * 5000),
)
_TEXTS = (
    *(
        '"\\ud800"',
        '"\\ud800x"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\uD83D\\uDE00"',
        '"\\ud83dx\\ude00"',
        '"\\ud83d\\u0041"',
    ),
    *('"\\uDBFF"', '"\\u0000"', '"a\\u0000b"', '"\\x"', '"\\u12"', '"\\u12g4"', '"\t"', '"\n"', '"\x00"', '"\x1f"'),
    *('"\x7f"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"é"', '"\\u00e9"', '""', '"x"', '"view"', '"demo"', '"bot"', '"Person"'),
    *(f'"{"x" * length}"' for length in (32, 33, 64, 65, 128, 129, 512, 513)),
    *('"%s"' % ("\\u0041" * 128), f'"{"😀" * 128}"', f'"{"😀" * 129}"', f'"{"é" * 256}"', f'"{"é" * 257}"'),
)
_OTHERS = (
    *("null", "true", "false", "nul", "tru", "[]", "[1,]", "[,]", "{}", '{"a":1}', '{"a":1,}', '{"event_id":5}'),
    *('{"a":"\\ud800"}', '{"\\ud800":1}', '["\\ud800"]', '["\\udfff\\ud800"]', '["\\ud83d","\\ude00"]', "[NaN]"),
    *("[[[[]]]]", '"a', "'a'", '""""', "[1 2]", '{"a" 1}', "{a:1}", "/**/1", "\x0b1", "\xa01", "\ufeff1"),
    *("[" * depth + "]" * depth for depth in (200, 5_000, 200_000)),
)
RAW = (*_NUMBERS, *_TEXTS, *_OTHERS)
"""What stands where a value of JSON is expected."""
_BYTES = (
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xed\xb2\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe2\x82", b"\x80"),
    *(b"\xf0\x9f\x98", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\xff\\ud800", b"\\ud800\xff", b"\\ude00\xff"),
)
_KEYS = (
    *(*OURS, "x", "", "value ", "\\u0078", "event\\u005fid", "even\\u0074_id", "site\\u005fid", "valu\\u0065"),
    *("\\ud800", "\\udc00\\ud800", "\\/", "article_i\\u0064", "event_id\\u0000"),
)


def value(rng: random.Random) -> bytes:
    """An event of ours with fields that are odd, absent, twice, in another order, or with bytes that are altered."""
    items = [(name, json.dumps(each)) for name, each in OURS.items()]
    if rng.random() < 0.3:
        items = [item for item in items if item[0] in _REQUIRED or rng.random() < 0.5]
    if rng.random() < 0.3:
        rng.shuffle(items)
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3))):
        name = rng.choice(_KEYS)
        each = rng.choice(RAW) if rng.random() < 0.8 else json.dumps(rng.choice(list(OURS.values())))
        stands = [number for number, item in enumerate(items) if item[0] == name]
        if stands and rng.random() < 0.5:
            items[stands[0]] = name, each
        else:
            items.insert(rng.randint(0, len(items)), (name, each))
    body = rng.choice((",", ", ", " ,\n", "\t,\r\n")).join(f'"{name}":{each}' for name, each in items)
    before, after = rng.choice(("", "", " ", "\n")), rng.choice(("", "", "", " ", "\n", "x", "\0", "{}", ",", "\xa0"))
    return altered(rng, f"{before}{{{body}}}{after}".encode("utf-8", "surrogatepass"), 0.25)


def altered(rng: random.Random, whole: bytes, share: float) -> bytes:
    """With bytes that are taken out, put in or exchanged, in a share of all."""
    if rng.random() >= share:
        return whole
    at = rng.randint(0, len(whole))
    one = bytes([rng.choice(b'"\\{}[]:,0-eE.u\0\x1f\t \xff')])
    begins, ends = whole[:at], whole[at:]
    return rng.choice((begins + rng.choice(_BYTES) + ends, begins + one + ends, begins + one + ends[1:], begins))


_THEIRS = ("value", "path", "ts", "Ünï", "with space", "user", "n", "cls", "e", "k", "s", "t")
_TYPES = ("Page View", "view"), ("click", "share"), ("view", "comment"), ("x", "Bad")
_IDS = (
    *("/a", "/a/", "https://x.fr/a/b/?id=7#f", "/%C3%A9", "//", "/a/../b", "/a?id=9", "/12/x", "plain", "/", "http://"),
    *(
        "/%ff",
        "/é",
        "e\u0301",
        "/e\u0301",
        "HTTPS://X/Y",
        "/a b",
        "/a%20b",
        "/?id=",
        "?id=3",
        "",
        "/\0",
        "/" + "a" * 600,
    ),
    *(17, -17, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 17.0, True, None),
)


def table(rng: random.Random) -> dict[str, Any]:
    """A ranker.toml with a [source]."""
    constants = {name: OURS[name] for name in ("site_id", "event_type") if rng.random() < 0.3}
    read = rng.sample(list(OURS), rng.randint(1, len(OURS)))
    types = dict(pair for pair in _TYPES if rng.random() < 0.5 and pair[0] != constants.get("event_type"))
    source = {
        "fields": dict(zip(read, rng.sample(_THEIRS, len(read)), strict=True)),
        "constants": constants,
        "event_types": types,
        "time": rng.choice(("ms", "us", "s", "rfc3339", "rfc3339")),
    }
    if rng.random() < 0.5:
        return {"source": source}
    ids = {"from": rng.choice(("path", "query:id", r"/(\d+)")), "trailing_slash": rng.choice(("strip", "keep"))}
    return {"source": {**source, "ids": "path"}, "sites": {"demo": {"ids": ids}} if rng.random() < 0.7 else {}}


def foreign(rng: random.Random, names: Mapping[str, str], unit: str) -> bytes:
    """A value of a topic that has these names for our fields."""
    items = [(theirs, their_value(rng, ours, unit)) for ours, theirs in names.items() if rng.random() < 0.98]
    if rng.random() < 0.3:
        ours = rng.choice(list(names))
        items.insert(rng.randint(0, len(items)), (names[ours], their_value(rng, ours, unit)))
    if rng.random() < 0.3:
        items.insert(rng.randint(0, len(items)), (rng.choice((*OURS, "zz")), rng.choice(RAW)))
    body = ",".join(f"{json.dumps(name, ensure_ascii=rng.random() < 0.5)}:{each}" for name, each in items)
    return altered(rng, f"{{{body}}}".encode("utf-8", "surrogatepass"), 0.1)


def their_value(rng: random.Random, ours: str, unit: str) -> str:
    if rng.random() < 0.02:
        return rng.choice(RAW)
    if ours == "occurred_at":
        return time(rng, unit)
    if ours == "article_id":
        return json.dumps(rng.choice(_IDS if rng.random() < 0.5 else ("/a", "b")))
    if ours == "event_type":
        return json.dumps(rng.choice(("view", "Page View", "click", "comment", "x")))
    return json.dumps(rng.choice(("demo", "demo", "it", 5)) if ours == "site_id" else OURS[ours])


def time(rng: random.Random, unit: str) -> str:
    """A time in the unit of a [source], mostly one that can be read, at every edge."""
    odd = rng.choice((0, 1, -1, LAST_MS, LAST_MS + 1, LAST_MS - 1, rng.randrange(-(10**12), LAST_MS + 10**12)))
    at_us = (odd if rng.random() < 0.5 else rng.randrange(LAST_MS)) * 1000 + rng.choice((0, 999, 500, -1, 1))
    digits = "".join(rng.choices("0123456789", k=rng.randint(1, 12)))
    if unit == "rfc3339":
        return json.dumps(_moment(rng, rng.choice(("", f".{digits}", f".{rng.choice(_FRACTIONS)}"))))
    if unit == "s":
        whole, rest = divmod(at_us, 10**6)
        exact, more = f"{whole}.{rest:06d}", rng.choice(("0", "4", "5", "9", "49999", "50000001", digits))
        edges = [
            "4102444800.0000001",
            "4102444800.0000005",
            "4102444800.000001",
            "-1e-9",
            "1e-7",
            "0.0004999999",
            "0.0009999995",
        ]
        return rng.choice((repr(at_us / 1e6), str(whole), exact, exact + more, f"{at_us}e-6", rng.choice(edges)))
    return str(at_us // 1000 if unit == "ms" else at_us) + rng.choice(("", "", "", ".0"))


_FRACTIONS = (
    *("9999999", "999999", "9999995", "9999994", "99999949", "0000005", "00000049", "0005", "0004999", "000499999"),
    *("0009995", "0009994999999", "0" * 20 + "1", "9" * 9, "9" * 30, ""),
)


def _moment(rng: random.Random, fraction: str) -> str:
    def often(usual: tuple[Any, ...], *rare: Any) -> Any:
        return rng.choice(usual) if rng.random() < 0.9 else rng.choice(rare)

    date = f"{often((1970, 2000, 2024, 2099, 2100), 1969, 0, 1, 9999):04}-{often((1, 2, 12), 0, 13):02}"
    day, hour = f"{often((1, 28, 31), 0, 29, 30, 32):02}", f"{often((0, 12, 23), 24):02}"
    clock = f"{hour}:{often((0, 30, 59), 60):02}:{often((0, 1, 59), 60):02}{fraction}"
    zone = often(("Z", "z", "+00:00", "-00:00", "+01:00", "-01:00", "+0100", "+23:59", "-23:59", "+14:00"), *_ZONES)
    return f"{date}-{day}{often(('T', 'T', 't', ' '), '_')}{clock}{zone}"


_ZONES = ("+24:00", "+14:60", "+01", "", "+1:00", " Z", "+01:00:00", "+0060", "-2359", "Zx", "Z ")
