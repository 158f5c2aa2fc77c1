"""The dollar's curve from HTTP to Book, store and /status; whatever fails, the last curve or the configured rate stays."""

import logging
import socket
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from bot.alarms import Alarms
from bot.check import check
from bot.config import Config, Secrets, TelegramSettings
from bot.desk import Desk
from bot.diary import Diary
from bot.handlers.context import Context
from bot.handlers.day import status
from bot.health import Health
from bot.pictures import Pictures
from bot.rates import DAILY_S, RETRY_S, Rates
from bot.saved import SavedScenarios
from bot.track import TrackRecord
from engine.book import Book
from engine.broker import Link
from engine.errors import MarketDataError
from engine.model import RateCurve
from engine.reports import Renderer
from engine.settings import (
    AlertSettings,
    DatabaseSettings,
    DataSettings,
    EngineSettings,
    IbkrSettings,
    ScenarioSettings,
)
from engine.store import AsyncStore, Store
from engine.treasury import MOST_BYTES, TENORS, fetch_curve
from simulator.gateway import GatewayConfig, running_gateway
from simulator.telegram import TelegramConfig, running_telegram
from tests.integration.treasury_server import running_treasury, table

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
TODAY = NOW.date()
OLD = RateCurve("USD", date(2026, 1, 5), ((0.25, 0.031), (1.0, 0.032)))


class FixedClock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


class EnoughError(Exception):
    """Ends a part after its last pause."""


class Pauses:
    """Stands for waiting: notes how long, does what the test wants in the meantime, and ends the part at the end of the list."""

    def __init__(self, *meanwhile):
        self.meanwhile = list(meanwhile)
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)
        if not self.meanwhile:
            raise EnoughError
        self.meanwhile.pop(0)()


@pytest.fixture
def treasury():
    with running_treasury() as server:
        yield server


@pytest.fixture
async def store(tmp_path):
    async with AsyncStore.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def refusal(url, within_s=10.0):
    """Why no curve comes from `url`; always one line."""
    with pytest.raises(MarketDataError) as caught:
        await fetch_curve(url, TODAY, within_s)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Over HTTP


async def test_every_series_is_asked_for_from_a_month_ago(treasury):
    treasury.body = table("2026-11-24")
    curve = await fetch_curve(treasury.url, TODAY)
    assert curve.as_of == date(2026, 11, 24) and len(curve.points) == 9
    assert treasury.asked == [{"id": [",".join(TENORS)], "cosd": ["2026-10-26"]}]


async def test_an_address_that_moved_is_followed(treasury):
    treasury.body = table("2026-11-24")
    curve = await fetch_curve(treasury.url.replace("/graph.csv", "/moved"), TODAY)
    assert curve.as_of == date(2026, 11, 24)


@pytest.mark.parametrize("status_code", [204, 403, 404, 500, 503])
async def test_an_answer_that_is_not_200_is_not_read(treasury, status_code):
    treasury.body, treasury.status = table("2026-11-24") if status_code != 204 else "", status_code
    assert f"answers {status_code}" in await refusal(treasury.url)


async def test_an_error_page_is_not_believed(treasury):
    treasury.body = "<html>\n<body>Down for maintenance</body></html>"
    assert "no table of FRED's" in await refusal(treasury.url)


async def test_an_answer_without_end_is_cut_off(treasury):
    treasury.body = table("2026-11-24") + "\n" * MOST_BYTES
    assert f"more than {MOST_BYTES:,} bytes" in await refusal(treasury.url)


async def test_an_answer_that_breaks_off_is_not_believed(treasury):
    treasury.body, treasury.headers = table("2026-11-24"), {"Content-Length": "9999"}
    assert "can't be read" in await refusal(treasury.url)


async def test_a_connection_that_is_reset_is_said_even_where_the_error_has_no_words(treasury):
    treasury.resets = True
    assert (await refusal(treasury.url)).split("can't be read: ")[1].strip()


