"""/risk model: the broker's model against riskbot's."""

import anyio.to_thread

from bot.handlers.context import Context
from bot.model_text import model_text
from bot.replies import Reply
from engine.errors import RequestError
from engine.risk import model_gaps


async def model(context: Context, text: str) -> list[Reply]:
    """riskbot's Greeks and volatilities against the broker's model, the largest gap in money first."""
    if text.strip():
        raise RequestError("/risk model is of the whole book and takes nothing more. Try: /risk model")
    view = await context.desk.view()
    gaps = await anyio.to_thread.run_sync(model_gaps, view.snapshot, view.report.positions)
    return [Reply(f"{model_text(view.report, gaps)}\n{context.foot(view)}")]
