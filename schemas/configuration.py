"""Reading ranker.toml and the variables that hold a secret for each site: one form for all that read them."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import schemas
from schemas import article_id
from schemas.article_id import IdRule
from schemas.origins import OriginError, sent_host, sent_origin

_SITE = re.compile(r"[a-z0-9._-]{1,64}")
_SECRET = re.compile(r"[A-Za-z0-9._~+/-]{16,256}=*")


PRESETS = {"press": "drop", "none": "count"}
"""Value of rules.preset to what becomes of the events that each of `RULES` is about, if no key says it."""
RULES = ("duplicate", "bots", "internal", "repeat")

RISING_GRAIN_S = 60
"""Of a window that only a rising board needs."""
_DURATION = re.compile(r"([1-9][0-9]{0,3})([mhd])", re.ASCII)
_UNIT_S = {"m": 60, "h": 3_600, "d": 86_400}


class SettingsError(ValueError):
    """The settings cannot be used. `faults` has one sentence per fault, the message all of them."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        head = "the settings have a fault:" if len(faults) == 1 else f"the settings have {len(faults)} faults:"
        super().__init__("\n".join([head, *(f"  - {fault}" for fault in faults)]))


def table(path: str | None, preset: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """The table in the file at `path`, with the schema's default for each absent key, and its faults.

    A `preset` takes the place of the file's own, and of its keys that override one.
    The schema is schemas/ranker.schema.json; a table with faults is as it was found.
    Each fault is a sentence that names the file, the place and the fix.
    """
    if path is None:
        return filled(_with_preset({}, preset)), []
    try:
        found = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        return {}, [f"{path}: cannot be read ({error.strerror}); give --config or RANKER_CONFIG a file that can"]
    except UnicodeDecodeError:
        return {}, [f"{path}: is not UTF-8 text; save it as UTF-8"]
    except tomllib.TOMLDecodeError as error:
        return {}, [f"{path}: is not TOML ({error}); see https://toml.io"]
    from jsonschema import Draft202012Validator  # 60 ms that a run without a file need not pay

    errors = Draft202012Validator(schemas.load("ranker")).iter_errors(found)
    faults = sorted(f"{path}: {_sentence(error)}" for error in errors)
    faults += (f"{path}: {place}: is no number that can be compared; write a finite one" for place in _endless(found))
    if faults:
        return found, faults
    table = filled(_with_preset(found, preset))
    for name, site in table["sites"].items():
        for key, form in (("origins", sent_origin), ("cors", sent_origin), ("hosts", sent_host)):
            site[key], wrong = _as_sent(site[key], form)
            faults += (f"{path}: sites.{name}.{key}: {fault}" for fault in wrong)
        if "goatcounter" in site["beacons"]:
            try:
                site["beacons"]["goatcounter"] = sent_host(site["beacons"]["goatcounter"])
            except OriginError as error:
                faults.append(f"{path}: sites.{name}.beacons.goatcounter: {site['beacons']['goatcounter']!r} {error}")
        if fault := article_id.source_fault(site["ids"]["from"]):
            faults.append(f"{path}: sites.{name}.ids.from: {fault}")
    return table, faults


def _endless(value: Any, place: str = "") -> Iterator[str]:
    """Where TOML's nan or inf stands, which no bound of the schema refuses."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _endless(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, float) and not math.isfinite(value):
        yield place


def _with_preset(table: dict[str, Any], preset: str | None) -> dict[str, Any]:
    if preset is None:
        return table
    kept = {key: value for key, value in table.get("rules", {}).items() if key not in RULES}
    return table | {"rules": kept | {"preset": preset}}


def _with_source_preset(source: dict[str, Any]) -> dict[str, Any]:
    """Own keys in the place of the preset's, within fields, constants and event_types each by itself."""
    preset = schemas.source_presets()[source["preset"]]
    inner = {key: value | source.get(key, {}) for key, value in preset.items() if isinstance(value, dict)}
    return preset | source | inner


def _as_sent(given: list[str], form: Callable[[str], str]) -> tuple[list[str], list[str]]:
    """Origins or hosts as browsers send them, and the faults of the others; * stays."""
    found, faults = [], []
    for one in given:
        try:
            found.append(one if one == "*" else form(one))
        except OriginError as error:
            faults.append(f"{one!r} {error}")
    return found, faults


def filled(table: dict[str, Any]) -> dict[str, Any]:
    """A valid `table` with the schema's default for each absent key; what has no default stays absent."""
    rules = table.get("rules", {})
    if "preset" in rules:
        table = table | {"rules": dict.fromkeys(RULES, PRESETS[rules["preset"]]) | rules}
    if "preset" in table.get("source", {}):
        table = table | {"source": _with_source_preset(table["source"])}
    whole: dict[str, Any] = _filled(schemas.load("ranker"), table)
    return whole


def needs_readers(table: Mapping[str, Any]) -> bool:
    """Whether a rule of a valid `table` with its defaults needs to know the reader: then senders give a repeat_key."""
    return bool(table["rules"]["repeat"] == "drop")


def id_rules(table: Mapping[str, Any]) -> dict[str, IdRule]:
    """Site to its rule for article ids, out of a valid `table` with its defaults."""
    return {name: IdRule.from_table(site["ids"]) for name, site in table["sites"].items()}


def rising_windows(table: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The windows that rising boards of a valid `table` need and [windows] lacks: name to length_s and grain_s.

    A name that is no duration adds none.
    """
    names = [board[key] for board in table.get("rising", {}).values() for key in ("recent", "before")]
    found = {name: _DURATION.fullmatch(name) for name in names if name not in table["windows"]}
    return {
        name: {"length_s": int(length[1]) * _UNIT_S[length[2]], "grain_s": RISING_GRAIN_S}
        for name, length in found.items()
        if length is not None
    }


def longest_window_ms(table: Mapping[str, Any]) -> int:
    """How far back the lists of a valid `table` with its defaults reach."""
    return 1000 * max(int(window["length_s"]) for window in table["windows"].values())


def _filled(schema: dict[str, Any], value: Any) -> Any:
    if isinstance(value, float) and schema.get("type") == "integer":
        return int(value)  # 1e6: by the schema an integer, and no other generation than 1000000
    if not isinstance(value, dict):
        return value
    known, other = schema.get("properties", {}), schema.get("additionalProperties") or {}
    absent = {key: about["default"] for key, about in known.items() if "default" in about}
    return {key: _filled(known.get(key, other), inner) for key, inner in (absent | value).items()}


def secrets(variable: str, text: str) -> tuple[dict[str, str], list[str]]:
    """Site to secret out of site=secret,… or, after @, a file with one on each line; and every fault, never a secret.

    `variable` is the name under which the faults speak of it.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return {}, [f"{variable}: {text[1:]} cannot be read ({error}); give @ and the path of a file that can"]
    found, faults = {}, []
    for number, pair in enumerate(filter(None, map(str.strip, re.split(r"[,\n]", text))), 1):
        site, _, secret = pair.partition("=")
        if _SITE.fullmatch(site) and _SECRET.fullmatch(secret):
            found[site] = secret
        else:
            faults.append(f"{variable}: entry {number} is not site=secret, with 16 to 256 of A-Z a-z 0-9 . _ ~ + / -")
    return found, faults


def _sentence(error: Any) -> str:
    """A fault of the schema as place, what is wrong, and what would be right."""
    place = ".".join(str(step) for step in error.absolute_path)
    about = error.schema.get("description", "")
    meant = f"; {about[0].lower()}{about[1:]}" if about else ""
    if error.validator == "additionalProperties":
        known = sorted(error.schema["properties"])
        unknown = sorted(set(error.instance) - set(known))
        guesses = [guess for name in unknown for guess in difflib.get_close_matches(name, known, n=1)]
        fix = f"did you mean {', '.join(guesses)}?" if guesses else f"known here: {', '.join(known)}"
        return f"{place + ': ' if place else ''}unknown key {', '.join(unknown)}; {fix}"
    if error.validator == "pattern":
        return f"{place}: {error.instance!r} is not allowed; it must match {error.validator_value}{meant}"
    if error.validator == "required":
        return f"{place}: {error.message}; it has no default, so add it"
    return f"{place}: {error.message}{meant}"
