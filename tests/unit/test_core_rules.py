"""Which rule drops an event, by what the log has before it; and what a configuration makes of its rules."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins

from ranker import settings
from ranker.core.fold import Fold
from ranker.core.generation import FUTURE_MS, Generation, decode
from ranker.core.key_set import keys_of
from ranker.core.memory import Memory, MemoryChange
from ranker.core.partial_counts import PartialCounts
from ranker.core.rules import BOT, DUPLICATE, INTERNAL, REPEAT, Judge, Rules, in_force, memory_rules
from schemas import configuration
from schemas.configuration import SettingsError
from tests.support.raw_records import HOUR_MS, NOW_MS, Given, event, generation

ALL = Rules("duplicate@1", "internal@1", "unique_item@counter-5.1", ("view",), HOUR_MS, HOUR_MS, 1_000_000)
PRESS = {"rules": ALL, "bots": "drop"}


def outcomes(*values: bytes, **changes: Any) -> list[str]:
    """What each of these records counts as, folded together; "-" if it is rejected, late or future."""
    by = generation(**PRESS | changes)
    fold, rules = Fold(by), memory_rules(by)
    memory = None if rules is None else Memory(rules)
    found = []
    for offset, value in enumerate(values):
        partial = fold([Given(offset, NOW_MS, b"demo/a", value)], memory)
        found.append(next((outcome for _, _, outcome in partial.counts), "-"))
    return found


def folded(by: Generation, memory: Memory, *values: bytes) -> tuple[PartialCounts, MemoryChange]:
    partial = Fold(by)([Given(offset, NOW_MS, None, value) for offset, value in enumerate(values)], memory)
    assert partial.memory is not None
    return partial, partial.memory


def ids() -> Iterable[str]:
    return (f"e{number}" for number in itertools.count())


def views(*changes: dict[str, Any]) -> list[bytes]:
    """Events with ids of their own, unless they have one."""
    return [event(**{"event_id": name} | some) for name, some in zip(ids(), changes, strict=False)]


OTHERS: list[dict[str, Any]] = [
    {"site_id": "other"},
    {"article_id": "b"},
    {"event_type": "share"},
    {"occurred_at": NOW_MS - HOUR_MS},
]


def test_an_event_sent_again_is_a_duplicate() -> None:
    """In the same partition, with the same site, article, event type, event_id and clock hour; of no other field."""
    again = event(occurred_at=NOW_MS - 1_000, value=5, agent_class="person", visitor_id="somebody")
    assert outcomes(event(), event(), again) == ["view", DUPLICATE, DUPLICATE]
    for other in (*OTHERS, {"event_id": "e2"}):
        assert outcomes(event(), event(**other)) == ["view", other.get("event_type", "view")], other


def test_a_reader_counts_once_in_a_clock_hour() -> None:
    """For a site, an article and an event type; two views across the hour's edge are two."""
    once = {"repeat_key": "r"}
    assert outcomes(*views(once, once | {"occurred_at": NOW_MS - 1_000}, once)) == ["view", REPEAT, REPEAT]
    for other in (*OTHERS, {"repeat_key": "s"}):
        assert REPEAT not in outcomes(*views(once, once | other)), other
    edge = NOW_MS // HOUR_MS * HOUR_MS
    assert outcomes(*views(once | {"occurred_at": edge - 1}, once | {"occurred_at": edge})) == ["view", "view"]


def test_without_a_reader_nothing_is_a_repeat() -> None:
    for nobody in ({}, {"repeat_key": None}, {"repeat_key": ""}, {"visitor_id": ""}, {"visitor_id": None}):
        assert outcomes(*views(nobody, nobody)) == ["view", "view"]


def test_repeat_key_goes_before_visitor_id() -> None:
    same, other = {"visitor_id": "v", "repeat_key": "r"}, {"visitor_id": "v", "repeat_key": "s"}
    assert outcomes(*views(same, other)) == ["view", "view"]
    assert outcomes(*views(same, {"repeat_key": "r", "visitor_id": "w"})) == ["view", REPEAT]
    assert outcomes(*views({"visitor_id": "v"}, {"visitor_id": "v", "repeat_key": ""})) == ["view", REPEAT]