async def test_silence_has_a_deadline(treasury):
    treasury.silent = True
    assert "did not answer within 0.2 s" in await refusal(treasury.url, 0.2)


async def test_nobody_there_is_said_in_one_line():
    assert "can't be read" in await refusal(f"http://127.0.0.1:{free_port()}/graph.csv")


async def test_a_circle_of_addresses_ends(treasury):
    treasury.status, treasury.headers = 302, {"Location": treasury.url}
    assert "can't be read" in await refusal(treasury.url)


# Into Book and store


async def test_the_stored_curve_however_old_is_in_the_book_at_once(store):
    await store.write(Store.put_curve, OLD)
    book = Book()
    await Rates(book, store, FixedClock(), "http://127.0.0.1:1/").load()
    assert book.freeze(NOW).rates == {"USD": OLD.points}


async def test_without_a_stored_curve_the_book_has_none(store):
    book = Book()
    await Rates(book, store, FixedClock(), "http://127.0.0.1:1/").load()
    assert book.freeze(NOW).rates == {}


async def test_a_fetched_curve_is_in_book_and_store_and_fetched_again_a_day_later(treasury, store):
    book, pauses = Book(), Pauses(lambda: setattr(treasury, "body", table("2026-11-25", 5.0)))
    treasury.body = table("2026-11-24")
    with pytest.raises(EnoughError):
        await Rates(book, store, FixedClock(), treasury.url, pauses).run()
    assert pauses.seconds == [DAILY_S, DAILY_S]
    assert book.curve("USD").as_of == TODAY
    assert await store.read(Store.latest_curve, "USD") == book.curve("USD")


async def test_a_failed_fetch_keeps_the_stored_curve(treasury, store):
    treasury.status = 503
    await store.write(Store.put_curve, OLD)
    book = Book()
    rates = Rates(book, store, FixedClock(), treasury.url, Pauses())
    await rates.load()
    with pytest.raises(EnoughError):
        await rates.run()
    assert book.curve("USD") == OLD == await store.read(Store.latest_curve, "USD")


async def test_failures_are_tried_again_hourly_and_told_once_a_streak(treasury, store, caplog):
    def become(status_code):
        return lambda: setattr(treasury, "status", status_code)

    treasury.body, treasury.status = table("2026-11-24"), 503
    pauses = Pauses(become(503), become(500), become(200), become(404), become(404))
    with caplog.at_level(logging.INFO, "bot.rates"), pytest.raises(EnoughError):
        await Rates(Book(), store, FixedClock(), treasury.url, pauses).run()
    assert pauses.seconds == [RETRY_S, RETRY_S, RETRY_S, DAILY_S, RETRY_S, RETRY_S]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [message.split("answers ")[1][:3] for message in told] == ["503", "404"]


async def test_a_curve_older_than_the_known_one_is_a_failure(treasury, store):
    book, pauses = Book(), Pauses()
    known = RateCurve("USD", date(2026, 11, 24), OLD.points)
    book.set_rates(known)
    treasury.body = table("2026-11-23")
    with pytest.raises(EnoughError):
        await Rates(book, store, FixedClock(), treasury.url, pauses).run()
    assert book.curve("USD") == known and pauses.seconds == [RETRY_S]
    assert await store.read(Store.latest_curve, "USD") is None


async def test_a_curve_of_the_same_day_replaces_the_known_one(treasury, store):
    book = Book()
    book.set_rates(RateCurve("USD", date(2026, 11, 24), OLD.points))
    treasury.body = table("2026-11-24")
    with pytest.raises(EnoughError):
        await Rates(book, store, FixedClock(), treasury.url, Pauses()).run()
    assert len(book.curve("USD").points) == 9


