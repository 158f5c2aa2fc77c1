"""The queue of historical requests: what goes first, what the gateway's limits allow, how it recovers."""

import heapq
import random
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest

from engine.broker.facts import BarsFact, ContractFact, DailyBar, End, Notice, SecType
from engine.broker.history_queue import (
    ALL,
    FINAL_FOR_S,
    FIRST_RETRY_S,
    HISTORICAL,
    IMPLIED,
    LAST_RETRY_S,
    MOST_IN_WINDOW,
    MOST_OPEN,
    NEVER,
    PACING_PAUSE_S,
    SAME_AFTER_S,
    TRADES,
    Ask,
    Pacing,
    Queue,
    Series,
    Verdict,
    duration,
    sound,
    verdict,
)

TODAY = date(2026, 11, 25)
SESSION = date(2026, 11, 24)
HEAD = "Historical Market Data Service error message:"
NO_DATA = Notice(1, 162, f"{HEAD}HMDS query returned no data: VIX@CBOE Implied")
PACING = Notice(1, 162, f"{HEAD}Historical data request pacing violation")
FARM = Notice(1, 162, f"{HEAD}HMDS server disconnect occurred. Attempting reconnection...")


def contract(symbol):
    return ContractFact(sum(map(ord, symbol)), symbol, SecType.STOCK)


def queue_of(*symbols, weights=None):
    queue = Queue()
    queue.want({symbol: contract(symbol) for symbol in symbols}, weights or {})
    return queue


def refused(notice):
    return BarsFact(End.REFUSED, refusal=notice)


def take_all(queue, at=0.0):
    """Every request that may go at `at`, each answered at once."""
    taken = []
    while isinstance(ask := queue.next(at, TODAY, SESSION), Ask):
        taken.append(ask)
        queue.answered(ask, SESSION, SESSION, at)
    return taken


def bar(day, close, low=None):
    return DailyBar(day, close, close, low or close, close)


# What goes first


def test_prices_of_the_largest_positions_come_first_then_implied_then_historical_volatility():
    queue = queue_of("A", "B", "C", weights={"B": 9.0, "C": 5.0})
    asked = [ask.series for ask in take_all(queue)]
    assert asked == [Series(symbol, what) for what in ALL for symbol in "BCA"]


def test_a_position_that_has_grown_goes_ahead():
    queue = queue_of("A", "B", weights={"A": 2.0, "B": 1.0})
    queue.want({symbol: contract(symbol) for symbol in "AB"}, {"A": 2.0, "B": 3.0})
    assert queue.next(0.0, TODAY, SESSION).series == Series("B", TRADES)


def test_what_is_stored_up_to_the_last_session_is_not_asked_for():
    queue = queue_of("A")
    queue.have({Series("A", TRADES): SESSION, Series("A", IMPLIED): SESSION - timedelta(days=1)})
    assert [(ask.series.what, ask.duration) for ask in take_all(queue)] == [
        (IMPLIED, "3 D"),
        (HISTORICAL, "2 Y"),
    ]
    assert queue.next(60.0, TODAY, SESSION) == NEVER


def test_a_new_session_asks_for_its_day():
    queue = queue_of("A")
    take_all(queue)
    asked = queue.next(86_400.0, TODAY + timedelta(days=1), SESSION + timedelta(days=1))
    assert asked.duration == "3 D"


@pytest.mark.parametrize(
    ("days", "text"),
    [(0, "1 D"), (1, "2 D"), (19, "20 D"), (20, "1 M"), (27, "1 M"), (28, "6 M"), (179, "6 M"),
     (180, "1 Y"), (364, "1 Y"), (365, "2 Y"), (2000, "2 Y"), (-3, "1 D")],
)  # fmt: skip
def test_a_duration_reaches_the_last_stored_day(days, text):
    assert duration(TODAY, TODAY - timedelta(days=days)) == text


def test_nothing_stored_is_two_years():
    assert duration(TODAY, None) == "2 Y"


# What a refusal means