def test_only_types_that_the_rule_names_can_be_repeats() -> None:
    shares = [{"event_type": "share", "repeat_key": "r"}] * 2
    assert outcomes(*views(*shares)) == ["share", "share"]
    both = Rules("", "", "repeat@1", ("share", "view"), HOUR_MS, HOUR_MS, 1_000)
    assert outcomes(*views(*shares, {"repeat_key": "r"}), rules=both) == ["share", REPEAT, "view"]


@pytest.mark.parametrize("value", [-1, 2, 1000])
def test_only_a_value_of_one_can_be_a_repeat_or_make_one(value: int) -> None:
    """Corrections and sums of an hour are no reader's second view."""
    once, more = {"repeat_key": "r"}, {"repeat_key": "r", "value": value}
    assert outcomes(*views(more, once, more, once)) == ["view", "view", "view", REPEAT]


def test_bots_and_internal_events_need_no_memory() -> None:
    """Whatever their hour: they are dropped if no rule with a memory looks at them any more."""
    bot, internal = {"agent_class": "bot"}, {"agent_class": "internal"}
    assert outcomes(*views(bot, internal, {"agent_class": "person"})) == [BOT, INTERNAL, "view"]
    old = {"occurred_at": NOW_MS - 5 * HOUR_MS}
    assert outcomes(*views({}, old | bot, old | internal, old)) == ["view", BOT, INTERNAL, "view"]
    no_memory = Rules(internal="internal@1")
    assert outcomes(event(**internal), event(**internal), rules=no_memory, bots="count") == [INTERNAL] * 2
    assert outcomes(event(**bot), event(**bot | {"event_id": "e2"}), bots="count") == ["view", "view"]
    assert outcomes(event(**internal), rules=Rules("duplicate@1", per_ms=HOUR_MS, max_keys=9)) == ["view"]


def test_the_order_is_duplicate_bot_internal_repeat() -> None:
    """An event that two rules would drop counts under the first."""
    once = event(repeat_key="r")
    for agent_class, outcome in (("bot", BOT), ("internal", INTERNAL)):
        some = event(agent_class=agent_class, repeat_key="r", event_id="e2")
        assert outcomes(once, some, some) == ["view", outcome, DUPLICATE]
    assert outcomes(once, once, event(repeat_key="r", event_id="e3")) == ["view", DUPLICATE, REPEAT]


def test_an_event_that_is_dropped_is_remembered_by_its_id_alone() -> None:
    """A bot's event sent again is a duplicate; it is no reader's first view."""
    for agent_class, outcome in (("bot", BOT), ("internal", INTERNAL)):
        dropped = event(agent_class=agent_class, repeat_key="r")
        person = [event(event_id=name, repeat_key="r") for name in ("e2", "e3")]
        assert outcomes(dropped, event(agent_class="person"), *person) == [outcome, DUPLICATE, "view", REPEAT]
    twice = event(event_id="e2", repeat_key="r")
    assert outcomes(event(repeat_key="r"), twice, twice) == ["view", REPEAT, DUPLICATE]


def test_what_is_not_counted_is_no_earlier_event() -> None:
    """Late, future and rejected events: the next one that counts is the first. A late one moves the time, though."""
    week = 7 * 24 * HOUR_MS
    late, future = NOW_MS - week - 2 * HOUR_MS, NOW_MS + FUTURE_MS + 1
    for lost in ({"occurred_at": future}, {"value": 0}, {"article_id": "a b"}):
        assert outcomes(event(**lost), event(occurred_at=future - 1), event()) == ["-", "view", DUPLICATE]
    assert outcomes(event(occurred_at=late), event(occurred_at=late)) == ["-", "-"]
    by = generation(**PRESS)
    memory = Memory(ALL)
    partial, change = folded(by, memory, event(occurred_at=late))
    assert (partial.late, change.size, change.latest_ms) == (1, 0, late)
    for lost in ({"occurred_at": future}, {"value": 0}):
        assert folded(by, memory, event(**lost))[1].latest_ms == late


