"""What the lines make of refusals and of prices, without a socket: the client is a list of what was asked."""

from datetime import UTC, date, datetime, timedelta

import pytest

from engine.book import Book, Holding
from engine.broker.facts import ContractFact, Notice, QuoteFact, SecType
from engine.broker.lines import Line, Lines
from engine.broker.session import _meaning
from engine.broker.translate import apart
from engine.errors import ConfigError, LinkDown
from engine.model import Contract, DataMode, Kind

AT = datetime(2026, 7, 28, 15, 0, tzinfo=UTC)


class Client:
    """Remembers the open lines."""

    def __init__(self) -> None:
        self.lines: set[int] = set()
        self.delayed = 0
        self.ticks: dict[int, str] = {}

    def subscribe(self, contract: ContractFact, generic_ticks: str) -> None:
        self.lines.add(contract.con_id)
        self.ticks[contract.con_id] = generic_ticks

    def unsubscribe(self, con_id: int, *, refused: bool = False) -> None:
        self.lines.discard(con_id)

    def take_delayed(self) -> None:
        self.delayed += 1


def stock(con_id: int, symbol: str) -> Line:
    return Line(ContractFact(con_id, symbol, SecType.STOCK), "104,106,456", spot_of=symbol)


@pytest.fixture
def desk():
    """Five stocks on open lines: the client, the Book and the Lines."""
    client, book = Client(), Book()
    lines = Lines(client, book, 20, allow_delayed=True)  # type: ignore[arg-type]
    for number in range(1, 6):
        book.set_underlying(f"S{number}", Kind.STOCK)
    lines.want([stock(number, f"S{number}") for number in range(1, 6)])
    lines.turn(AT, 0.0)
    assert client.lines == {1, 2, 3, 4, 5}
    return client, book, lines


def refused(
    lines: Lines, con_id: int, code: int, now: float = 1.0, text: str = "…", impaired: bool = False
) -> bool:
    return lines.hear(Notice(con_id, code, text, con_id), AT, now, impaired=impaired)


def quote(
    con_id: int, price: float | None, *, spoke: bool = True, traded: bool = False, last: float | None = None
) -> QuoteFact:
    return QuoteFact(con_id, price, price, last, None, None, None, None, DataMode.LIVE, spoke, traded)


def test_every_line_that_is_not_subscribed_is_asked_for_delayed_data(desk):
    client, _, lines = desk
    for con_id in range(1, 6):
        assert refused(lines, con_id, 354)
    lines.turn(AT, 2.0)
    assert client.lines == {1, 2, 3, 4, 5} and client.delayed == 1
    refused(lines, 1, 354, now=3.0)
    lines.turn(AT, 60.0)
    assert client.lines == {2, 3, 4, 5}, "delayed data were refused too: it is not asked for each minute"
    lines.turn(AT, 3700.0)
    assert client.lines == {1, 2, 3, 4, 5}


def test_an_illegal_generic_tick_is_left_out_the_next_time(desk):
    client, _, lines = desk
    refused(
        lines,
        3,
        321,
        text="Error validating request.-'bQ' : cause - Incorrect generic tick list of 13,106.  Legal …",
    )
    lines.turn(AT, 2.0)
    assert client.ticks[3] == "" and client.ticks[4] == "104,106,456"


def test_an_unknown_contract_is_asked_for_more_and_more_rarely_unless_that_proves_nothing(desk):
    client, _, lines = desk
    refused(lines, 2, 200, now=0.0)
    lines.turn(AT, 31.0)
    assert 2 in client.lines
    refused(lines, 2, 200, now=31.0)
    lines.turn(AT, 31.0 + 45.0)
    assert 2 not in client.lines
    lines.turn(AT, 31.0 + 61.0)
    refused(lines, 2, 200, now=92.0, impaired=True)
    lines.turn(AT, 92.0 + 31.0)
    assert 2 in client.lines


def test_a_price_many_times_the_last_is_believed_only_when_it_lasts(desk):
    _, book, lines = desk
    lines.apply([quote(1, 100.0)], AT, 1.0)
    lines.apply([quote(1, 10_000.0)], AT + timedelta(seconds=1), 2.0)
    assert book.spot("S1") == 100.0
    assert any("S1 jumped" in reason.text for reason in lines.reasons())
    lines.apply([quote(1, 101.0)], AT + timedelta(seconds=2), 3.0)
    assert book.spot("S1") == 101.0 and lines.reasons() == ()
    for second in (10, 25, 41):
        lines.apply([quote(1, 10.0)], AT + timedelta(seconds=second), float(second))
    assert book.spot("S1") == 10.0, "a split, or a crash, lasts"


def test_an_old_trade_keeps_its_own_time(desk):
    _, book, lines = desk
    lines.apply([quote(1, None, spoke=False, traded=True, last=50.0)], AT, 1.0)
    later = AT + timedelta(minutes=30)
    lines.apply([quote(1, None, spoke=True, last=50.0)], later, 1801.0)
    assert book.freeze(later).underlyings["S1"].spot_as_of == AT


def test_words_without_a_price_are_no_life(desk):
    _, _, lines = desk
    lines.apply([quote(1, 100.0)], AT, 10.0)
    for second in range(11, 30):
        lines.apply([quote(1, None), quote(2, 50.0 + second)], AT, float(second))
    assert 1 in lines.silent(30.0, 15.0) and 2 not in lines.silent(30.0, 15.0)


def test_positions_with_one_name_are_told_apart():
    def bond(con_id: int) -> tuple[tuple[str, int], Holding]:
        contract = Contract("US-T", Kind.BOND, "US-T", "USD", 1.0, date(2030, 5, 15))
        return ("DU1", con_id), Holding("DU1:US-T 2030-05-15", contract, 10.0, "DU1", None)

    ids = [held.id for held in apart(dict([bond(7), bond(8)])).values()]
    assert ids == ["DU1:US-T 2030-05-15 #7", "DU1:US-T 2030-05-15 #8"]
    assert apart(dict([bond(7)]))["DU1", 7].id == "DU1:US-T 2030-05-15"


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        ([ConnectionError("Not connected")], LinkDown),
        ([ConnectionError("Not connected"), LinkDown("silent")], LinkDown),
        ([ConnectionError("Not connected"), ConfigError("name one")], ConfigError),
        ([LinkDown("lost"), ZeroDivisionError()], BaseExceptionGroup),
    ],
)
def test_what_several_failures_come_to(failures, kind):
    assert isinstance(_meaning(BaseExceptionGroup("", [BaseExceptionGroup("", failures)])), kind)
