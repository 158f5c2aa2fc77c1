"""One fault after the other against a live link, and what is demanded of it: used by the test and by `make soak`.

Each run has a gateway and a link of its own. The fault begins on a live link, lasts a while and ends; from that moment counts
the time until the link is live again, with the lines that it should have.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from bot.clock import SystemClock
from engine.book import Book
from engine.broker import Link, LinkPhase
from engine.settings import DataSettings, IbkrSettings, ScenarioSettings
from simulator.gateway import Gateway, GatewayConfig, running_gateway


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and what a link must say of it.

    blinds: while it lasts the picture must be called blind; told: words that /status must have; harmless: nothing may be said;
    longer: the fault lasts so many seconds more, because it shows only when a login has waited in vain; refused_for_long: the
    lines are not asked for again within the run, as is right.
    """

    fault: str
    blinds: bool = False
    told: str = ""
    harmless: bool = False
    longer: float = 0.0
    refused_for_long: bool = False


CASES: Sequence[Case] = (
    Case("refuse", blinds=True, told="nothing listens"),
    Case("no-greeting", blinds=True, told="did not answer", longer=10.0),
    Case("no-start", blinds=True, told="did not answer", longer=10.0),
    Case("old-server", blinds=True, told="did not answer", longer=10.0),
    Case("id-in-use=1", told=""),
    Case("leave-out=62", blinds=True, told="whole", longer=10.0),
    Case("leave-out=54", blinds=True, told="whole", longer=10.0),
    Case("endless-positions", blinds=True, told="", longer=10.0),
    Case("restart", blinds=True, told="nothing listens"),
    Case("fin", told="connection to the gateway was lost"),
    Case("rst", told="connection to the gateway was lost"),
    Case("black-hole", blinds=True, told="silent"),
    Case("slice", harmless=True),
    Case("merge", harmless=True),
    Case("bad-length", blinds=True, told="silent"),
    Case("slow=0.3", harmless=True),
    Case("unknown-message", harmless=True),
    Case("empty-field", told="can't be read"),
    Case("short-error", harmless=True),
    Case("skew=40", blinds=True, told="clock"),
    Case("1100", blinds=True, told="lost its connection"),
    Case("1100=1101", blinds=True, told="lost its connection"),
    Case("1300", told="connection"),
    Case("farm", blinds=True, told="farm"),
    Case("hmds", told="history farm"),
    Case("secdef", told="definitions farm"),
    Case("line-cap=6", told="market data lines"),
    Case("354=AAPL", told="AAPL"),
    Case("10168", told="subscription", refused_for_long=True),
    Case("10090", told="not subscribed"),
    Case("10167", told="delayed"),
    Case("10197", blinds=True, told="another login"),
    Case("frozen", blinds=True, told="no quotes"),
    Case("no-greeks", harmless=True),
    Case("sentinels", harmless=True),
    Case("nan", blinds=True, told="no quotes"),
    Case("infinity", blinds=True, told="no quotes"),
    Case("unset", blinds=True, told="no quotes"),
    Case("negative", blinds=True, told="no quotes"),
    Case("x100=AAPL", told="jumped"),
    Case("late-greeks=3", harmless=True),
    Case("10089=AAPL", told="AAPL"),
    Case("10091", told="not subscribed"),
    Case("no-positions", blinds=True, told="none arrived", longer=4.0),
    Case("rate-limit", harmless=True),
    Case("200"),
    Case("duplicate-rows", harmless=True),
    Case("2100", told="took over"),
    Case("unset-pnl", harmless=True),
)

LOGS_IN_AGAIN = frozenset(
    [
        "refuse",
        "no-greeting",
        "no-start",
        "old-server",
        "id-in-use",
        "leave-out",
        "endless-positions",
        "restart",
        "line-cap",
        "no-positions",
    ]
)
"""Faults that a standing login does not meet: it is cut when they begin."""
POSITIONS = 8
GRACE_S = 3.0
"""So much later than `stale_after` a silence is seen at the latest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed. seconds: from the end of the fault until all was well; inf for never within the limit.
    fine_while_blind: the link was called live, without a word, while no price was of the present.
    """

    case: Case
    seconds: float
    said: tuple[str, ...]
    was_blind: bool
    fine_while_blind: bool
    lines_back: bool


