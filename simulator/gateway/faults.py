"""What can go wrong at the gateway: the kinds of fault, how the command line names them, and which are on now.

A fault is written `KIND=ARGUMENT@WHEN+HOWLONG`, all but the kind optional: `fin@10s`, `black-hole@10s+20s`,
`line-cap=40`, `354=AAPL,SPX@5s`, `fin=2000@msg61` (on the first message 61 from a client). Without a length it stays.

Tests do by hand what a script does by the clock:

    gateway.begin("1100=1101")              # now, until
    gateway.end("1100")                     # every fault of that kind
    with gateway.during("354=AAPL"): ...    # begun and ended by the block
    gateway.play("refuse@1s+2s")            # the times count from this call
    gateway.active.on("354", "AAPL")        # whether it is

`GatewayConfig.faults` and `--fault` are played when listening starts; playing is `begin` and `end` with sleeps.
A fault that happens at once (`fin`, `1300`) is over when `begin` returns. Unless a kind says otherwise it is met
by every client.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from simulator.universe import UNIVERSE

_SYMBOLS = r"[A-Z]+(?:,[A-Z]+)*"
_COUNT, _NUMBER, _SECONDS = r"[1-9]\d{0,8}", r"-?\d{1,6}(?:\.\d+)?", r"\d{1,6}(?:\.\d+)?"
_ACCOUNT = r"[A-Z]{1,3}\d{3,9}"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = r"\d{1,6}(?:\.\d+)?(?:ms|s|m|h)"
_FORM = re.compile(
    rf"(?P<kind>[a-z0-9-]+)(?:=(?P<args>[^@+]*))?(?:@(?:(?P<at>{_TIME})|msg(?P<on>\d{{1,3}})))?(?:\+(?P<lasts>{_TIME}))?"
)
_KNOWN = frozenset(row.symbol for row in UNIVERSE)


@dataclass(frozen=True, slots=True)
class Kind:
    """One line for people; the argument's form for people (`[]`: may be left out) and as a pattern."""

    line: str
    form: str = ""
    pattern: str = ""
    default: tuple[str, ...] = ()
    is_instant: bool = False


def _instant(line: str, form: str = "", pattern: str = "", *default: str) -> Kind:
    return Kind(line, form, pattern, default, is_instant=True)


def _scoped(line: str) -> Kind:
    """A kind for all symbols, or for those named."""
    return Kind(line, "[=SYMBOL,...]", _SYMBOLS)


