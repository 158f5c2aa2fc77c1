"""The simulated gateway: a TCP server in front of a world, and the hands that move that world.

`running_gateway` is the way in for tests; `python -m simulator.gateway` for everything else.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
from anyio.abc import SocketAttribute, SocketStream

from simulator.gateway import messages, requests
from simulator.gateway.account import Account
from simulator.gateway.account_values import value_rows
from simulator.gateway.events import Crash, Event
from simulator.gateway.lines import Line
from simulator.gateway.protocol import ProtocolError, RequestError, fields_of, frame, negotiate
from simulator.gateway.session import Session
from simulator.gateway.world import World
from simulator.trading_days import NEW_YORK

_TURN_S = 0.25
_OPTIONS_EVERY = 4  # turns: each option line is looked at once a second, each on its own turn
_PNL_EVERY, _ACCOUNT_EVERY = 4, 12
_RECORDED = 100_000
_CRASH_VOLATILITY = 0.10  # log rise of all volatilities beyond what they answer to spot
_UNKNOWN_MESSAGE = 505
_UNREADABLE = 320


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
    clock: Callable[[], datetime] = system_clock


@dataclass(frozen=True, slots=True)
class Received:
    """One message from a client: when, from whom (None before START_API), and its fields."""

    at: datetime
    client_id: int | None
    fields: tuple[str, ...]

    @property
    def message_id(self) -> str:
        return self.fields[0] if self.fields else ""


class Gateway:
    """A world with clients.

    `received` holds the newest messages from all clients, `violations` those among them that would trade. `port`
    is set once it listens.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.clock = config.clock
        self.world = World(config.positions, config.seed, config.clock())
        self.account = Account(self.world, config.seed)
        self.port = 0
        self.received: deque[Received] = deque(maxlen=_RECORDED)
        self.violations: list[Received] = []
        self.sessions: list[Session] = []
        self._crashes: list[Crash] = []
        self._touched: set[str] = set()
        self._fresh: list[tuple[Session, Line]] = []
        self._awake = anyio.Event()
        self._turn = 0

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
        session.wants.lines[line.req_id] = line
        if line.instrument.is_option:
            self.world.board.add([line.instrument])
        self._fresh.append((session, line))
        self._awake.set()

    # -- clients ----------------------------------------------------------------------------------------------

    async def attend(self, stream: SocketStream) -> None:
        """Serves one connection from greeting to end."""
        session = Session(stream)
        async with stream, anyio.create_task_group() as tasks:
            tasks.start_soon(session.write)
            try:
                await self._converse(session)
            finally:
                if session in self.sessions:
                    self.sessions.remove(session)
                tasks.cancel_scope.cancel()

    async def _converse(self, session: Session) -> None:
        async for payload in session.payloads():
            if session.version is None:
                if not self._greet(session, payload):
                    return
                continue
            fields = fields_of(payload)
            self._record(session, fields)
            if fields and fields[0] == "71" and self._is_id_taken(fields):
                text = "Unable to connect as the client id is already in use. Retry with a unique client id."
                session.send(messages.error(-1, 326, text))
                session.finish()
                continue
            self.answer(session, fields)

    def _greet(self, session: Session, payload: bytes) -> bool:
        """Agrees on a version; False when there is none to agree on."""
        try:
            session.version = negotiate(payload)
        except ProtocolError:
            return False
        self.sessions.append(session)
        session.send(frame(session.version, f"{self.exchange_time():%Y%m%d %H:%M:%S} EST"))
        return True

    def answer(self, session: Session, fields: list[str]) -> None:
        """Dispatches one message; what is not understood gets an error notice."""
        try:
            handler = requests.HANDLERS.get(int(fields[0])) if fields else None
        except ValueError:
            handler = None
        if handler is None:
            session.send(messages.error(-1, _UNKNOWN_MESSAGE, "Fatal Error: Unknown message id."))
            return
        try:
            handler(self, session, fields)
        except (RequestError, IndexError, OverflowError) as problem:
            text = f"Error reading request. {problem}"
            session.send(messages.error(-1, _UNREADABLE, text))

    def _record(self, session: Session, fields: list[str]) -> None:
        entry = Received(self.clock(), session.client_id, tuple(fields))
        self.received.append(entry)
        if entry.message_id.isdecimal() and int(entry.message_id) in requests.ORDER_MESSAGES:
            self.violations.append(entry)

    def _is_id_taken(self, fields: Sequence[str]) -> bool:
        return any(str(session.client_id) == fields[2] for session in self.sessions if len(fields) > 2)

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
                if line.instrument.symbol in symbols and not line.instrument.is_option:
                    session.send(line.news(self.world))
        self._touched |= symbols
        self._awake.set()

    def _publish(self) -> None:
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
                if line.instrument.symbol in touched:
                    self._tell(session, line)

    def _tell(self, session: Session, line: Line) -> bool:
        """Sends a line's news; False while its option came too late for this turn's prices."""
        if not self.world.is_priced(line.instrument):
            return False
        session.send(line.news(self.world))
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
    listener = await anyio.create_tcp_listener(local_host=gateway.config.host, local_port=gateway.config.port)
    gateway.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
    try:
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, gateway.attend)
            tasks.start_soon(gateway.run)
            try:
                yield gateway
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None  # what the block raised, as it raised it
