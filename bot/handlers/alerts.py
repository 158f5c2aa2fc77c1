"""/alerts and /limits: what is firing, what became of it, what its reader wants to hear, and how far everything is from its
limit."""

from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final

from anyio import to_thread

from bot.alarms import beside
from bot.alert_cards import alerts_text, history_text, limits_text, put_off_text
from bot.cards import clock
from bot.handlers.context import Context
from bot.replies import Reply, button
from bot.rule_words import RULE_WORDS
from engine.alerts import judge
from engine.calendar import day_of, session
from engine.errors import RequestError

MOST_HISTORY: Final = 25
DAYS_AHEAD: Final = 10
SNOOZES: Final = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1)}
WORSE_BY: Final = 0.10


async def alerts(context: Context, text: str) -> list[Reply]:
    """What is firing, since when; `history`; `mute` or `unmute` and a rule."""
    word, *rest = text.casefold().split(maxsplit=1) or [""]
    if word == "history":
        events = await context.alarms.history(MOST_HISTORY)
        view = await context.desk.view()
        card = history_text(events, view.report, context.now(), context.zone)
        return [Reply(f"{card}\n{context.foot(view)}")]
    if word in {"mute", "unmute"}:
        return [await _mute(context, " ".join(rest), word == "mute")]
    if word:
        raise RequestError(f"/alerts {word[:20]}? Try: /alerts, /alerts history or /alerts mute vega")
    view = await context.desk.view()
    alarms = context.alarms
    card = alerts_text(alarms.states, alarms.muted, view.report, context.now(), context.zone)
    keyboard = ((button("Limits", "limits"), button("Refresh", "alerts")),)
    return [Reply(f"{card}\n{context.foot(view)}", keyboard=keyboard)]


async def alerts_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [reply.editing() for reply in await alerts(context, "")]


async def acknowledge(context: Context, arguments: list[str]) -> list[Reply]:
    """Nothing more is said of what a message told, unless it gets worse; its end is."""
    changed = await context.alarms.acknowledge(arguments[0])
    view = await context.desk.view()
    how = "Noted. It is not repeated; you hear if it gets critical, and when it is over"
    return [Reply(put_off_text(how, changed, view.report))]


async def snooze(context: Context, arguments: list[str]) -> list[Reply]:
    """Nothing is said of what a message told for a while, or until it is a tenth worse."""
    told_at, how = arguments
    now = context.now()
    if how == "worse":
        changed = await context.alarms.snooze(told_at, worse=WORSE_BY)
        words = f"Quiet until it is {100 * WORSE_BY:.0f} % worse"
    else:
        until = await _close_after(now) if how == "close" else now + SNOOZES.get(how, SNOOZES["1h"])
        changed = await context.alarms.snooze(told_at, until=until)
        words = f"Quiet until {clock(until, now, context.zone)}"
    view = await context.desk.view()
    keyboard = ((button("Until 10 % worse", "snooze", told_at, "worse"),),) if how != "worse" else ()
    return [Reply(put_off_text(words, changed, view.report), keyboard=keyboard)]


async def limits(context: Context, text: str) -> list[Reply]:
    """Everything that is watched: where it stands now, and its limit."""
    view = await context.desk.view()
    dated, gaps = await beside(view)
    of = context.desk.settings.risk_limits
    verdict = judge(view.report, dated, of, context.desk.link_state.blind, gaps)
    keyboard = ((button("Alerts", "alerts"), button("Refresh", "limits")),)
    return [
        Reply(
            f"{limits_text(verdict, view.report, of)}\n{context.foot(view)}",
            keyboard=keyboard,
        )
    ]


async def limits_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [reply.editing() for reply in await limits(context, "")]


async def _mute(context: Context, name: str, on: bool) -> Reply:
    wanted = " ".join(name.split())
    rule = RULE_WORDS.get(wanted)
    if rule is None:
        near = get_close_matches(wanted, RULE_WORDS, 1, 0.3) or ["vega"]
        raise RequestError(
            f"No rule is called {wanted[:20]!r}; there are: {', '.join(RULE_WORDS)}. Try: /alerts mute {near[0]}"
        )
    await context.alarms.mute(rule, on)
    said = "is muted: /alerts still lists it" if on else "speaks again"
    return Reply(f"{wanted.capitalize()} {said}.")


async def _close_after(now: datetime) -> datetime:
    """The next close of the stock market."""

    def found() -> datetime:
        days = (session(day_of(now) + timedelta(days=n)) for n in range(DAYS_AHEAD))
        return next((one.closes for one in days if one is not None and one.closes > now), now + SNOOZES["1h"])

    return await to_thread.run_sync(found)
