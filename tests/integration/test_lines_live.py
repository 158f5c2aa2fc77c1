"""Five hundred positions on a hundred lines, over a real socket."""

import anyio
import pytest

from engine.model import IvSource
from tests.integration.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

RISKIEST = 20
PER_SECOND = 45


def quote_ages(book, snapshot):
    """Seconds since each option's own quote, the riskiest first; None where there was none yet."""
    options = [one for one in snapshot.positions if one.contract.is_option]
    options.sort(key=lambda one: -book.risk_of(one.id))
    return [
        None if one.quote_spot is None else (snapshot.as_of - one.as_of).total_seconds() for one in options
    ]


async def test_five_hundred_positions_are_all_priced_on_a_hundred_lines(live):
    async with live(positions=500) as it:
        await until(lambda: it.book.complete and not it.book.awaits_prices, 20.0)
        worst_risky = 0.0
        with anyio.move_on_after(100.0):
            while True:
                await anyio.sleep(5.0)
                view = await it.desk.view(fresh=True)
                ages = quote_ages(it.book, view.snapshot)
                if None not in ages:
                    break
        for _ in range(4):
            await anyio.sleep(5.0)
            view = await it.desk.view(fresh=True)
            ages = quote_ages(it.book, view.snapshot)
            worst_risky = max(worst_risky, *ages[:RISKIEST])
        report = view.report
        assert report.quality.left_out == ()
        assert all(one.mark is not None and one.mark_source is not None for one in report.positions)
        options = [one for one in report.positions if one.right is not None]
        assert all(one.iv is not None and one.iv_source is not None for one in options)
        own = sum(one.iv_source in {IvSource.MARK, IvSource.BROKER} for one in options)
        assert own >= 0.95 * len(options)
        assert worst_risky <= 60.0
        assert max(ages) <= 300.0
        assert it.gateway.most_lines() <= 100
        assert it.gateway.busiest_second() <= PER_SECOND
        assert it.gateway.open_lines() >= 90


async def test_turns_leave_no_ticker_behind(live):
    async with live(positions=60, max_lines=30) as it:
        await until(lambda: it.book.complete and not it.book.awaits_prices, 20.0)
        await anyio.sleep(15.0)
        session = it.link._session
        wrapper = session._client._ib.wrapper
        assert len(wrapper.tickers) <= 30 and len(wrapper.reqId2Ticker) <= 30
        assert it.gateway.most_lines() <= 30
        sent = sum(row.message_id == "1" for row in it.gateway.received)
        assert sent > 60, "the lines went round"


async def test_with_fewer_lines_than_underlyings_these_take_turns_too(live):
    async with live(positions=60, max_lines=8) as it:
        await until(lambda: it.book.complete and not it.book.awaits_prices, 60.0)
        assert it.gateway.most_lines() <= 8