@pytest.mark.parametrize(
    ("code", "text", "meaning"),
    [
        (162, NO_DATA.text, Verdict.FINAL),
        (162, f"{HEAD}No market data permissions for AMEX STK", Verdict.FINAL),
        (162, f"{HEAD}No data of type EODChart is available for the exchange 'BEST' and the security type", Verdict.FINAL),
        (162, f"{HEAD}No historical market data for AAPL/OPT@ISE Last 1d", Verdict.FINAL),
        (354, "Requested market data is not subscribed. Check API status", Verdict.FINAL),
        (321, "Error validating request.-'bQ' : cause - Please enter exchange", Verdict.FINAL),
        (162, PACING.text, Verdict.PACING),
        (420, "Invalid Real-time Query: Historical data request pacing violation", Verdict.PACING),
        (322, "Error processing request.-'bU' : cause - Only 50 simultaneous API historical data requests", Verdict.PACING),
        (162, FARM.text, Verdict.LATER),
        (162, f"{HEAD}API historical data query cancelled: 7", Verdict.LATER),
        (200, "No security definition has been found for the request", Verdict.LATER),
        (366, "No historical data query found for ticker id:7", Verdict.LATER),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_its_text(code, text, meaning):
    assert verdict(Notice(1, code, text)) is meaning


def test_no_data_is_final_for_the_day_and_for_that_series_alone():
    queue = queue_of("A", "B")
    ask = queue.next(0.0, TODAY, SESSION)
    queue.failed(ask, refused(NO_DATA), 1.0)
    assert len(take_all(queue, 2.0)) == 5
    assert queue.next(2.0, TODAY, SESSION) == pytest.approx(FINAL_FOR_S - 1.0)
    assert queue.next(FINAL_FOR_S + 1.0, TODAY, SESSION).series == ask.series


def test_a_refusal_outlives_a_login_that_begins_without_positions():
    queue = queue_of("A")
    queue.failed(queue.next(0.0, TODAY, SESSION), refused(NO_DATA), 0.0)
    queue.want({}, {})
    assert queue.next(1.0, TODAY, SESSION) == NEVER
    queue.want({"A": contract("A")}, {})
    assert [ask.series.what for ask in take_all(queue, 30.0)] == [IMPLIED, HISTORICAL]


def test_a_pacing_violation_holds_everything_for_ten_minutes():
    queue = queue_of("A", "B")
    ask = queue.next(0.0, TODAY, SESSION)
    queue.failed(ask, refused(PACING), 3.0)
    assert queue.next(3.0, TODAY, SESSION) == PACING_PAUSE_S
    assert queue.next(602.9, TODAY, SESSION) == pytest.approx(0.1)
    assert queue.next(603.0, TODAY, SESSION).series == ask.series


@pytest.mark.parametrize(
    "fact", [refused(FARM), BarsFact(End.LATE), BarsFact(End.LOST)], ids=["farm", "late", "lost"]
)
def test_trouble_is_tried_again_ever_more_slowly(fact):
    queue, at, waits = queue_of("A"), 0.0, []
    queue.have({Series("A", IMPLIED): SESSION, Series("A", HISTORICAL): SESSION})
    for _ in range(9):
        queue.failed(queue.next(at, TODAY, SESSION), fact, at)
        waits.append(queue.next(at, TODAY, SESSION))
        at += waits[-1]
    assert waits[:3] == [FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S]
    assert waits[-1] == LAST_RETRY_S


def test_success_forgets_the_failures():
    queue = queue_of("A")
    queue.have({Series("A", IMPLIED): TODAY, Series("A", HISTORICAL): TODAY})
    for at in (0.0, 100.0):
        queue.failed(queue.next(at, TODAY, SESSION), BarsFact(End.LATE), at)
    queue.answered(queue.next(300.0, TODAY, SESSION), SESSION, SESSION, 300.0)
    ask = queue.next(400.0, TODAY, TODAY)
    queue.failed(ask, BarsFact(End.LATE), 400.0)
    assert queue.next(400.0, TODAY, TODAY) == FIRST_RETRY_S


def test_an_answer_that_lacks_the_last_session_is_asked_for_again_but_not_at_once():
    queue = queue_of("A")
    queue.have({Series("A", IMPLIED): SESSION, Series("A", HISTORICAL): SESSION})
    queue.answered(queue.next(0.0, TODAY, SESSION), SESSION - timedelta(days=1), SESSION, 0.0)
    assert queue.next(0.0, TODAY, SESSION) == FIRST_RETRY_S
    assert queue.next(FIRST_RETRY_S, TODAY, SESSION).duration == "3 D"


def test_an_older_answer_never_takes_stored_days_back():
    queue = queue_of("A")
    queue.have({Series("A", TRADES): SESSION - timedelta(days=2)})
    queue.answered(queue.next(0.0, TODAY, SESSION), SESSION - timedelta(days=9), SESSION, 0.0)
    queue.answered(queue.next(0.0, TODAY, SESSION), SESSION, SESSION, 0.0)
    queue.answered(queue.next(0.0, TODAY, SESSION), SESSION, SESSION, 0.0)
    assert queue.next(FIRST_RETRY_S, TODAY, SESSION).duration == "4 D"


def test_a_restated_past_is_asked_for_whole():
    queue = queue_of("A")
    queue.have({series: SESSION - timedelta(days=1) for series in (Series("A", what) for what in ALL)})
    queue.restated(queue.next(0.0, TODAY, SESSION))
    assert queue.next(0.0, TODAY, SESSION) == Ask(Series("A", TRADES), contract("A"), "2 Y")


# The limits


def test_few_requests_are_open_at_once():
    queue = queue_of(*"ABCDEF")
    asks = [queue.next(0.0, TODAY, SESSION) for _ in range(MOST_OPEN)]
    assert queue.open == MOST_OPEN
    assert queue.next(1.0, TODAY, SESSION) == NEVER
    queue.dropped(asks[0], 1.0)
    assert isinstance(queue.next(1.0, TODAY, SESSION), Ask)


def test_the_same_request_waits_fifteen_seconds():
    queue = queue_of("A")
    ask = queue.next(0.0, TODAY, SESSION)
    queue.failed(ask, refused(NO_DATA), 0.0)
    assert queue.pacing.wait_s(ask, 1.0) == SAME_AFTER_S - 1.0
    assert queue.pacing.wait_s(ask, SAME_AFTER_S) == 0.0


def test_the_sixth_request_of_one_contract_waits_for_the_first_to_be_two_seconds_old():
    pacing = Pacing()
    asks = [Ask(Series("A", what), contract("A"), text) for text in ("2 Y", "5 D") for what in ALL]
    for n, ask in enumerate(asks[:5]):
        assert pacing.wait_s(ask, 0.1 * n) == 0.0
        pacing.sent(ask, 0.1 * n)
    assert pacing.wait_s(asks[5], 0.5) > 1.5
    assert pacing.wait_s(Ask(Series("B", TRADES), contract("B"), "2 Y"), 0.5) == 0.0
    assert pacing.wait_s(asks[5], 0.5 + pacing.wait_s(asks[5], 0.5)) == 0.0


class PacingJudge:
    """Answers after a while, in one of several ways, and judges what it was sent by the published limits."""

    def __init__(self, seed, trouble):
        self.random = random.Random(seed)
        self.trouble = trouble
        self.sent = []

    def judge(self, ask, at, open_now):
        self.sent.append((at, ask))
        assert open_now <= MOST_OPEN
        assert sum(when > at - 600.0 for when, _ in self.sent) <= MOST_IN_WINDOW
        of_contract = [when for when, one in self.sent if one.series.symbol == ask.series.symbol]
        assert sum(when > at - 2.0 for when in of_contract) < 6
        same = [when for when, one in self.sent if (one.series, one.duration) == (ask.series, ask.duration)]
        assert all(after - before >= 15.0 for before, after in pairwise(same))

    def answer(self, at):
        """(when, fact); None as fact is the whole answer."""
        soon = at + self.random.choice([0.0, 0.05, 0.4, 3.0])
        if self.random.random() >= self.trouble:
            return soon, None
        return self.random.choice([
            (soon, refused(PACING)), (soon, refused(FARM)), (soon, refused(NO_DATA)), (at + 60.0, BarsFact(End.LATE)),
            (soon, BarsFact(End.LOST)),
        ])  # fmt: skip


def simulate(queue, gateway, hours, close_at_s=None):
    """Let time pass in the jumps that the queue asks for; the last session moves on one day at `close_at_s`.

    At the end what is still open is given up, as at the end of a login.
    """
    at, answers, n = 0.0, [], 0
    while at < hours * 3600.0:
        session = SESSION if close_at_s is None or at < close_at_s else TODAY
        while answers and answers[0][0] <= at:
            _, _, ask, fact = heapq.heappop(answers)
            if fact is None:
                queue.answered(ask, session, session, at)
            else:
                queue.failed(ask, fact, at)
        found = queue.next(at, TODAY, session)
        if isinstance(found, Ask):
            gateway.judge(found, at, queue.open)
            when, fact = gateway.answer(at)
            n += 1
            heapq.heappush(answers, (when, n, found, fact))
            continue
        assert found > 0.0
        at = min([at + found, at + 300.0, *(answer[0] for answer in answers[:1])])
    for _, _, ask, _ in answers:
        queue.dropped(ask, at)


def test_a_calm_day_asks_for_each_series_once_and_then_once_more_for_the_new_session():
    symbols = [f"S{n}" for n in range(60)]
    queue, gateway = queue_of(*symbols), PacingJudge(1, trouble=0.0)
    simulate(queue, gateway, hours=24, close_at_s=12 * 3600.0)
    assert Counter(ask.duration for _, ask in gateway.sent) == {"2 Y": 180, "2 D": 180}
    first = [ask.series.what for _, ask in gateway.sent[:180]]
    assert first == sorted(first, key=ALL.index), "prices first, for every symbol"
    assert gateway.sent[179][0] < 25 * 60.0, "two full windows of ten minutes, and the third at once"


@pytest.mark.parametrize("seed", range(8))
def test_through_a_day_of_trouble_the_limits_hold_and_all_is_stored_in_the_end(seed):
    queue, gateway = queue_of(*(f"S{n}" for n in range(25))), PacingJudge(seed, trouble=0.5)
    simulate(queue, gateway, hours=24, close_at_s=9 * 3600.0)
    at = 24 * 3600.0 + FINAL_FOR_S
    while (found := queue.next(at, TODAY, TODAY)) != NEVER:
        if isinstance(found, Ask):
            queue.answered(found, TODAY, TODAY, at)
        else:
            at += found
    assert queue.missing(TODAY) == []


def test_a_gateway_that_only_ever_calls_pacing_is_asked_little():
    queue, gateway = queue_of(*"ABCDEFGH"), PacingJudge(1, trouble=0.0)
    gateway.answer = lambda at: (at + 0.1, refused(PACING))
    simulate(queue, gateway, hours=24)
    assert len(gateway.sent) <= MOST_OPEN * 24 * 6


# What may be stored


def test_a_volatility_out_of_scale_is_left_out_and_counted():
    bars = [
        bar(SESSION - timedelta(days=n), close)
        for n, close in enumerate([0.2, 17.5, 0.009, 0.01, 5.0, -1.0, 0.0])
    ]
    kept, out = sound(IMPLIED, bars, SESSION)
    assert [one.close for one in kept] == [0.2, 0.01, 5.0] and out == 4


def test_a_price_may_be_any_number_above_zero():
    kept, out = sound(TRADES, [bar(SESSION, 17.5), bar(SESSION, 0.001), bar(SESSION, 5.0, low=-1.0)], SESSION)
    assert [one.close for one in kept] == [17.5, 0.001] and out == 1


def test_the_day_under_way_is_not_a_day_yet():
    assert sound(TRADES, [bar(SESSION, 1.0), bar(TODAY, 2.0)], SESSION) == ([bar(SESSION, 1.0)], 0)
