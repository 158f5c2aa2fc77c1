"""From a line of text to a custom scenario: `spy -7% puts +40% calls +10% 2d`, `tsla -15%, rest -3%`.

A scenario is parts with commas between; a part says whom (symbols, `rest`, or nobody for all), how far spot moves and what
volatility does, in any order. Days, `by`, `scaled` and `if` hold for the whole scenario wherever they stand.
docs/scenarios.md has the table.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NoReturn

from engine.errors import RequestError
from engine.scenarios.clauses import Custom, IvClause, Part, Rule, Wing

LONGEST_TEXT: Final = 400
EXAMPLE: Final = "spy -7% puts +40% calls +10% 2d"
MOST_QUOTED: Final = 40
LAST_DTE: Final = 9999

SPOT_RANGE: Final = (-50, 50)
RELATIVE_RANGE: Final = (-95, 500)
POINTS_RANGE: Final = (-100, 300)
MOST_DAYS: Final = 365

IV_WORDS: Final = {
    "iv": Wing.ALL, "vol": Wing.ALL, "puts": Wing.PUTS, "put": Wing.PUTS, "money": Wing.MONEY, "atm": Wing.MONEY,
    "calls": Wing.CALLS, "call": Wing.CALLS,
}  # fmt: skip
ALL, REST = "*", "~"
TARGETS: Final = {"all": ALL, "market": ALL, "spot": ALL, "rest": REST, "others": REST}
RESERVED: Final = frozenset(
    {
        *IV_WORDS,
        *TARGETS,
        "by",
        "if",
        "scaled",
        "and",
        "spot_model",
        "dte",
        "days",
        "weeks",
        "down",
        "up",
        "falls",
        "rises",
        "minus",
        "plus",
    }
)
PLAIN: Final = str.maketrans(
    dict.fromkeys("−–—‐‑", "-") | {"％": "%", "\u00a0": " ", "\u202f": " ", "\u2009": " "}
)

TOKEN: Final = re.compile(
    r"""(?P<skip>[\s:=]+)
      | (?P<comma>[,;])
      | (?P<bucket>(?:(?P<low>[0-9]{1,4})\ ?-\ ?(?P<high>[0-9]{1,4})|(?P<side><=|>=|<|>)\ ?(?P<edge>[0-9]{1,4}))\ ?dte\b)
      | (?P<amount>(?P<number>[+-]?\ ?(?:[0-9]{1,6}(?:\.[0-9]{0,6})?|\.[0-9]{1,6}))
                   \ ?(?P<unit>%|(?:points?|pts?|p|days?|d|weeks?|w)\b))
      | (?P<side_alone>[<>]=?)
      | (?P<word>\$?[A-Za-z][A-Za-z0-9]*(?:[._/-][A-Za-z]+)*)""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
UNREAD: Final = re.compile(r"[^\s,;]{1,40}|.", re.DOTALL)


class GrammarError(RequestError):
    """A what-if that can't be understood: the text says up to where it was, why not further, and what works."""


def symbol_key(symbol: str) -> str:
    """A symbol as it is compared: `brk.b`, `BRK-B` and the broker's `BRK B` are one."""
    return re.sub(r"[ ._/-]", " ", symbol.upper())


def parse(text: str, say: str = "") -> Custom:
    """What `text` says.

    Args:
        text: one scenario, at most 400 characters; case does not matter.
        say: what stands before the example in a message, such as "/whatif ".
    Raises:
        GrammarError: If it can't be understood; one line with the place, the reason and an example that works.
    """
    return _Parser(text, say).custom()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    found: re.Match[str]

    @property
    def unit(self) -> str:
        """Of an amount: '%', or 'p', 'd' or 'w' for points, days and weeks."""
        return str(self.found["unit"])[0].lower()


@dataclass(slots=True)
class _Group:
    """What stands between two commas. `loose` are subjects that no percentage follows."""

    spots: list[tuple[list[str], float, _Token]] = field(default_factory=list)
    loose: list[tuple[str, _Token]] = field(default_factory=list)
    iv: list[tuple[IvClause, _Token]] = field(default_factory=list)