def test_settled_events_count_and_are_counted_as_such() -> None:
    old = event(occurred_at=NOW_MS - 3 * HOUR_MS, repeat_key="r")
    partial, change = folded(generation(**PRESS), Memory(ALL), event(), old, old)
    assert sum(sum(articles.values()) for articles in partial.counts.values()) == 3
    assert (change.settled, change.size) == (2, 1)


def test_keys_tell_fields_and_generations_apart() -> None:
    """8 bytes of every field; what ends one field never begins the next; an event_id may be any text."""
    strange = ["reader r", "event r", "\0", "a\0b", "\ud7ff", "💥" * 64, "x" * 128]
    some = [event(event_id=name) for name in strange]
    some += [event(event_id=f"e{number}", repeat_key=name) for number, name in enumerate(strange)]
    some += [
        event(event_id="e", site_id=site, article_id=article)
        for site, article in (("ab", "c"), ("a", "bc"), ("abc", "x"))
    ]
    keys = set[bytes]()
    for by in (generation(**PRESS), generation(**PRESS, epoch=1)):
        _, change = folded(by, Memory(ALL), *some)
        found = [key for keys in change.keys.values() for key in keys_of(bytes(keys))]
        assert len(found) == len(set(found)) == len(strange) * 3 + 3
        assert {len(key) for key in found} == {8}
        assert not keys & set(found)
        keys |= set(found)


def test_without_a_memory_no_rule_needs_one() -> None:
    """A judge of a generation with rules, given none: bots and internal alone."""
    by = generation(**PRESS)
    partial = Fold(by)([Given(n, NOW_MS, None, event(agent_class="bot" if n else "person")) for n in range(3)])
    assert partial.memory is None
    assert {outcome: sum(a.values()) for (_, _, outcome), a in partial.counts.items()} == {"view": 1, BOT: 2}
    assert Judge(by)._duplicate


# configuration


def load(folder: Path, text: str) -> settings.Settings:
    file = folder / "ranker.toml"
    file.write_text(text, "utf-8")
    return settings.load(str(file), {})


UNIQUE = "unique_item@counter-5.1"
NAMES = [
    ("", ("bots@1",)),
    ("[rules]", ("bots@1",)),
    ('[rules]\npreset = "press"', ("duplicate@1", "bots@1", "internal@1", UNIQUE)),
    ('[rules]\npreset = "none"', ()),
    ('[rules]\npreset = "press"\nrepeat = "count"', ("duplicate@1", "bots@1", "internal@1")),
    ('[rules]\npreset = "press"\nduplicate = "count"\nbots = "count"\ninternal = "count"', (UNIQUE,)),
    ('[rules]\npreset = "none"\nbots = "drop"\nrepeat = "drop"', ("bots@1", UNIQUE)),
    ('[rules]\nduplicate = "drop"', ("duplicate@1", "bots@1")),
    ('[rules]\ninternal = "drop"\nbots = "count"', ("internal@1",)),
    ('[rules]\nrepeat = "drop"\nrepeat_per_s = 1800', ("bots@1", "repeat-1800s@1")),
    ('[rules]\npreset = "press"\nrepeat_per_s = 86400', ("duplicate@1", "bots@1", "internal@1", "repeat-86400s@1")),
]


@pytest.mark.parametrize(("text", "names"), NAMES)
def test_names_of_the_rules_in_force(text: str, names: tuple[str, ...], tmp_path: Path) -> None:
    """A preset sets all four, single keys override it; a clock hour is the published rule, other values are ours."""
    found = load(tmp_path, text)
    assert in_force(found.generation) == names
    assert decode(found.generation.canonical()) == found.generation
    table, _ = configuration.table(str(tmp_path / "ranker.toml"))
    assert configuration.needs_readers(table) is any(name.startswith(("unique", "repeat")) for name in names)


UNCHANGED = [
    "",
    "[rules]",
    '[rules]\nbots = "drop"',
    '[rules]\ninternal_networks = ["192.0.2.0/24"]',
    '[rules]\nrepeat_per_s = 60\ngrace_s = 300\nmax_keys = 1000\nrepeat_types = ["share"]',
    '[rules]\nduplicate = "count"\nrepeat = "count"\ninternal = "count"',
    '[rules]\npreset = "none"\nbots = "drop"',
]


