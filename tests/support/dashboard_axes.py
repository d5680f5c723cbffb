"""Numbers as Grafana shows them, and the marks of an axis."""

import math

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_THOUSANDS = ("", " K", " Mil", " Bil")
_SECONDS = ((86_400, " d"), (3_600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs"))
_A_SECOND = {"eps": " eps", "ops": " ops/s", "reqps": " req/s"}


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """`value` with its unit, short: 1.5 min, 12 MiB, 99.95%."""
    if unit == "percentunit":
        return f"{_digits(value * 100, decimals)}%"
    if unit == "s":
        size, name = next(((size, name) for size, name in _SECONDS if abs(value) >= size), (1, " s"))
        return _digits(value / size, decimals) + name
    step, names = (1024, _BINARY) if unit == "bytes" else (1000, _THOUSANDS)
    power = 0
    while abs(value) >= step and power < len(names) - 1 and unit != "none":
        value, power = value / step, power + 1
    number = _digits(value, decimals)
    return f"{number} {names[power]}" if unit == "bytes" else number + names[power] + _A_SECOND.get(unit, "")


def _digits(value: float, decimals: int | None) -> str:
    """Three digits that say something, without zeros at the end."""
    if decimals is None:
        decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{decimals}f}"


def marks(low: float, high: float, unit: str, at_most: int = 4) -> list[float]:
    """Numbers that are round in this unit and enclose low to high."""
    minute = next((size for size in (86_400, 3_600, 60) if high > size), 0)
    if unit == "s" and minute:
        return [number * minute for number in marks(low / minute, high / minute, "none", at_most)]
    steps = (1, 2, 3, 6, 10) if unit == "s" else (1, 2, 5, 10)
    if high <= low:
        high = low + 1
    raw = (high - low) / at_most
    if unit == "bytes":
        step = 2.0 ** math.ceil(math.log2(raw))
    else:
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(one * power for one in steps if one * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