@dataclass(slots=True)
class _Said:
    """What is said of one subject, over all groups."""

    spot: float | None = None
    iv: list[IvClause] = field(default_factory=list)


class _Parser:
    """One pass over the tokens; each method takes what it knows and leaves the rest."""

    def __init__(self, text: str, say: str) -> None:
        self._say = say
        if len(text) > LONGEST_TEXT:
            raise GrammarError(
                f"A what-if has at most {LONGEST_TEXT} characters, this has {len(text)}. Try: {say}{EXAMPLE}"
            )
        self._text = text.translate(PLAIN)
        self._tokens = list(self._scan())
        self._at = 0
        self._said: dict[str, _Said] = {}
        self._days: int | None = None
        self._options: dict[str, str] = {}
        self._rules: list[Rule] = []
        self._money: _Token | None = None
        self._read: dict[str, Callable[[_Token], None]] = {
            "by": self._by, "if": self._if, "spot_model": self._spot_model, "scaled": self._scaled, "and": lambda _: None,
        }  # fmt: skip

    def custom(self) -> Custom:
        if not self._tokens:
            raise GrammarError(
                f"Say what happens: who, how far spot moves, what volatility does. Try: {self._say}{EXAMPLE}"
            )
        while self._at < len(self._tokens):
            self._group()
        self._check_whole()
        base = self._said.get(ALL) or self._said.get(REST)
        named = {key: said for key, said in self._said.items() if key not in (ALL, REST)}
        if base is None and not named:
            base = _Said()
        return Custom(
            named=tuple((key, _part(named[key])) for key in sorted(named)),
            rest=None if base is None else _part(base),
            inherits=ALL in self._said,
            days=self._days or 0,
            by_right=self._options.get("by") == "right",
            scaled="scaled" in self._options,
            spot_model=self._options.get("spot_model"),
            rules=tuple(sorted(self._rules, key=lambda rule: rule.rank)),
        )

    def _scan(self) -> Iterator[_Token]:
        at = 0
        while at < len(self._text):
            found = TOKEN.match(self._text, at)
            if found is None:
                self._stop_at_unread(at)
            kind = str(found.lastgroup)
            if kind != "skip":
                yield _Token(kind, found[0], at, found)
            at = found.end()

    def _stop_at_unread(self, at: int) -> NoReturn:
        unread = UNREAD.match(self._text, at)
        quoted = unread[0] if unread else ""
        if re.match(r"[+-]?\ ?[0-9.]", quoted):
            self._stop(at, quoted, "a number needs its unit: %, p (vol points), d, w or dte")
        self._stop(at, quoted, "no word, number or comma starts like that")

    def _group(self) -> None:
        """Read to the next comma and settle what was read."""
        group, pending = _Group(), list[tuple[str, _Token]]()
        while (token := self._next()) is not None and token.kind != "comma":
            word = token.text.casefold()
            if token.kind == "word" and word not in self._read and word not in IV_WORDS:
                pending.append((self._subject(token), token))
                continue
            if token.kind == "amount" and token.unit == "%":
                spot = self._number(token, SPOT_RANGE, "spot moves from -50% to +50%", "spy -7%")
                group.spots.append(([subject for subject, _ in pending], spot, token))
            else:
                group.loose += pending
                self._other(group, token, word)
            pending = []
        group.loose += pending
        self._settle(group)

    def _other(self, group: _Group, token: _Token, word: str) -> None:
        if token.kind == "word" and word in IV_WORDS:
            group.iv.append((self._iv_clause(token), token))
        elif token.kind == "word":
            self._read[word](token)
        elif token.kind == "amount":
            self._time(token)
        elif token.kind == "bucket":
            self._refuse(token, "days to expiry follow what they are for", "iv -35% 0-7dte")
        else:
            self._refuse(token, "a comparison belongs to a rule", "-8% if spot < -5% puts +20%")

    def _subject(self, token: _Token) -> str:
        word = token.text.casefold()
        if word in TARGETS:
            return TARGETS[word]
        if word in RESERVED:
            self._refuse(token, f"{word!r} can't stand here; a symbol of that name is ${word}", EXAMPLE)
        return symbol_key(token.text.lstrip("$"))

    def _iv_clause(self, word: _Token) -> IvClause:
        wing = IV_WORDS[word.text.casefold()]
        if wing is Wing.MONEY:
            self._money = word
        example = f"{wing} +30%"
        dte = self._bucket()
        token = self._next()
        if token is None or token.kind != "amount" or token.unit not in "%p":
            self._refuse(token, f"{word.text!r} needs a percentage or vol points", example)
        dte = dte or self._bucket()
        if token.unit == "%":
            shift = self._number(token, RELATIVE_RANGE, "volatility moves from -95% to +500%", example)
            return IvClause(wing, relative=shift, dte=dte)
        shift = self._number(token, POINTS_RANGE, "volatility moves from -100p to +300p", f"{wing} +5p")
        return IvClause(wing, points=shift, dte=dte)

    def _bucket(self) -> tuple[int, int] | None:
        token = self._peek()
        if token is None or token.kind != "bucket":
            return None
        self._at += 1
        found = token.found
        if found["low"] is not None:
            first, last = int(found["low"]), int(found["high"])
        else:
            edge, side = int(found["edge"]), found["side"]
            first = {">": edge + 1, ">=": edge}.get(side, 0)
            last = {"<": edge - 1, "<=": edge}.get(side, LAST_DTE)
        if first > last:
            self._refuse(token, "no day to expiry is in there", "iv -35% 0-7dte")
        return first, last

    def _time(self, token: _Token) -> None:
        if token.unit == "p":
            self._refuse(token, "vol points follow iv, puts, money or calls", "iv +5p")
        number = Decimal(token.found["number"].replace(" ", ""))
        days = number * (7 if token.unit == "w" else 1)
        if days != int(days) or not 0 <= days <= MOST_DAYS:
            self._refuse(token, f"time passes by whole days, up to {MOST_DAYS}", "spy -7% 2d")
        if self._days not in (None, int(days)):
            self._refuse(token, f"{self._days} days are said already", "spy -7% 2d")
        self._days = int(days)

    def _by(self, token: _Token) -> None:
        chosen = self._choice(("right", "wing", "beta", "uniform"), "puts +40% calls +10% by right")
        self._option("spot_model" if chosen in {"beta", "uniform"} else "by", chosen, token)

    def _spot_model(self, token: _Token) -> None:
        self._option("spot_model", self._choice(("beta", "uniform"), "-5% spot_model beta"), token)

    def _scaled(self, token: _Token) -> None:
        self._options["scaled"] = "scaled"

    def _choice(self, among: tuple[str, ...], example: str) -> str:
        token = self._next()
        if token is None or token.text.casefold() not in among:
            self._refuse(token, f"expected {', '.join(among[:-1])} or {among[-1]}", example)
        return token.text.casefold()

    def _option(self, name: str, chosen: str, token: _Token) -> None:
        if self._options.setdefault(name, chosen) != chosen:
            self._refuse(token, f"{self._options[name]!r} is said already", f"-5% by {chosen}")

    def _if(self, _: _Token) -> None:
        """`if spot < -5% puts +20%`: on top, where the move stated is beyond."""
        example = "-8% if spot < -5% puts +20%"
        starts = "a rule starts with 'if spot < -5%' or 'if spot > 5%'"
        spot = self._next()
        if spot is None or spot.text.casefold() != "spot":
            self._refuse(spot, starts, example)
        side = self._next()
        if side is None or side.kind != "side_alone" or side.text not in {"<", ">"}:
            self._refuse(side, starts, example)
        beyond = self._next()
        if beyond is None or beyond.kind != "amount" or beyond.unit != "%":
            self._refuse(beyond, starts, example)
        threshold = self._number(beyond, SPOT_RANGE, "spot moves from -50% to +50%", example)
        word = self._next()
        if word is None or word.text.casefold() not in IV_WORDS:
            self._refuse(word, "a rule ends with what volatility does more", example)
        self._rules.append(Rule(side.text == "<", threshold, self._iv_clause(word)))

    def _settle(self, group: _Group) -> None:
        self._refuse_a_forgotten_comma(group)
        if len(group.spots) > 1:
            for subjects, _, token in group.spots:
                if group.iv or group.loose or not subjects:
                    self._refuse(token, "with two moves, put a comma between them", "tsla -15%, rest -3%")
            for subjects, spot, token in group.spots:
                self._say_spot(subjects, spot, token)
            return
        subjects = [subject for subject, _ in group.loose]
        if group.spots:
            subjects = group.spots[0][0] + subjects
        elif group.loose and not group.iv:
            token = group.loose[-1][1]
            self._refuse(token, f"say what happens to {token.text}", f"{token.text} -10%", after=True)
        if group.spots or group.iv:
            subjects = subjects or [ALL]
        for _, spot, token in group.spots:
            self._say_spot(subjects, spot, token)
        for clause, token in group.iv:
            self._say_iv(subjects, clause, token)

    def _refuse_a_forgotten_comma(self, group: _Group) -> None:
        """`spy -7% tsla iv +30%`: who stands behind a move that has its own subjects is not moved by it."""
        if len(group.spots) != 1 or not group.spots[0][0]:
            return
        subjects, _, move = group.spots[0]
        for subject, token in group.loose:
            if subject not in subjects and token.start > move.start:
                self._refuse(token, f"put a comma before {token.text}", "spy -7%, tsla iv +30%")

    def _say_spot(self, subjects: list[str], spot: float, token: _Token) -> None:
        for subject in dict.fromkeys(subjects):
            said = self._said.setdefault(subject, _Said())
            if said.spot is not None:
                self._refuse(token, f"{_called(subject)} moves twice", "tsla -15%, rest -3%")
            said.spot = spot

    def _say_iv(self, subjects: list[str], clause: IvClause, token: _Token) -> None:
        for subject in dict.fromkeys(subjects):
            said = self._said.setdefault(subject, _Said())
            if any(clause.clashes(other) for other in said.iv):
                where = "" if clause.dte is None else " for some of these days to expiry"
                self._refuse(
                    token, f"{clause.wing} is said twice{where}", "iv -35% 0-7dte iv -15% 8-30dte puts +10%"
                )
            said.iv.append(clause)

    def _check_whole(self) -> None:
        if not self._said and self._days is None:
            self._refuse(None, "nothing is said of a move, of volatility or of time", EXAMPLE)
        if ALL in self._said and REST in self._said:
            self._refuse(None, "either all move or the rest does; both can't be meant", "tsla -15%, rest -3%")
        if self._money is not None and self._options.get("by") == "right":
            self._refuse(self._money, "by right there is no money, only puts and calls", "puts +40% by right")

    def _number(self, token: _Token, allowed: tuple[int, int], why: str, example: str) -> float:
        """Percent or points as a decimal, to the nearest double."""
        number = Decimal(token.found["number"].replace(" ", ""))
        if not allowed[0] <= number <= allowed[1]:
            self._refuse(token, why, example)
        return float(number.scaleb(-2)) + 0.0

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> _Token | None:
        token = self._peek()
        self._at += token is not None
        return token

    def _refuse(self, token: _Token | None, why: str, example: str, *, after: bool = False) -> NoReturn:
        """Stop at a token, after it, or at the end of the text."""
        if token is None or after:
            self._stop(len(self._text) if token is None else token.start + len(token.text), "", why, example)
        self._stop(token.start, token.text, why, example)

    def _stop(self, at: int, unread: str, why: str, example: str = EXAMPLE) -> NoReturn:
        before = " ".join(self._text[:at].split())
        before = "…" + before[-MOST_QUOTED:] if len(before) > MOST_QUOTED else before
        shown = unread[:MOST_QUOTED]
        place = f"at {shown!r}" if shown else "at the end"
        if before:
            place += f" after {before!r}" if shown else f" of {before!r}"
        raise GrammarError(f"I stopped {place}: {why}. Try: {self._say}{example}")


def _part(said: _Said) -> Part:
    return Part(said.spot, tuple(sorted(said.iv, key=lambda clause: clause.rank)))


def _called(subject: str) -> str:
    return {ALL: "all", REST: "the rest"}.get(subject, subject)