KINDS: Mapping[str, Kind] = {
    # connecting
    "refuse": Kind("the port is closed: connections are refused; those that exist go on"),
    "no-greeting": Kind("connections are accepted and never answered"),
    "old-server": Kind("the server says that it is of an old version", "[=VERSION]", r"\d{2,3}", ("150",)),
    "no-start": Kind("silence after START_API: no accounts, no next id"),
    "id-in-use": Kind("326 and the end for a client id, or for all", "[=ID,...]", r"\d+(?:,\d+)*"),
    "leave-out": Kind("messages with these ids are never sent, such as 62, 54, 74, 55", "=ID,...", r"\d+(?:,\d+)*"),
    "endless-positions": Kind("positions come again and again, and never their end"),
    "restart": Kind("the daily restart: every client loses its socket, the port is closed, then a new next id"),
    # the socket
    "fin": _instant("every connection is closed (FIN), after so many more bytes", "[=BYTES]", r"\d{1,9}", "0"),
    "rst": _instant("every connection is reset (RST), after so many more bytes", "[=BYTES]", r"\d{1,9}", "0"),
    "black-hole": Kind("sockets stay open and nothing is read or written; `old` spares new ones", "[=old]", "old"),
    "slice": Kind("what is sent leaves in segments of so many bytes", "[=BYTES]", _COUNT, ("1",)),
    "merge": Kind("what is sent waits so many seconds and leaves in one piece", "[=S]", _SECONDS, ("0.5",)),
    "bad-length": _instant("four bytes that are no length, once"),
    "slow": Kind("every answer comes so many seconds late", "=S", _SECONDS),
    # messages
    "unknown-message": _instant("a message with an id nobody knows, once", "[=ID]", _COUNT, "199"),
    "unknown-tick": Kind("a tick of a type nobody knows with every news of a line", "[=TYPE]", _COUNT, ("999",)),
    "empty-field": _scoped("option computations have an empty delta"),
    "short-error": _instant("an error notice with five fields instead of six, once"),
    "skew": Kind("the time that is told is so many seconds off", "=S", _NUMBER),
    # the way to the broker
    "1100": Kind("the broker is lost: nothing comes in; ends with 1102 or 1101 (lines lost)", "[=1101]", "110[12]", ("1102",)),
    "1300": _instant("the socket port was reset: the notice, then every connection is closed"),
    "farm": Kind("2103, then 2104 with lines that stay dead until asked for again", "[=usfarm|usopt]", "usfarm|usopt"),
    "hmds": Kind("2105, then 2106; history is not answered between them"),
    "secdef": Kind("2157, then 2158; contract details and chains are not answered between them"),
    # limits
    "line-cap": Kind("101 above so many lines", "=N", _COUNT),
    "rate-limit": Kind("warning at 44 messages in any second, 100 above 50, cut off at the Nth 100", "[=N]", _COUNT, ("3",)),
    "history-cap": Kind("322 above so many open historical requests (50 without this)", "=N", _COUNT),
    "162": Kind("history is refused", "=pacing|no-data|no-permission", "pacing|no-data|no-permission"),
    # market data
    "200": Kind("every request for contract details or a line is answered by 200, those that wait as well"),
    "354": _scoped("not subscribed: no ticks, but delayed ones in the delayed modes"),
    "10089": _scoped("needs another subscription: no ticks, but delayed ones in the delayed modes"),
    "10168": _scoped("not subscribed, delayed not enabled: no ticks"),
    "10090": _scoped("partly subscribed: computations have no underlying price"),
    "10091": _scoped("partly subscribed for the API: computations have no underlying price"),
    "10167": _scoped("delayed data in place of live: type 3, ticks 66-76, 80-83, 88"),
    "10197": _scoped("a competing session: open lines end, new ones are refused"),
    "closed": _scoped("a closed market: bid and ask -1, a close, no computations"),
    "frozen": _scoped("values never move (the whole world's, or those of lines of a symbol)"),
    "no-greeks": _scoped("no computations"),
    "late-greeks": Kind("computations begin so many seconds after the line", "[=S]", _SECONDS, ("10",)),
    "sentinels": _scoped("every number of a computation is the one that means none"),
    "nan": _scoped("prices and computations are NaN"),
    "infinity": _scoped("prices and computations are Infinity"),
    "unset": _scoped("prices and computations are 1.7976931348623157E308"),
    "x100": _scoped("prices are a hundred times what they are"),
    "negative": _scoped("prices and volatilities are negative"),
    # the account
    "account": Kind("the next login finds another account", "[=NAME]", _ACCOUNT, ("DU9999999",)),
    "two-accounts": Kind("the next login finds a second account, with the same positions", "[=NAME]", _ACCOUNT, ("DU8888888",)),
    "no-positions": Kind("downloads have no positions, and the totals as ever"),
    "duplicate-rows": Kind("portfolio rows come twice, the second time in reverse"),
    "2100": _instant("another client takes the account updates: the notice, then no more until asked for again"),
    "unset-pnl": Kind("P&L is 1.7976931348623157E308"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and its time: `at_s` from when it is played, or on the first message `on` from a client after that.

    `lasts_s` is None for one that stays, or that happens at once.
    """

    kind: str
    args: tuple[str, ...] = ()
    at_s: float = 0.0
    on: int | None = None
    lasts_s: float | None = None

    @property
    def is_instant(self) -> bool:
        return KINDS[self.kind].is_instant

    @property
    def number(self) -> float:
        """The first argument as a number."""
        return float(self.args[0])

    def covers(self, symbol: str | None) -> bool:
        """Whether a symbol is among those named, or none is."""
        return symbol is None or KINDS[self.kind].pattern != _SYMBOLS or not self.args or symbol in self.args


def parse_fault(text: str) -> Fault:
    """A fault from `KIND=ARGUMENT@WHEN+HOWLONG`; times in ms, s, m or h.

    Raises:
        ValueError: If the text can't be understood; the message has an example that can.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"fault {text!r} is not understood; an example that works: black-hole@10s+20s")
    kind = KINDS.get(match["kind"])
    if kind is None:
        raise ValueError(
            f"fault {match['kind']!r} is not known (--list-faults); an example that works: fin@10s"
        )
    if kind.is_instant and match["lasts"]:
        name = match["kind"]
        raise ValueError(f"{name} happens at once and lasts no time; an example that works: {name}@10s")
    args = _arguments(match["kind"], kind, match["args"])
    lasts = _seconds(match["lasts"]) if match["lasts"] else None
    on = int(match["on"]) if match["on"] else None
    return Fault(match["kind"], args, _seconds(match["at"] or "0s"), on, lasts)


def _arguments(name: str, kind: Kind, text: str | None) -> tuple[str, ...]:
    is_optional = kind.form.startswith("[") or not kind.form
    if text is None and is_optional:
        return kind.default
    if not re.fullmatch(kind.pattern or r"(?!)", text or ""):
        raise ValueError(f"{name} is written {name}{kind.form}; an example that works: {_example(name)}")
    args = tuple((text or "").split(","))
    unknown = [one for one in args if one not in _KNOWN] if kind.pattern == _SYMBOLS else []
    if unknown:
        raise ValueError(f"{name}: no symbol {unknown[0]} here; an example that works: {name}=AAPL@5s")
    return args


def _example(name: str) -> str:
    kind = KINDS[name]
    if kind.pattern == _SYMBOLS:
        return f"{name}=AAPL@5s"
    if kind.default or kind.form.startswith("[") or not kind.form:
        return f"{name}={kind.default[0]}@5s" if kind.default else f"{name}@5s"
    return {"=ID,...": f"{name}=62,54", "=N": f"{name}=40@5s", "=S": f"{name}=2@5s"}.get(
        kind.form, f"{name}={kind.pattern.split('|')[0]}@5s"
    )


def _seconds(text: str) -> float:
    count, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]  # matched by _FORM
    return float(count) * _UNITS[unit]


class Active:
    """The faults that are on."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def remove(self, fault: Fault) -> bool:
        """Takes one off; False if it was not on."""
        for i, one in enumerate(self._faults):
            if one is fault:
                del self._faults[i]
                return True
        return False

    def of(self, kind: str) -> list[Fault]:
        return [fault for fault in self._faults if fault.kind == kind]

    def on(self, kind: str, symbol: str | None = None) -> bool:
        """Whether a kind is on, for a symbol if one is given."""
        return any(fault.kind == kind and fault.covers(symbol) for fault in self._faults)

    def args(self, kind: str) -> tuple[str, ...] | None:
        """The arguments of the newest fault of a kind; None when none is on."""
        found = self.of(kind)
        return found[-1].args if found else None

    def number(self, kind: str, otherwise: float) -> float:
        """The number of the newest fault of a kind."""
        found = self.of(kind)
        return found[-1].number if found else otherwise

    def __bool__(self) -> bool:
        return bool(self._faults)


def catalogue() -> str:
    """Every kind with its line, for a terminal."""
    names = {name: name + kind.form for name, kind in KINDS.items()}
    width = max(map(len, names.values()))
    return "\n".join(f"  {names[name]:<{width}}  {kind.line}" for name, kind in KINDS.items())
