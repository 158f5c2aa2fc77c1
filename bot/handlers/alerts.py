"""/alerts and /limits: what is firing, and how far everything that is watched is from its limit."""

from anyio import to_thread

from bot.alert_text import alerts_text, limits_text
from bot.handlers.context import Context
from bot.replies import Reply, button
from engine.alerts import judge
from engine.calendar import detect


async def alerts(context: Context, text: str) -> list[Reply]:
    """What is firing, since when."""
    view = await context.desk.view()
    card = alerts_text(context.health.firing, view.report, context.now(), context.zone)
    keyboard = ((button("Limits", "limits"), button("Refresh", "alerts")),)
    return [Reply(f"{card}\n{context.foot(view)}", keyboard=keyboard)]


async def alerts_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [reply.editing() for reply in await alerts(context, "")]


async def limits(context: Context, text: str) -> list[Reply]:
    """Everything that is watched: where it stands now, and its limit."""
    view = await context.desk.view()
    dated = await to_thread.run_sync(detect, view.snapshot, view.report.positions)
    verdict = judge(view.report, dated, context.desk.settings.risk_limits, context.desk.link_state.blind)
    keyboard = ((button("Alerts", "alerts"), button("Refresh", "limits")),)
    return [Reply(f"{limits_text(verdict, view.report)}\n{context.foot(view)}", keyboard=keyboard)]


async def limits_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [reply.editing() for reply in await limits(context, "")]