async def run_case(case: Case, lasts_s: float, within_s: float, seed: int, data: DataSettings) -> Outcome:
    """Play one fault against a fresh gateway and link."""
    clock, book = SystemClock(), Book()
    jitter = random.Random(seed).random
    async with running_gateway(GatewayConfig(positions=POSITIONS, seed=seed)) as gateway:
        link = Link(book, clock, IbkrSettings(port=gateway.port), data, ScenarioSettings(), jitter=jitter)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.run)
            await _until(lambda: _well(link, book, gateway), 30.0)
            outcome = await _play(case, lasts_s, within_s, link, book, gateway, data.stale_after + GRACE_S)
            tasks.cancel_scope.cancel()
        assert gateway.violations == []
    return outcome


async def _play(
    case: Case, lasts_s: float, within_s: float, link: Link, book: Book, gateway: Gateway, patience_s: float
) -> Outcome:
    said: set[str] = set()
    blind = fine_while_blind = False
    lines = gateway.open_lines()
    fault = gateway.begin(case.fault)
    if fault.kind in LOGS_IN_AGAIN:
        gateway.drop_clients()
    began = anyio.current_time()
    while anyio.current_time() - began < lasts_s + case.longer or (
        case.blinds and not blind and anyio.current_time() - began < within_s
    ):
        state = link.state
        said |= {state.reason} if state.reason else set()
        said |= {reason.text for reason in state.reasons}
        blind = blind or state.blind is not None
        fine_while_blind |= state.phase is LinkPhase.LIVE and _all_old(book, patience_s)
        await anyio.sleep(0.05)
    if not fault.is_instant:
        gateway.end(fault)
    ended = anyio.current_time()
    well = await _until(lambda: _well(link, book, gateway), within_s)
    seconds = anyio.current_time() - ended if well else float("inf")
    cap = fault.number if fault.kind == "line-cap" else lines
    back = case.refused_for_long or await _until(lambda: gateway.open_lines() >= min(lines, cap), 10.0)
    return Outcome(case, seconds, tuple(sorted(said)), blind, fine_while_blind, back)


def _all_old(book: Book, seconds: float) -> bool:
    """Whether every underlying's price is older than that."""
    now = SystemClock().now()
    times = [one.spot_as_of for one in book.freeze(now).underlyings.values()]
    return all(at is None or (now - at).total_seconds() > seconds for at in times)


def _well(link: Link, book: Book, gateway: Gateway) -> bool:
    return (
        link.state.phase in {LinkPhase.LIVE, LinkPhase.DEGRADED}
        and link.state.blind is None
        and book.complete
        and not book.awaits_prices
    )


async def _until(holds: Callable[[], bool], within_s: float) -> bool:
    with anyio.move_on_after(within_s):
        while not holds():
            await anyio.sleep(0.05)
        return True
    return False


def table(outcomes: Sequence[Outcome]) -> str:
    """The runs, one a line, for people."""
    lines = [f"{'fault':<20}{'back after':>11}  {'blind':<6}{'lines':<6}said"]
    for one in outcomes:
        words = "; ".join(one.said)[:70]
        lines.append(
            f"{one.case.fault:<20}{one.seconds:>9.1f} s  {'yes' if one.was_blind else '-':<6}"
            f"{'back' if one.lines_back else 'MISSING':<8}{words}"
        )
    times = sorted(one.seconds for one in outcomes)
    lines.append(
        f"{len(times)} faults: p50 {times[len(times) // 2]:.1f} s, p99 {times[int(0.99 * (len(times) - 1))]:.1f} s, "
        f"longest {times[-1]:.1f} s"
    )
    return "\n".join(lines)
