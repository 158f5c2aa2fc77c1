"""What faults make of a line's ticks on their way out: ticks that are missing, delayed, marked as none, or absurd."""

from collections.abc import Callable, Iterable, Iterator

from simulator.gateway.faults import Active
from simulator.gateway.lines import Line, Tick
from simulator.gateway.protocol import UNSET

KINDS = frozenset({
    "unknown-tick", "empty-field", "10090", "10091", "closed", "no-greeks", "late-greeks", "sentinels", "nan",
    "infinity", "unset", "x100", "negative",
})  # fmt: skip
"""Faults that change ticks: whatever was told is told again when one begins or ends."""

_PRICE, _SIZE, _COMPUTATION = 1, 2, 21
_BID_ASK, _LAST, _CLOSE = (1, 2), 4, 9
_BID_ASK_SIZES = (0, 3)
_MODEL = 13
_NONE = (-1.0, -2.0, -1.0, -1.0, -2.0, -2.0, -2.0, -1.0)  # of a computation, field by field
_DELAYED_PRICES = {1: 66, 2: 67, 4: 68, 6: 72, 7: 73, 9: 75, 14: 76}
_DELAYED_SIZES = {0: 69, 3: 70, 5: 71, 8: 74}
_DELAYED_COMPUTATIONS = {10: 80, 11: 81, 12: 82, 13: 83}
_DELAYED_TIME = 88
_TEXTS: dict[str, object] = {"nan": "NaN", "infinity": "Infinity", "unset": UNSET}


def distorted(ticks: Iterable[Tick], line: Line, active: Active, now: float, moment: float) -> Iterator[Tick]:
    """The ticks as they leave.

    Args:
        now: steady clock, seconds; `moment`: epoch seconds.
    """
    is_news = False
    for tick in ticks:
        for changed in _closed(tick, line, active):
            if changed[0] == _COMPUTATION and _is_withheld(line, active, now):
                line.sent.pop((_COMPUTATION, int(str(changed[2]))), None)
                continue
            is_news = True
            spoilt = _spoilt(changed, line.symbol, active)
            yield _delayed(spoilt, line) if line.is_delayed else spoilt
    if is_news and line.is_delayed:
        yield 46, 6, line.req_id, _DELAYED_TIME, str(int(moment) - 900)
    if is_news and active.on("unknown-tick"):
        yield _PRICE, 6, line.req_id, int(active.number("unknown-tick", 999)), 1.5, 0, 0


def _is_withheld(line: Line, active: Active, now: float) -> bool:
    wait = active.number("late-greeks", 0.0)
    return active.on("no-greeks", line.symbol) or now < line.since + wait


def _closed(tick: Tick, line: Line, active: Active) -> Iterator[Tick]:
    """After hours: bid and ask -1 of size 0 and the close; an option's is what it was worth when asked for."""
    if not active.on("closed", line.symbol):
        yield tick
        return
    head, kind = tick[0], tick[3] if tick[0] != _COMPUTATION else tick[2]
    if head == _PRICE and kind in _BID_ASK:
        yield *tick[:4], -1.0, 0, 0
    elif head == _SIZE and kind in _BID_ASK_SIZES:
        yield *tick[:4], 0
    elif head == _PRICE and kind == _CLOSE:
        yield tick
    elif head == _COMPUTATION and kind == _MODEL and (_PRICE, _CLOSE) not in line.sent:
        line.sent[_PRICE, _CLOSE] = tick[6]
        yield _PRICE, 6, line.req_id, _CLOSE, round(float(str(tick[6])), 2), 0, 0


def _spoilt(tick: Tick, symbol: str, active: Active) -> Tick:
    if not active:
        return tick
    if tick[0] == _PRICE:
        return _absurd(tick, (4,), symbol, active)
    if tick[0] != _COMPUTATION:
        return tick
    if active.on("sentinels", symbol):
        tick = (*tick[:4], *_NONE)
    if active.on("10090", symbol) or active.on("10091", symbol):
        tick = (*tick[:11], -1.0)
    if active.on("empty-field", symbol):
        tick = (*tick[:5], "", *tick[6:])
    return _absurd(tick, range(4, 12), symbol, active)


def _absurd(tick: Tick, places: Iterable[int], symbol: str, active: Active) -> Tick:
    """The tick with the numbers at `places` replaced; times 100 and negative are for prices and volatilities."""
    for kind, text in _TEXTS.items():
        if active.on(kind, symbol):
            return _with(tick, places, lambda _, text=text: text)  # type: ignore[misc]
    prices = (4,) if tick[0] == _PRICE else (6, 11)
    if active.on("x100", symbol):
        return _with(tick, prices, lambda value: round(100 * value, 6))
    if active.on("negative", symbol):
        return _with(tick, prices if tick[0] == _PRICE else (4, 6), lambda value: -abs(value))
    return tick


def _with(tick: Tick, places: Iterable[int], change: Callable[[float], object]) -> Tick:
    wanted = set(places)
    return tuple(
        change(float(str(value))) if i in wanted and value != "" else value for i, value in enumerate(tick)
    )


def _delayed(tick: Tick, line: Line) -> Tick:
    """The tick under its delayed type; options have no delayed bid and ask."""
    if tick[0] == _COMPUTATION:
        return (*tick[:2], _DELAYED_COMPUTATIONS[int(str(tick[2]))], *tick[3:])
    names = {_PRICE: _DELAYED_PRICES, _SIZE: _DELAYED_SIZES}.get(int(str(tick[0])), {})
    kind = int(str(tick[3]))
    if line.instrument.is_option and tick[0] == _PRICE and kind in _BID_ASK:
        tick = (*tick[:4], -1.0, 0, 0)
    return (*tick[:3], names.get(kind, kind), *tick[4:])
