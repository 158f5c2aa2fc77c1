"""The scenarios that the owner has saved in chat: kept in the database, run with all others from then on."""

import logging
from typing import Final
from zlib import crc32

from bot.desk import Desk
from engine.clock import Clock
from engine.errors import RequestError
from engine.scenarios import custom_scenario, scenario_name
from engine.store import AsyncStore, SavedScenario, Store

log = logging.getLogger(__name__)

MOST_SAVED: Final = 40
MOST_ASKED: Final = 200
LONGEST_IN_A_BUTTON: Final = 50
SAVE_EXAMPLE: Final = "/scenario save crash2 spy -7% puts +40% calls +10% 2d"


class SavedScenarios:
    """Saves, deletes and loads them, and tells the desk."""

    def __init__(self, desk: Desk, store: AsyncStore, clock: Clock) -> None:
        self._desk = desk
        self._store = store
        self._clock = clock
        self._texts: dict[str, str] = {}
        self._asked: dict[str, str] = {}

    def ticket(self, text: str) -> str:
        """What stands for `text` in a button's few bytes: itself where it fits, else a number that lasts until the restart."""
        if len(text.encode()) <= LONGEST_IN_A_BUTTON:
            return text
        ticket = f"#{crc32(text.encode()):x}"
        self._asked.pop(ticket, None)
        self._asked[ticket] = text
        while len(self._asked) > MOST_ASKED:
            del self._asked[next(iter(self._asked))]
        return ticket

    def asked(self, ticket: str) -> str:
        """The text that `ticket` stands for.

        Raises:
            RequestError: If it is forgotten.
        """
        text = self._asked.get(ticket) if ticket.startswith("#") else ticket
        if text is None:
            raise RequestError("That button is not valid any more. Send the command again.")
        return text

    @property
    def texts(self) -> dict[str, str]:
        """The text of each, by name."""
        return dict(self._texts)

    async def load(self) -> None:
        """Take what earlier runs saved. A text that this version does not understand is left out and logged."""
        texts = {}
        for one in await self._store.read(Store.scenarios):
            try:
                custom_scenario(one.name, one.text)
            except RequestError as error:
                log.warning("the saved scenario %s is left out: %s", one.name, error)
            else:
                texts[one.name] = one.text
        await self._use(texts)

    async def save(self, name: str, text: str) -> bool:
        """Keep `text` under `name`; whether it replaces one.

        Raises:
            RequestError: If the name or the text can't be used, or there are too many.
        """
        name = scenario_name(name)
        text = " ".join(text.split())
        custom_scenario(name, text, f"/scenario save {name} ")
        if name in self._desk.configured_scenarios:
            raise RequestError(f"{name} stands in config.yaml; take another name. Try: {SAVE_EXAMPLE}")
        if name not in self._texts and len(self._texts) >= MOST_SAVED:
            raise RequestError(
                f"{MOST_SAVED} scenarios are saved; delete one first. Try: /scenario delete {min(self._texts)}"
            )
        await self._store.write(Store.put_scenario, SavedScenario(name, text, self._clock.now()))
        replaced = name in self._texts
        await self._use({**self._texts, name: text})
        return replaced

    async def delete(self, name: str) -> str:
        """Forget the scenario `name`; its text.

        Raises:
            RequestError: If none is saved under it; the text names those that are.
        """
        name = name.lower()
        if name not in self._texts:
            saved = f"Saved: {', '.join(sorted(self._texts))}. " if self._texts else "None is saved. "
            works = f"/scenario delete {min(self._texts)}" if self._texts else SAVE_EXAMPLE
            raise RequestError(f"No saved scenario is called {name[:30]!r}. {saved}Try: {works}")
        await self._store.write(Store.delete_scenario, name)
        text = self._texts[name]
        await self._use({key: kept for key, kept in self._texts.items() if key != name})
        return text

    async def _use(self, texts: dict[str, str]) -> None:
        self._texts = texts
        await self._desk.use_scenarios(texts)
