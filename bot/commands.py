"""The one table of commands: menu, /help and routing come from it. To add a command, write its handler and add a row."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from typing import Final

from bot.handlers import alerts, book, correlation, day, events, explain, history, jobs, risk, what_if
from bot.handlers.context import Context
from bot.replies import Reply
from engine.errors import RequestError
from engine.scenarios import EXAMPLE


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what it is called, what may follow it, what it is for, an example that works, and who answers it."""

    name: str
    follows: str
    summary: str
    example: str
    run: Callable[[Context, str], Awaitable[list[Reply]]]


HINTS: Final = f"""A part of a scenario's name is enough: /scenario panic
Your own words: /whatif {EXAMPLE}
or /whatif tsla -15%, rest -3%. Keep them: /scenario save crash2 {EXAMPLE}, then /scenario delete crash2"""


async def _help(context: Context, text: str) -> list[Reply]:
    """All commands, or one with its example."""
    wanted = text.strip().lstrip("/").casefold()
    if wanted:
        command = lookup(wanted)
        about = f"<b>/{command.name} {escape(command.follows)}</b>\n{escape(command.summary)}"
        return [Reply(f"{about}\nExample: {escape(command.example)}")]
    lines = [f"/{command.name} {escape(command.follows)} - {escape(command.summary)}" for command in COMMANDS]
    return [Reply("\n".join(["<b>Commands</b>", *lines, HINTS]))]


COMMANDS: Final = (
    Command(
        "positions", "[symbol]", "what is held, with marks, IV and Greeks", "/positions AAPL", book.positions
    ),
    Command(
        "scenario",
        "[name]",
        "one what-if by position; save or delete your own",
        "/scenario panic",
        what_if.scenario,
    ),
    Command("whatif", "moves", "a what-if in your own words", f"/whatif {EXAMPLE}", what_if.whatif),
    Command("scenarios", "", "all what-ifs at a glance", "/scenarios", what_if.scenarios),
    Command(
        "matrix",
        "[symbol] [5d] [shaped]",
        "P&L over spot and volatility, a heat map; so many days on; IV shaped by the model",
        "/matrix 5d",
        what_if.matrix,
    ),
    Command(
        "greeks", "[expiry|sector]", "Greeks by underlying, expiry or sector", "/greeks expiry", book.greeks
    ),
    Command(
        "risk",
        "[symbol] [10d]",
        "Value at Risk and who causes it; concentration; correlation; backtest: was it right; model: the broker's",
        "/risk 10d",
        risk.risk,
    ),
    Command(
        "explain",
        "[symbol] [open] [3d]",
        "the P&L since yesterday's close, today's open or a close some days ago, and why",
        "/explain open",
        explain.explain,
    ),
    Command(
        "history",
        "[days]",
        "net liquidation, P&L, Value at Risk and the worst scenario over time",
        "/history 30",
        history.history,
    ),
    Command(
        "events", "[symbol] [days]", "what is coming, and what it means", "/events AAPL 60", events.events
    ),
    Command(
        "alerts",
        "[history | mute rule]",
        "what is firing, since when; what became of it; a rule to be silent of",
        "/alerts history",
        alerts.alerts,
    ),
    Command("limits", "", "everything that is watched, and its limit", "/limits", alerts.limits),
    Command("report", "", "the end-of-day message, now", "/report", day.report),
    Command("jobs", "", "what runs when, how it went, how long it took", "/jobs", jobs.jobs),
    Command("status", "", "how riskbot itself is", "/status", day.status),
    Command("help", "[command]", "this list, or one command", "/help matrix", _help),
    Command("start", "", "what riskbot is", "/start", day.start),
)
BY_NAME: Final = {command.name: command for command in COMMANDS}

ACTIONS: Final[dict[str, Callable[[Context, list[str]], Awaitable[list[Reply]]]]] = {
    "positions": book.positions_page,
    "greeks": book.greeks_again,
    "risk": risk.risk_again,
    "view": risk.view_again,
    "correlation": correlation.correlation_again,
    "explain": explain.explain_page,
    "history": history.history_again,
    "events": events.events_again,
    "scenario": what_if.scenario_page,
    "open": what_if.open_scenario,
    "scenarios": what_if.scenarios_again,
    "all": what_if.all_scenarios,
    "bars": what_if.bars,
    "matrix": what_if.matrix_page,
    "whatif": what_if.whatif_page,
    "alerts": alerts.alerts_again,
    "ack": alerts.acknowledge,
    "snooze": alerts.snooze,
    "limits": alerts.limits_again,
    "status": day.status_again,
    "jobs": jobs.jobs_again,
}
"""What buttons stand for; the arguments come from their data."""

ARGUMENTS: Final = {
    "positions": 3,
    "greeks": 1,
    "ack": 1,
    "open": 1,
    "snooze": 2,
    "view": 2,
    "risk": 2,
    "correlation": 2,
    "explain": 3,
    "history": 2,
    "scenario": 3,
    "matrix": 2,
    "events": 2,
    "whatif": 3,
}


def lookup(name: str) -> Command:
    """The command called `name`.

    Raises:
        RequestError: If there is none; the text names the nearest.
    """
    found = BY_NAME.get(name.casefold())
    if found is None:
        near = get_close_matches(name.casefold(), BY_NAME, 1, 0.5) or ["help"]
        raise RequestError(
            f"There is no command /{name[:30]}. Nearest: /{near[0]}. Try: {BY_NAME[near[0]].example}"
        )
    return found


async def answer_text(context: Context, text: str) -> list[Reply]:
    """Answer a message: a command with what follows it, or a hint for anything else.

    Raises:
        RequestError: If it can't be understood; the text says what can.
    """
    if not text.startswith("/"):
        raise RequestError("I answer commands. Try: /positions or /scenario panic, or /help for all.")
    word, *rest = text[1:].split(maxsplit=1) or [""]
    name = word.partition("@")[0]
    return await lookup(name).run(context, " ".join(rest).strip())


async def answer_press(context: Context, action: str, arguments: list[str]) -> list[Reply]:
    """Answer a pressed button.

    Raises:
        RequestError: If its data is not one of ours.
    """
    run = ACTIONS.get(action)
    if run is None or len(arguments) != ARGUMENTS.get(action, 0):
        raise RequestError("That button is not valid any more. Send the command again.")
    return await run(context, arguments)