async def test_a_store_that_refuses_costs_neither_the_curve_nor_the_part(treasury, tmp_path, caplog):
    async with AsyncStore.open(f"sqlite:///{tmp_path / 'closed.sqlite3'}") as closed:
        pass
    book, pauses = Book(), Pauses()
    treasury.body = table("2026-11-24")
    with pytest.raises(EnoughError):
        await Rates(book, closed, FixedClock(), treasury.url, pauses).run()
    assert book.curve("USD").as_of == date(2026, 11, 24) and pauses.seconds == [RETRY_S]
    assert "the database is closed" in caplog.text


async def test_switched_off_neither_fetches_nor_uses_what_is_stored(store):
    await store.write(Store.put_curve, OLD)
    book, pauses = Book(), Pauses()
    rates = Rates(book, store, FixedClock(), None, pauses)
    await rates.load()
    await rates.run()
    assert book.curve("USD") is None and pauses.seconds == []


# Shown


async def status_card(curve, **data):
    book, clock, settings = Book(), FixedClock(), EngineSettings(data=DataSettings(**data))
    book.complete = True
    if curve is not None:
        book.set_rates(curve)
    link = Link(book, clock, IbkrSettings(), settings.data, ScenarioSettings())
    desk = Desk(book, link, clock, settings)
    saved = SavedScenarios(desk, None, clock)
    zone = ZoneInfo("America/New_York")
    alarms = Alarms(None, clock, AlertSettings(), zone)
    record, diary = TrackRecord(None), Diary(None, "NYSE", zone)
    context = Context(desk, Pictures(Renderer()), clock, zone, Health(NOW), alarms, saved, record, diary)
    (reply,) = await status(context, "")
    lines = reply.html.split("<pre>")[1].split("</pre>")[0].splitlines()
    assert all(len(line) <= 30 for line in lines)
    (shown,) = [line for line in lines if line.startswith("rates")]
    warned = [line for line in reply.html.splitlines() if "Treasury curve" in line]
    return shown, warned


async def test_the_status_says_of_what_day_the_curve_is():
    week_old = RateCurve("USD", TODAY - timedelta(days=7), OLD.points)
    assert await status_card(week_old) == ("rates    Treasury 2026-11-18", [])


async def test_the_status_says_how_old_a_curve_of_more_than_a_week_is():
    older = RateCurve("USD", TODAY - timedelta(days=8), OLD.points)
    shown, (warned,) = await status_card(older)
    assert shown == "rates    Treasury 2026-11-17"
    assert warned == "⚠ the Treasury curve is 8 d old. riskbot keeps trying."


async def test_the_status_says_that_the_configured_rate_stands_in():
    shown, (warned,) = await status_card(None, risk_free_rate=0.0425)
    assert shown == "rates    4.25 % as configured"
    assert warned == "⚠ no Treasury curve yet. riskbot keeps trying."


async def test_a_rate_that_is_wanted_as_configured_is_no_warning():
    assert await status_card(None, treasury_url=None) == ("rates    5.00 % as configured", [])


@pytest.mark.slow
@pytest.mark.parametrize(("status_code", "words"), [
    (200, "ok: US Treasury curve as of 2005-01-03"),
    (503, "ok: 5.00 % as configured; no Treasury curve: http"),
])  # fmt: skip
async def test_check_says_where_rates_come_from_and_fails_for_neither(
    treasury, tmp_path, capsys, status_code, words
):
    treasury.body, treasury.status = table("2005-01-03"), status_code
    async with (
        running_gateway(GatewayConfig(positions=8, seed=7)) as gateway,
        running_telegram(TelegramConfig()) as telegram,
    ):
        config = Config(
            ibkr=IbkrSettings(port=gateway.port),
            telegram=TelegramSettings(allowed_users=(1,), allowed_chats=(1,), base_url=telegram.url),
            database=DatabaseSettings(url=f"sqlite:///{tmp_path}/riskbot.sqlite3"),
            data=DataSettings(treasury_url=treasury.url),
        )
        code = await check(config, Secrets(telegram_token=SecretStr(telegram.token)))
    said = capsys.readouterr().out
    assert code == 0, said
    assert f"rates          {words}" in said
