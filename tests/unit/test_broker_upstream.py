"""The gateway's notices about its own connections, as it words them."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.broker.facts import Notice
from engine.broker.upstream import Remedy, Upstream

AT = datetime(2026, 7, 28, 14, 30, tzinfo=UTC)
LOST = "Connectivity between IBKR and Trader Workstation has been lost."


def hear(upstream: Upstream, *said: tuple[int, str], at: datetime = AT) -> list[Remedy | None]:
    return [upstream.hear(Notice(-1, code, text), at) for code, text in said]


def texts(upstream: Upstream, at: datetime = AT) -> list[str]:
    return [reason.text for reason in upstream.reasons(at)]


def test_a_lost_connection_blinds_until_it_is_restored() -> None:
    upstream = Upstream()
    hear(upstream, (1100, LOST))
    hear(upstream, (1100, LOST), at=AT + timedelta(minutes=1))
    (reason,) = upstream.reasons(AT)
    assert reason.blinds and reason.since == AT and upstream.is_lost
    assert hear(upstream, (1102, "… restored - data maintained. All data farms are connected: usfarm.")) == [
        Remedy.CHECK_STREAMS
    ]
    assert texts(upstream) == []


def test_restored_without_data_asks_for_all_subscriptions_again() -> None:
    upstream = Upstream()
    assert hear(upstream, (1100, LOST), (1101, "… restored - data lost."))[1] is Remedy.SUBSCRIBE_AGAIN
    assert not upstream.is_lost


def test_a_farm_that_comes_back_has_its_streams_checked() -> None:
    upstream = Upstream()
    down = (2103, "Market data farm connection is broken:usfarm")
    up = (2104, "Market data farm connection is OK:usfarm")
    assert hear(upstream, up) == [None], "it was never down"
    assert hear(upstream, down) == [None]
    assert "usfarm" in texts(upstream)[0] and upstream.reasons(AT)[0].blinds
    assert hear(upstream, up) == [Remedy.CHECK_STREAMS]
    assert texts(upstream) == []


def test_the_history_farm_is_not_the_market() -> None:
    upstream = Upstream()
    hear(upstream, (2105, "HMDS data farm connection is broken:ushmds"))
    assert not upstream.reasons(AT)[0].blinds
    dotted = "HMDS data farm connection is inactive but should be available upon demand.ushmds"
    assert hear(upstream, (2107, dotted)) == [None]
    assert texts(upstream) == []


def test_definitions_are_doubted_while_their_farm_or_the_broker_is_away() -> None:
    upstream = Upstream()
    hear(upstream, (2157, "Sec-def data farm connection is broken:secdefil"))
    assert upstream.doubts_definitions(AT)
    hear(upstream, (2158, "Sec-def data farm connection is OK:secdefil"))
    assert upstream.doubts_definitions(AT + timedelta(minutes=1)), "a burst of refusals may follow"
    assert not upstream.doubts_definitions(AT + timedelta(minutes=3))


def test_a_competing_login_is_named_until_quotes_come() -> None:
    upstream = Upstream()
    hear(upstream, (10197, "No market data during competing live session"))
    assert "another login" in texts(upstream)[0]
    upstream.quotes_came()
    assert texts(upstream) == []


@pytest.mark.parametrize(
    ("code", "remedy"), [(1300, Remedy.LOG_IN_AGAIN), (2100, Remedy.ACCOUNT_AGAIN), (100, None), (2104, None)]
)
def test_what_else_is_asked_for(code: int, remedy: Remedy | None) -> None:
    assert hear(Upstream(), (code, "…:usfarm")) == [remedy]


def test_passing_troubles_are_forgotten_after_a_while() -> None:
    upstream = Upstream()
    hear(upstream, (100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"), (2100, "…"))
    assert len(upstream.reasons(AT)) == 2
    assert upstream.reasons(AT + timedelta(minutes=6)) == ()


def test_every_reason_says_what_is_done_about_it() -> None:
    upstream = Upstream()
    hear(upstream, (1100, LOST), (2103, "…:usfarm"), (10197, "…"), (2100, "…"), (100, "…"))
    assert all(reason.does for reason in upstream.reasons(AT)) and len(upstream.reasons(AT)) == 5


def test_a_farm_that_is_back_with_the_broker_is_not_down_any_more() -> None:
    upstream = Upstream()
    hear(upstream, (2103, "…:usfarm"), (2105, "…:ushmds"), (1100, LOST))
    said = (
        "… restored - data maintained. The following farms are connected: usfarm. "
        "The following farms are not connected: ushmds."
    )
    hear(upstream, (1102, said))
    assert texts(upstream) == ["the broker's history farm ushmds is down"]
