"""The broker side alone, for `riskbot snapshot` and `riskbot check`: a link, a Book, and a Snapshot when it is ready."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from bot.clock import SystemClock
from bot.config import Config
from bot.desk import Desk, View
from bot.events import events_for_once
from bot.rates import curve_for_once
from engine.book import Book
from engine.broker import Link
from engine.errors import LinkDown, RequestError
from engine.model import IvSource, MarkSource, RateCurve
from engine.reports.document import report_json
from engine.snapshot_file import dump_snapshot
from scheduler import MarketHours

READY_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.25
SETTLES_WITHIN_S: Final = 5.0


@asynccontextmanager
async def live_desk(config: Config, curve: RateCurve | None = None) -> AsyncIterator[Desk]:
    """A Desk on a live link, for the length of the block; without a `curve` it has the configured rate."""
    clock = SystemClock()
    book = Book()
    if curve is not None:
        book.set_rates(curve)
    book.set_events(await events_for_once(config.data, config.database.url, clock))
    hours = MarketHours(config.schedule)
    link = Link(book, clock, config.ibkr, config.data, config.scenarios, is_open=hours.is_open)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.run)
        yield Desk(book, link, clock, config.engine)
        tasks.cancel_scope.cancel()


async def settled_view(desk: Desk) -> View:
    """The view once the account is complete and its options have volatilities of their own, or have had time to get them.

    Raises:
        LinkDown: If the account does not arrive whole within half a minute; the text says why.
    """
    complete_for = 0.0
    with anyio.move_on_after(READY_WITHIN_S):
        while True:
            view = await desk.view(fresh=True)
            if view.report.complete and (_priced(view) or complete_for >= SETTLES_WITHIN_S):
                return view
            complete_for += LOOK_EVERY_S if view.report.complete else 0.0
            await anyio.sleep(LOOK_EVERY_S)
    raise LinkDown(desk.link_state.reason or "the account did not arrive whole within 30 s")


def _priced(view: View) -> bool:
    """Whether every option has a quote and a sigma of its mark or of the broker, and nothing is left out."""
    own = {IvSource.MARK, IvSource.BROKER, IvSource.GIVEN}
    options = [one for one in view.report.positions if one.right is not None and (one.dte or 0) >= 0]
    quoted = all(one.mark_source in {MarkSource.QUOTE, MarkSource.CARRIED} for one in options)
    return not view.report.quality.left_out and quoted and all(one.iv_source in own for one in options)


async def write_snapshot(config: Config, out: Path, report_out: Path | None) -> None:
    """Write the live Snapshot to `out`, and, when asked, the report made of that very one.

    Raises:
        LinkDown: If the account does not arrive whole.
        RequestError: If a file can't be written.
    """
    curve, rates = await curve_for_once(config.data, SystemClock())
    print(f"rates: {rates}", file=sys.stderr)
    print(f"connecting to {config.ibkr.host}:{config.ibkr.port} ...", file=sys.stderr, flush=True)
    async with live_desk(config, curve) as desk:
        view = await settled_view(desk)
        await _write(out, dump_snapshot(view.snapshot))
        if report_out is not None:
            await _write(report_out, report_json(await desk.simulated(view)))
    left_out = len(view.report.quality.left_out)
    print(
        f"{out}: {len(view.snapshot.positions)} positions, {left_out} without a value",
        file=sys.stderr,
        flush=True,
    )


async def _write(path: Path, text: str) -> None:
    try:
        await anyio.Path(path).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{path}: can't be written: {error.strerror}") from error
