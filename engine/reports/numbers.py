"""How a person reads a number: one place for signs, separators, compact units and the mark of the unknown.

Every function answers '?' for what is not a number (None, NaN, infinity) or can't be an amount (beyond
10^15, such as the broker's unset marker 1.797e308), and never writes a negative zero.
"""

import math

UNKNOWN = "?"

_UNITS = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "B"), (1e12, "T"))
_LARGEST = 1e15


def compact(value: float | None, *, short: bool = False) -> str:
    """A signed amount in at most seven characters: '-12.3k', '+950', '+1.2M', '-123k', '0', '?'.

    Args:
        value: any amount, in any unit.
        short: keep the decimal below 10 only ('-12k'), for narrow cells.
    """
    if value is None or not _is_amount(value):
        return UNKNOWN
    digits = _compact_digits(abs(value), one_decimal_below=10.0 if short else 100.0)
    return _signed(value, digits)


def percent(fraction: float | None, digits: int = 1, *, signed: bool = True) -> str:
    """A decimal fraction as a percentage: 0.053 -> '+5.3 %', 0 -> '0.0 %'."""
    if fraction is None or not _is_amount(fraction):
        return UNKNOWN
    return _signed(fraction, f"{abs(fraction) * 100:,.{digits}f}", plus=signed) + " %"


def shock(fraction: float) -> str:
    """A shock with no more decimals than it needs: '+5 %', '-12.5 %', '0 %'."""
    digits = next((digits for digits in (0, 1) if abs(fraction - round(fraction, digits + 2)) < 1e-9), 2)
    return percent(fraction, digits)


def amount(value: float | None, digits: int = 0, *, signed: bool = False) -> str:
    """A full amount with thousands separators: -12345.6 -> '-12,346'; with `signed`, gains get their '+'."""
    if value is None or not _is_amount(value):
        return UNKNOWN
    return _signed(value, f"{abs(value):,.{digits}f}", plus=signed)


def coefficient(value: float | None) -> str:
    """A correlation in at most four characters: '+.92', '-.05', '+1', '0', '?'. Only what is wholly so is '+1' or '-1'."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    hundredths = round(100.0 * abs(value))
    if hundredths >= 100 and abs(value) < 1.0 - 1e-9:
        hundredths = 99
    digits = "1" if hundredths >= 100 else f".{hundredths:02d}"
    return _signed(value, digits if hundredths else "0")


def and_more(count: int, shown: int) -> str:
    """What follows a list that shows the first of `count`: ' and 4 more', or nothing."""
    return f" and {count - shown} more" if count > shown else ""


def _is_amount(value: float) -> bool:
    return math.isfinite(value) and abs(value) < _LARGEST


def _compact_digits(size: float, one_decimal_below: float) -> str:
    """The digits and unit of a size; what rounds up to 1000 of a unit is 1.0 of the next."""
    text = ""
    for scale, unit in _UNITS:
        decimals = 1 if unit and round(size / scale, 1) < one_decimal_below else 0
        rounded = round(size / scale, decimals)
        text = f"{rounded:.{decimals}f}{unit}"
        if rounded < 1000:
            break
    return text


def _signed(value: float, digits: str, *, plus: bool = True) -> str:
    """The digits of |value| with its sign; zero, also one that rounding made, has none."""
    if not any(digit in digits for digit in "123456789"):
        return digits
    if value < 0:
        return "-" + digits
    return "+" + digits if plus else digits
