"""The one form of each analytics' id of a site, in ranker.toml as in beacons."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def matomo(text: str) -> str:
    """Its number, without leading zeros."""
    return str(int(text)) if text.isascii() and text.isdecimal() and len(text) <= 10 else text


def plausible(text: str) -> str:
    """Its domain, without www., as Plausible compares them."""
    return text.strip().lower().removeprefix("www.")


def umami(text: str) -> str:
    """Its UUID."""
    return text.lower()


def goatcounter(text: str) -> str:
    """The host that its script sends to."""
    return text.lower()


FORMS: Mapping[str, Callable[[str], str]] = {
    "matomo": matomo,
    "plausible": plausible,
    "umami": umami,
    "goatcounter": goatcounter,
}
