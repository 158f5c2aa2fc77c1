"""The simulated gateway: a TCP server in front of a world, and the hands that move that world.

`running_gateway` is the way in for tests; `python -m simulator.gateway` for everything else.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
from anyio.abc import TaskGroup

from simulator.gateway import distortions, fault_actions, requests
from simulator.gateway.account import Account
from simulator.gateway.account_values import value_rows
from simulator.gateway.door import Door
from simulator.gateway.events import Crash, Event
from simulator.gateway.fault_player import FaultPlayer
from simulator.gateway.faults import Fault
from simulator.gateway.lines import Line
from simulator.gateway.protocol import frame
from simulator.gateway.reception import Reception
from simulator.gateway.recorder import Received, Recorder
from simulator.gateway.session import Session
from simulator.gateway.world import World
from simulator.trading_days import NEW_YORK

_TURN_S = 0.25
_OPTIONS_EVERY = 4  # turns: each option line is looked at once a second, each on its own turn
_PNL_EVERY, _ACCOUNT_EVERY, _LOST_EVERY = 4, 12, 40
_CRASH_VOLATILITY = 0.10  # log rise of all volatilities beyond what they answer to spot


def system_clock() -> datetime:
    """The machine's time; the gateway's default clock."""
    return datetime.now(UTC)  # noqa: TID251 - the simulator's outermost shell


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """How to run a gateway. Port 0 takes a free one; `clock` gives aware times."""

    positions: int = 24
    seed: int = 7
    host: str = "127.0.0.1"
    port: int = 0
    max_lines: int = 100
    events: tuple[Event, ...] = ()
    faults: tuple[Fault, ...] = ()
    clock: Callable[[], datetime] = system_clock


class Gateway:
    """A world with clients.

    `received` holds the newest messages from all clients, `violations` those among them that would trade. `port`
    is set once it listens. How faults are begun and ended by hand is told in `simulator.gateway.faults`.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.clock = config.clock
        self.world = World(config.positions, config.seed, config.clock())
        self.account = Account(self.world, config.seed)
        self.door = Door(config.host, config.port)
        self.faults = FaultPlayer(self)
        self.active = self.faults.active
        self.recorder = Recorder(frozenset(str(one) for one in requests.ORDER_MESSAGES))
        self.connections: list[Session] = []
        self.sessions: list[Session] = []  # the connections that have been greeted
        self.next_id = 1
        self.reception = Reception(self)
        self._crashes: list[Crash] = []
        self._touched: set[str] = set()
        self._fresh: list[tuple[Session, Line]] = []
        self._awake = anyio.Event()
        self._turn = 0

    @property
    def port(self) -> int:
        return self.door.port

    @property
    def received(self) -> Sequence[Received]:
        return self.recorder.received

    @property
    def violations(self) -> list[Received]:
        return self.recorder.violations

    # -- hands ------------------------------------------------------------------------------------------------

    def move(self, symbol: str, price: float) -> None:
        """Puts an underlying at a price and ticks it to every line at once; its options follow within the turn.

        Raises:
            KeyError, ValueError: As `Market.set_spot`.
        """
        self.world.market.set_spot(symbol, price)
        self._after_jump({symbol, "VIX"} if symbol == "SPX" else {symbol})

    def crash(self, spot: float = -0.08, seconds: float = 0) -> None:
        """Lets the whole market fall: SPX by `spot`, the others by their betas, volatilities rise.

        Args:
            spot: simple return of SPX, above -1.
            seconds: how long the fall takes; 0 is at once.
        """
        crash = Crash(spot, _CRASH_VOLATILITY, self.clock().timestamp(), seconds)
        if seconds > 0:
            self._crashes.append(crash)
        else:
            self.world.market.shock(crash.spot, crash.volatility)
            self._after_jump(set(self.world.market.index))

    def drop_clients(self) -> None:
        """Cuts every connection without a word."""
        for session in list(self.sessions):
            session.cut()

    def begin(self, what: str | Fault) -> Fault:
        """Begins a fault now. Raises ValueError for a text that is none."""
        return self.faults.begin(what)

    def end(self, what: str | Fault) -> None:
        """Ends a fault, or every fault of a kind."""
        self.faults.end(what)

    def during(self, what: str | Fault) -> AbstractContextManager[Fault]:
        """A fault for the length of a block."""
        return self.faults.during(what)

    def play(self, what: str | Fault) -> None:
        """Begins and ends a fault at its times, counted from now."""
        self.faults.play(what)

    def busiest_second(self, client_id: int | None = None) -> int:
        """The most messages that a client (or any) has sent in any sliding second."""
        return self.recorder.busiest_second(client_id)

    def most_lines(self, client_id: int | None = None) -> int:
        """The most lines that a client (or any) ever had open at once."""
        return self.recorder.most_lines(client_id)

    def open_history(self, client_id: int | None = None) -> int:
        """How many historical requests wait for their answer, of all clients or of one."""
        return sum(
            len(session.history)
            for session in self.sessions
            if client_id is None or session.client_id == client_id
        )

    def most_history(self, client_id: int | None = None) -> int:
        """The most historical requests that a client (or any) ever had open at once."""
        return self.recorder.most_history(client_id)

    @property
    def max_lines(self) -> int:
        """How many lines there may be; the fault `line-cap` changes it."""
        return int(self.active.number("line-cap", self.config.max_lines))

    def open_lines(self, client_id: int | None = None) -> int:
        """How many market data lines are open, of all clients or of one."""
        return sum(
            len(session.wants.lines)
            for session in self.sessions
            if client_id is None or session.client_id == client_id
        )

    def exchange_time(self) -> datetime:
        return self.clock().astimezone(NEW_YORK)

    def open_line(self, session: Session, line: Line) -> None:
        """Adds a line; its first ticks go out in a turn that starts right away."""
        line.since = anyio.current_time()
        line.is_dead = self.is_farm_broken(line)
        session.wants.lines[line.req_id] = line
        self.recorder.lines(session.client_id, len(session.wants.lines))
        if line.instrument.is_option:
            self.world.board.add([line.instrument])
        self._fresh.append((session, line))
        self._awake.set()

    # -- clients ----------------------------------------------------------------------------------------------

    async def listen(self, tasks: TaskGroup) -> None:
        """Lets clients in, and starts the faults that the config asks for."""
        self.faults.tasks = tasks
        for fault in self.config.faults:
            self.play(fault)
        await tasks.start(self.door.run, self.reception.attend, tasks)

    def clients(self) -> list[Session]:
        """The connections that have said who they are."""
        return [session for session in self.sessions if session.client_id is not None]

    def account_names(self) -> tuple[str, ...]:
        """What a login finds."""
        switched, second = self.active.args("account"), self.active.args("two-accounts")
        return (*(switched or (self.account.name,)), *(second or ()))

    def is_farm_broken(self, line: Line) -> bool:
        """Whether the farm that a line's data come from is down."""
        farm = "usopt" if line.instrument.is_option else "usfarm"
        return any(not fault.args or farm in fault.args for fault in self.active.of("farm"))

    # -- the market's turn --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Moves the market a few times a second and tells the clients, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for event in self.config.events:
                tasks.start_soon(self._play, event)
            due = anyio.current_time()
            while True:
                with anyio.move_on_after(max(0.0, due - anyio.current_time())):
                    await self._awake.wait()
                self._awake = anyio.Event()
                if anyio.current_time() >= due:
                    due = max(due + _TURN_S, anyio.current_time())
                    self._advance()
                    await self._solve()
                    self._publish()
                else:
                    await self._solve()
                self._publish_fresh()
                await anyio.lowlevel.checkpoint()

    async def _play(self, event: Event) -> None:
        await anyio.sleep(event.after_s)
        self.crash(seconds=event.lasts_s)

    def _advance(self) -> None:
        self._turn += 1
        if any(not fault.args for fault in self.active.of("frozen")):
            return
        now = self.clock().timestamp()
        self.world.market.step(now)
        for crash in self._crashes:
            share, volatility = crash.part(now)
            self.world.market.shock(share, volatility)
        self._crashes = [crash for crash in self._crashes if not crash.is_over]
        self.world.note_extremes()

    async def _solve(self) -> None:
        """Full prices where they are due, in batches that let the sockets breathe, then the view of all."""
        for batch in self.world.board.chores():
            self.world.board.solve(batch)
            await anyio.lowlevel.checkpoint()
        self.world.board.refresh()

    def _after_jump(self, symbols: set[str]) -> None:
        self.world.note_extremes()
        for session in self.sessions:
            for line in session.wants.lines.values():
                if line.symbol in symbols and not line.instrument.is_option:
                    self._tell(session, line)
        self._touched |= symbols
        self._awake.set()

    def _publish(self) -> None:
        if self.active.on("1100"):
            if self._turn % _LOST_EVERY == 0:
                fault_actions.tell_lost(self)
            return
        for session in self.sessions:
            if session.wants_positions and self.active.on("endless-positions"):
                requests.tell_positions(self, session)
        for session in self.sessions:
            for line in session.wants.lines.values():
                if not line.instrument.is_option or (self._turn + line.req_id) % _OPTIONS_EVERY == 0:
                    self._tell(session, line)
        if self._turn % _PNL_EVERY == 0:
            self._publish_pnl()
        if self._turn % _ACCOUNT_EVERY == 0:
            self._publish_account()

    def _publish_fresh(self) -> None:
        """The first ticks of new lines, the end of snapshots, and the options of what has just jumped."""
        if self.active.on("1100"):
            return
        fresh, self._fresh = self._fresh, []
        for session, line in fresh:
            if session.wants.lines.get(line.req_id) is not line:
                continue
            if not self._tell(session, line):
                self._fresh.append((session, line))
                self._awake.set()
            elif line.is_snapshot:
                del session.wants.lines[line.req_id]
                session.send(frame(57, 1, line.req_id))
        touched, self._touched = self._touched, set()
        for session in self.sessions if touched else ():
            for line in session.wants.lines.values():
                if line.symbol in touched:
                    self._tell(session, line)

    def _tell(self, session: Session, line: Line) -> bool:
        """Sends a line's news; False while its option came too late for this turn's prices."""
        if not self.world.is_priced(line.instrument):
            return False
        is_held = line.sent and self.active.on("frozen", line.symbol)
        if line.is_dead or is_held or self.active.on("1100"):
            return True
        now, moment = anyio.current_time(), self.world.market.now
        ticks = distortions.distorted(line.news(self.world), line, self.active, now, moment)
        session.send(b"".join(frame(*tick) for tick in ticks))
        return True

    def _publish_pnl(self) -> None:
        for session in self.sessions:
            if session.wants.pnl or session.wants.pnl_single:
                requests.tell_pnl(self, session)

    def _publish_account(self) -> None:
        interested = [
            s for s in self.sessions if s.wants.account_updates or s.wants.values or s.wants.summaries
        ]
        if not interested:
            return
        rows = value_rows(self.account)
        for session in interested:
            if session.wants.account_updates:
                requests.tell_account_updates(self, session, rows)
            for req_id in session.wants.values:
                requests.tell_values(self, session, req_id, rows)
            for req_id in session.wants.summaries:
                requests.tell_summary(self, session, req_id, rows)


@asynccontextmanager
async def running_gateway(config: GatewayConfig | None = None) -> AsyncIterator[Gateway]:
    """A gateway that listens for the length of the block.

    Raises:
        OSError: If the port can't be had.
    """
    gateway = Gateway(config or GatewayConfig())
    await gateway.door.bind()
    try:
        async with anyio.create_task_group() as tasks:
            try:
                await gateway.listen(tasks)
                tasks.start_soon(gateway.run)
                yield gateway
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None  # what the block raised, as it raised it
