"""The morning note, made of a fresh view."""

from dataclasses import replace
from datetime import date

from anyio import to_thread

from bot.desk import View
from bot.handlers.context import Context
from bot.morning_text import morning_text
from bot.replies import Reply, button
from engine.calendar import day_of, detect, session


async def morning(context: Context, view: View, day: date) -> Reply:
    """The note of `day`. An account that was last seen on another day is asked what comes today all the same; the foot says of
    when it is."""
    snapshot = view.snapshot
    if day_of(snapshot.as_of) != day_of(context.now()):
        snapshot = replace(snapshot, as_of=context.now())
    findings = await to_thread.run_sync(detect, snapshot, view.report.positions)
    hours = await to_thread.run_sync(session, day)
    early = hours.closes if hours is not None and hours.early else None
    words = morning_text(view.report, findings, day, early, context.zone)
    keyboard = ((button("Events", "events", "", 7), button("Scenarios", "all"), button("Limits", "limits")),)
    return Reply(f"{words}\n{context.foot(view)}", keyboard=keyboard)
