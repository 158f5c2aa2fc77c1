"""What a handler is given, and the words that several of them need."""

from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from bot.alarms import Alarms
from bot.cards import foot, known_symbols
from bot.delivery import plain
from bot.desk import Desk, View
from bot.diary import Diary
from bot.health import Health
from bot.pictures import Pictures
from bot.saved import SavedScenarios
from bot.track import TrackRecord
from engine.clock import Clock
from engine.errors import RequestError
from engine.results import RiskReport


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the program that answers are made of."""

    desk: Desk
    pictures: Pictures
    clock: Clock
    zone: ZoneInfo
    health: Health
    alarms: Alarms
    saved: SavedScenarios
    track: TrackRecord
    diary: Diary

    def now(self) -> datetime:
        return self.clock.now()

    def foot(self, view: View) -> str:
        return foot(view.report, self.desk.link_state, self.now(), self.zone)


def note(foot_html: str) -> str:
    """A card's foot as the note of its picture: the same words without markup."""
    return plain(foot_html).replace("\n", "; ")


def symbol_of(report: RiskReport, text: str, command: str) -> str | None:
    """The underlying that `text` means, None for none.

    Raises:
        RequestError: If it is not held; the text names the nearest that is.
    """
    wanted = text.strip().upper()
    if not wanted:
        return None
    symbols = known_symbols(report)
    if wanted in symbols:
        return wanted
    near = get_close_matches(wanted, symbols, 1, 0.4) or list(symbols[:1])
    hint = f" Try: /{command} {near[0]}" if near else ""
    raise RequestError(f"No position on {wanted[:20]!r}.{hint}")
