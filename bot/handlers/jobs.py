"""/jobs: when things happen, and how they went."""

from bot.handlers.context import Context
from bot.job_text import jobs_text
from bot.replies import Reply, button


async def jobs(context: Context, text: str) -> list[Reply]:
    """Each job's last run, how long it took, and its next. No valuation is made for it: it answers also when that hangs."""
    card = jobs_text(context.health, context.now(), context.zone)
    return [Reply(card, keyboard=((button("Status", "status"), button("Refresh", "jobs")),))]


async def jobs_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [reply.editing() for reply in await jobs(context, "")]
