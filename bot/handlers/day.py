"""The day and the program: /report, /status, /start."""

from datetime import datetime
from html import escape
from typing import Final

from bot.alert_cards import firing_words
from bot.cards import age, clock, day_text, pre, scenarios_text
from bot.desk import View
from bot.handlers.context import Context, note
from bot.handlers.events import coming_up
from bot.handlers.what_if import loss_limit
from bot.replies import Reply, button
from engine.broker import LinkState
from engine.reports.tables import matrix_title

CURVE_IS_OLD_AFTER_DAYS: Final = 7


async def report(context: Context, text: str) -> list[Reply]:
    """The end-of-day message, now: summary, scenario table, heat map."""
    return await end_of_day(context, await context.desk.view(fresh=True))


async def end_of_day(context: Context, view: View) -> list[Reply]:
    """Five lines of summary and what is coming up, the scenario table, the heat map."""
    foot = context.foot(view)
    ahead = await coming_up(context, view)
    replies = [
        Reply("\n".join([day_text(view.report, context.zone), *ahead, foot])),
        Reply(f"{scenarios_text(view.report)}\n{foot}"),
    ]
    drawn = await context.pictures.matrix(
        view.report.matrix,
        title=matrix_title(view.report.matrix),
        note=note(foot),
        unit=view.report.base_currency,
        limit=loss_limit(context, view.report),
    )
    if drawn is not None:
        replies.append(Reply(f"<b>{matrix_title(view.report.matrix)}</b>\n{foot}", drawn))
    return replies


async def start(context: Context, text: str) -> list[Reply]:
    """What the bot is, in three lines, and the three most useful buttons."""
    words = (
        "<b>riskbot</b> watches your account and asks what if.\n"
        "It reads positions and prices, and can never trade.\n"
        "It speaks up when a scenario would lose more than your limit."
    )
    keyboard = (
        (
            button("Positions", "positions", 0, "p", ""),
            button("Scenarios", "all"),
            button("Risk matrix", "matrix", "p", ""),
        ),
    )
    return [Reply(words, keyboard=keyboard)]


async def status(context: Context, text: str) -> list[Reply]:
    """How the program itself is."""
    view, health, now = await context.desk.view(), context.health, context.now()
    state = context.desk.link_state
    limits = context.desk.settings.risk_limits
    lines = [
        f"{'link':<9}{state.phase} {age((now - state.since).total_seconds())}",
        f"{'feed':<9}{_ago(context, context.desk.heard_at)}",
        f"{'account':<9}{'whole' if view.report.complete else 'NOT WHOLE'}",
        f"{'book':<9}{len(view.report.positions)} positions",
        f"{'left out':<9}{len(view.report.quality.left_out)}",
        f"{'analysis':<9}{1000 * view.seconds:.0f} ms",
        f"{'refresh':<9}{_ago(context, health.last_refresh_at)}",
        f"{'cycle':<9}{_ago(context, health.last_cycle_at)}",
        f"{'rates':<9}{_rates(context)}",
        f"{'alerts':<9}{len(context.alarms.firing)} firing",
        f"{'max loss':<9}{100 * limits.max_portfolio_loss:g} %",
        f"{'up':<9}{age((now - health.started_at).total_seconds())}",
    ]
    words = [pre(lines)]
    if context.alarms.firing:
        words.append(
            f"⚠ firing: {escape(firing_words(context.alarms.firing, view.report))}. /alerts has more"
        )
    words += _about_link(context, state)
    words += _about_rates(context)
    if health.phases is not None:
        words.append(f"The last cycle: {health.phases}. /jobs has more")
    if health.last_failure:
        words.append(f"⚠ {health.failures} failed: {escape(health.last_failure)}")
    return [
        Reply(
            "\n".join(["<b>Status</b>", *words, context.foot(view)]),
            keyboard=((button("Refresh", "status"),),),
        )
    ]


async def status_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [reply.editing() for reply in await status(context, "")]


def _ago(context: Context, at: datetime | None) -> str:
    return "not yet" if at is None else f"{age((context.now() - at).total_seconds())} ago"


def _about_link(context: Context, state: LinkState) -> list[str]:
    """What is wrong with the link, since when, and what riskbot does about it."""
    if state.reason:
        since = clock(state.since, context.now(), context.zone)
        known = " It is the hour of the broker's own restarts." if state.expected else ""
        return [f"⚠ {escape(state.reason)} (since {since}). riskbot keeps trying.{known}"]
    return [
        f"⚠ {escape(one.text)} (since {clock(one.since, context.now(), context.zone)}). {escape(one.does)}."
        for one in state.reasons
    ]


def _rates(context: Context) -> str:
    """Where interest rates come from, in 21 columns."""
    curve = context.desk.curve
    if curve is None:
        return f"{100.0 * context.desk.settings.data.risk_free_rate:.2f} % as configured"
    return f"Treasury {curve.as_of}"


def _about_rates(context: Context) -> list[str]:
    """A line where there should be a newer curve."""
    curve = context.desk.curve
    if curve is None:
        wanted = context.desk.settings.data.treasury_url is not None
        return ["⚠ no Treasury curve yet. riskbot keeps trying."] if wanted else []
    days = (context.now().date() - curve.as_of).days
    if days <= CURVE_IS_OLD_AFTER_DAYS:
        return []
    return [f"⚠ the Treasury curve is {days} d old. riskbot keeps trying."]