@pytest.mark.parametrize("text", UNCHANGED)
def test_a_configuration_whose_rules_do_nothing_more_is_the_generation_it_was(text: str, tmp_path: Path) -> None:
    """Nobody's lists are counted again for rules that are not in force, nor for what they would go by."""
    found = load(tmp_path, text).generation
    assert found.id == "56df024b309b"
    assert b'"rules"' not in found.canonical()
    assert (memory_rules(found), in_force(found)) == (None, ("bots@1",))


PARTS = (
    'duplicate = "count"', 'bots = "count"', 'internal = "count"', 'repeat = "count"', "repeat_per_s = 1800",
    'repeat_types = ["share"]', 'repeat_types = ["share", "view"]', "grace_s = 7200", "max_keys = 1000",
    'unknown_sites = "reject"\n[sites.demo]',
)  # fmt: skip


def test_all_that_decides_what_is_dropped_is_in_the_hash(tmp_path: Path) -> None:
    """Each makes another generation; whose networks are internal makes none, nor does the order of types."""
    press = '[rules]\npreset = "press"\n'
    made = [load(tmp_path, press + part).generation.id for part in ("", *PARTS)]
    assert len({*made, "56df024b309b"}) == len(PARTS) + 2
    assert load(tmp_path, press + 'internal_networks = ["10.0.0.0/8"]').generation.id == made[0]
    assert load(tmp_path, press + 'repeat_types = ["view", "share"]').generation.id == made[7]
    apart = [f"{key} = {json.dumps('drop')}" for key in ("duplicate", "bots", "internal", "repeat")]
    assert load(tmp_path, "[rules]\n" + "\n".join(apart)).generation.id == made[0]


def test_without_repeat_its_values_decide_nothing(tmp_path: Path) -> None:
    """`duplicate` alone goes by the clock hour."""
    alone = '[rules]\nduplicate = "drop"\n'
    found = load(tmp_path, alone).generation
    assert found.rules == Rules("duplicate@1", per_ms=HOUR_MS, grace_ms=HOUR_MS, max_keys=20_000_000)
    for value in ("repeat_per_s = 60", 'repeat_types = ["share"]'):
        assert load(tmp_path, alone + value).generation.id == found.id
    internal = load(tmp_path, '[rules]\ninternal = "drop"\ngrace_s = 300\nmax_keys = 1000').generation
    assert internal.rules == Rules(internal="internal@1")
    assert memory_rules(internal) is None


def test_whole_numbers_with_a_point_are_the_same_numbers(tmp_path: Path) -> None:
    """1e6 is how one writes a million: the store's form of the generation has no such number."""
    text = '[rules]\npreset = "press"\nmax_keys = {}\nrepeat_per_s = {}\n[windows.hour]\nlength_s = {}\ngrain_s = 60'
    found = load(tmp_path, text.format("1e6", "1800.0", "3600.0")).generation
    assert found == load(tmp_path, text.format(1_000_000, 1800, 3600)).generation
    assert decode(json.dumps(to_builtins(found)).encode()) == found


SOURCE = '[source]\nfields = { article_id = "path" }\nconstants = { site_id = "demo", event_type = "view" }\n'


@pytest.mark.parametrize(("rule", "needed"), [("duplicate", True), ("repeat", True), ("internal", False)])
def test_a_foreign_topic_has_to_say_what_it_is_keyed_by(rule: str, needed: bool, tmp_path: Path) -> None:
    """Rules with a memory see one partition only. Saying it changes no count, so no generation."""
    text = f'[rules]\n{rule} = "drop"\n{SOURCE}'
    if needed:
        with pytest.raises(SettingsError, match=r'source\.keys: .*write keys = "article" if .*, or "other" to accept'):
            load(tmp_path, text)
    made = {load(tmp_path, f'{text}keys = "{keys}"\n').generation.id for keys in ("article", "other")}
    assert len(made) == 1
    assert isinstance(load(tmp_path, SOURCE).generation, Generation), "without such rules nothing has to be said"
