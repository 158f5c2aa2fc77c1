"""The whole program: real python-telegram-bot over HTTP, real client over TCP, a real database, pictures drawn for real."""

import re
import sqlite3
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import anyio
import pytest
from pydantic import SecretStr

from bot import watch
from bot.app import run_app
from bot.config import Config, TelegramSettings
from engine.errors import ConfigError
from engine.settings import AlertSettings, DatabaseSettings, DataSettings, IbkrSettings
from engine.store import Store
from scheduler import ScheduleSettings
from simulator.gateway import Gateway, GatewayConfig, running_gateway
from simulator.gateway.faults import parse_fault
from simulator.telegram import SimulatedTelegram, TelegramConfig, running_telegram
from tests.integration.treasury_server import running_treasury, table
from tests.integration.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

OWNER, STRANGER = 1001, 2002
SILENT = AlertSettings(console=False)


@dataclass
class Program:
    gateway: Gateway
    telegram: SimulatedTelegram
    database: str

    def answers(self, after: int) -> list[dict]:
        """What the bot said since message `after`, alerts aside."""
        signs = ("🔴", "🟠", "🟢", "⚪")
        return [
            message
            for message in self.telegram.messages()
            if message["message_id"] > after
            and message["from"]["is_bot"]
            and not (message["text"] or "").startswith(signs)
        ]

    async def ask(self, text: str, count: int = 1) -> list[dict]:
        """Say `text` and wait for `count` answers."""
        said = self.telegram.say(text)
        await until(lambda: len(self.answers(said)) >= count, 30)
        return self.answers(said)

    async def press(self, message: dict, name: str) -> None:
        data = next(
            one["callback_data"]
            for row in message["reply_markup"]["inline_keyboard"]
            for one in row
            if one["text"] == name
        )
        self.telegram.press(message["message_id"], data)

    def message(self, message_id: int) -> dict:
        return next(m for m in self.telegram.messages() if m["message_id"] == message_id)


@asynccontextmanager
async def program(
    folder,
    *,
    cycle_s: float = 3600.0,
    allowed: tuple[int, ...] = (OWNER,),
    treasury_url: str | None = None,
    faults: tuple[str, ...] = (),
    alerts: AlertSettings = SILENT,
):
    async with (
        running_gateway(GatewayConfig(seed=7, faults=tuple(map(parse_fault, faults)))) as gateway,
        running_telegram(TelegramConfig()) as telegram,
    ):
        config = Config(
            ibkr=IbkrSettings(port=gateway.port),
            telegram=TelegramSettings(allowed_users=allowed, allowed_chats=allowed, base_url=telegram.url),
            database=DatabaseSettings(url=f"sqlite:///{folder}/riskbot.sqlite3"),
            schedule=ScheduleSettings(always_open=True, refresh_interval=2.0),
            data=DataSettings(
                snapshot_interval=cycle_s,
                treasury_url=treasury_url,
                yahoo_dividends=False,
                yahoo_earnings=False,
            ),
            alerts=alerts,
        )
        ready = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_app, config, SecretStr(telegram.token), ready.set)
            await ready.wait()
            yield Program(gateway, telegram, f"{folder}/riskbot.sqlite3")
            tasks.cancel_scope.cancel()
        assert gateway.violations == []
        polls_apart = [row for row in telegram.refusals if row.method != "getUpdates"]
        assert [row for row in polls_apart if "Too Many Requests" not in row.refused] == []


def query(database: str, sql: str) -> list[tuple]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def test_positions_come_as_a_picture_with_the_text_a_tap_away(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/positions")
        assert answer["photo"] is not None
        assert "24 positions" in answer["caption"]
        assert "oldest price" in answer["caption"]
        await it.press(answer, "As text")
        await until(lambda: any("<pre>" in (m["html"] or "") for m in it.answers(answer["message_id"])))


async def test_a_part_of_a_scenario_name_is_enough(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/scenario panic")
        assert answer["caption"].startswith("Market Panic:")
        assert answer["photo"] is not None


async def test_an_unknown_scenario_gets_the_nearest_and_an_example(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/scenario flsh crsh")
        assert (
            answer["text"]
            == "There is no scenario 'flsh crsh'. Nearest: Flash Crash. Try: /scenario flash crash"
        )


async def test_a_what_if_in_own_words_is_a_picture_with_its_text_a_tap_away(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/whatif spy -7% puts +40% calls +10% 2d")
        assert answer["caption"].startswith("spy -7% puts +40% calls +10% 2d:")
        assert "moves SPY alone" in answer["caption"]
        assert answer["photo"] is not None
        await it.press(answer, "As text")
        await until(lambda: any("<pre>" in (m["html"] or "") for m in it.answers(answer["message_id"])))


async def test_a_what_if_too_long_for_a_button_can_be_read_as_text_too(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask(
            "/whatif spy -7% iv -35% 0-7dte iv -15% 8-30dte iv -5% >30dte puts +40%, rest -3% 2d"
        )
        await it.press(answer, "As text")
        await until(lambda: any("<pre>" in (m["html"] or "") for m in it.answers(answer["message_id"])))
        it.telegram.press(answer["message_id"], "whatif|0|p|#0", forged=True)
        await until(lambda: any("again" in (m["text"] or "") for m in it.answers(answer["message_id"])))


async def test_a_what_if_that_is_a_name_is_that_scenario(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/whatif panic")
        assert answer["caption"].startswith("Market Panic:")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/whatif", "Say what happens"),
        ("/whatif putz -7%", "No position on 'PUTZ'. Nearest: PUTS. Try: /whatif puts +30%"),
        ("/whatif spy -7% putz", "I stopped at 'putz' after 'spy -7%': put a comma before putz"),
        ("/whatif spyy -7%", "No position on 'SPYY'. Nearest: SPY. Try: /whatif spy -10%"),
        ("/whatif spy -7", "I stopped at '-7' after 'spy'"),
        ("/whatif spy -7% <b>", "I stopped at '<'"),
        ("/scenario save", "A name and what happens are needed"),
        ("/scenario save black swan", "Try: /scenario save black swan -10%"),
        ("/scenario save weekend spy -7%", "has a meaning of its own"),
        ("/scenario delete crash2", "None is saved"),
    ],
)
async def test_a_what_if_that_can_t_be_gets_the_place_and_an_example(tmp_path, line, words):
    async with program(tmp_path) as it:
        (answer,) = await it.ask(line)
        assert words in answer["text"] and "\n" not in answer["text"]


async def test_a_saved_scenario_is_run_with_the_others_outlives_a_restart_and_can_be_deleted(tmp_path):
    async with program(tmp_path) as it:
        await it.ask("/scenarios")
        (saved,) = await it.ask("/scenario save Crash2 spy -7%  puts +40% 2d")
        assert "crash2 saved: spy -7% puts +40% 2d" in saved["text"]
        (everything,) = await it.ask("/scenarios")
        assert "crash2" in everything["text"]
        (again,) = await it.ask("/scenario save crash2 -20%")
        assert "crash2 replaced" in again["text"]
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/scenario crash2")
        assert answer["caption"].startswith("crash2:") and "moves SPY alone" not in answer["caption"]
        (deleted,) = await it.ask("/scenario delete CRASH2")
        assert "It was: -20%" in deleted["text"]
        (everything,) = await it.ask("/scenarios")
        assert "crash2" not in everything["text"]
    assert query(it.database, "select count(*) from scenarios") == [(0,)]


async def test_all_scenarios_come_with_a_keyboard_that_opens_one(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/scenarios")
        assert answer["text"].count("\n") >= 16
        await it.press(answer, "Black Swan")
        await until(
            lambda: any(
                (m["caption"] or "").startswith("Black Swan") for m in it.answers(answer["message_id"])
            )
        )


async def test_the_matrix_is_a_picture_and_its_numbers_a_button(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/matrix SPX")
        assert answer["photo"] is not None
        await it.press(answer, "Numbers")
        await until(lambda: any("+20%" in (m["text"] or "") for m in it.answers(answer["message_id"])))


async def test_the_matrix_goes_days_on_and_takes_the_model_s_shape(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/matrix spx 5d")
        assert answer["photo"] is not None and "Risk matrix of SPX, 5 days on" in answer["caption"]
        await it.press(answer, "IV shaped")
        await until(lambda: "5 days on, IV shaped" in it.message(answer["message_id"])["caption"])


async def test_refresh_edits_the_same_message(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/greeks")
        await anyio.sleep(1.1)  # the cache time, so that the refreshed card has another time
        await it.press(answer, "Refresh")
        await until(lambda: it.message(answer["message_id"])["edited"])
        assert it.answers(answer["message_id"]) == []


async def test_greeks_are_by_underlying_by_expiry_and_by_sector(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/greeks")
        await it.press(answer, "By expiry")
        await until(lambda: "Greeks by expiry" in it.message(answer["message_id"])["text"])
        (answer,) = await it.ask("/greeks sector")
        assert "Indices" in answer["text"] and "shares of SPY" in answer["text"]
        (refusal,) = await it.ask("/greeks colour")
        assert (
            refusal["text"] == "Greeks are by underlying, expiry, sector, not 'colour'. Try: /greeks expiry"
        )


async def test_the_value_at_risk_comes_once_the_history_is_there_over_as_many_days_as_asked(tmp_path):
    async with program(tmp_path) as it:
        with anyio.fail_after(60.0):
            (answer,) = await it.ask("/risk")
            while (
                "Unknown: " in answer["text"] or "not in it: " in answer["text"]
            ):  # the days arrive name by name
                await anyio.sleep(1.0)
                (answer,) = await it.ask("/risk")
        assert answer["text"].startswith("Value at Risk, one day, in USD")
        assert "of filtered history" in answer["text"] and "of ES" in answer["text"]
        assert "simulated" in answer["text"] and "  ±" in answer["text"]
        (answer,) = await it.ask("/risk 10d")
        assert answer["text"].startswith("Value at Risk, 10 days, as √10 of one")
        await anyio.sleep(1.1)  # the cache time, so that the refreshed card has another time
        await it.press(answer, "Refresh")
        await until(lambda: it.message(answer["message_id"])["edited"])
        (answer,) = await it.ask("/risk spy 5d")
        assert answer["text"].startswith("Risk of SPY, 5 days, as √5 of one, in USD\nIV rank ")
        assert "of the book's" in answer["text"]
        (answer,) = await it.ask("/risk concentration")
        assert "margin cushion" in answer["text"] and "part of the expected shortfall" in answer["text"]
        (refusal,) = await it.ask("/risk 0d")
        assert refusal["text"] == "0d is not 1 to 250 days. Try: /risk 10d or /risk AAPL 10d"
        (refusal,) = await it.ask("/risk tomorrow")
        assert refusal["text"].startswith("No position on 'TOMORROW'. Try: /risk ")


@pytest.mark.parametrize(
    "line", ["/start", "/help", "/help matrix", "/status", "/jobs", "/greeks", "/positions AAPL"]
)
async def test_every_other_command_answers(tmp_path, line):
    async with program(tmp_path) as it:
        (answer,) = await it.ask(line)
        assert answer["text"] or answer["photo"]


async def test_events_are_listed_for_the_book_for_a_symbol_and_for_a_number_of_days(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/events 180")
        assert answer["text"].startswith("Events, next 180 days")
        assert "T+" in answer["text"] and "Earnings date unknown" in answer["text"]
        (answer,) = await it.ask("/events spy 90")
        assert answer["text"].startswith("Events of SPY, next 90 days")
        await anyio.sleep(1.1)  # the cache time, so that the refreshed card has another time
        await it.press(answer, "Refresh")
        await until(lambda: it.message(answer["message_id"])["edited"])
        (refusal,) = await it.ask("/events 0")
        assert refusal["text"] == "0 is not a number of days from 1 to 180. Try: /events 30"
        assert query(it.database, "select count(*) from events")[0][0] > 50


async def test_the_report_has_a_summary_a_table_and_a_heat_map(tmp_path):
    async with program(tmp_path) as it:
        summary, table, heat_map = await it.ask("/report", 3)
        assert summary["text"].startswith("End of day")
        assert "Black Swan" in table["text"]
        assert heat_map["photo"] is not None


@pytest.mark.parametrize(
    "line", ["/positions 'x", "/scenario <b>", "/matrix " + "Z" * 300, "hello", "/", "/nope"]
)
async def test_nonsense_gets_one_line_with_an_example(tmp_path, line):
    async with program(tmp_path) as it:
        (answer,) = await it.ask(line)
        assert "\n" not in answer["text"]
        assert "/" in answer["text"]


async def test_a_stranger_gets_silence(tmp_path):
    async with program(tmp_path) as it:
        it.telegram.say("/positions", chat_id=STRANGER, user_id=STRANGER)
        await it.ask("/help")
        assert all(not m["from"]["is_bot"] for m in it.telegram.messages(STRANGER))


async def test_a_stranger_pressing_the_owners_button_is_not_answered(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/greeks")
        it.telegram.press(answer["message_id"], "greeks", chat_id=OWNER, user_id=STRANGER, forged=True)
        (last,) = await it.ask("/help")
        assert last["text"].startswith("Commands")


async def test_button_data_that_is_not_ours_is_refused_in_words(tmp_path):
    async with program(tmp_path) as it:
        (answer,) = await it.ask("/greeks")
        for data in ("scenario|x|y|z", "scenario|99|0|p", "nope", "positions|-1|t|"):
            it.telegram.press(answer["message_id"], data, forged=True)
        await until(lambda: len(it.answers(answer["message_id"])) == 4)
        assert all("again" in m["text"] for m in it.answers(answer["message_id"]))


async def test_a_crash_is_told_once_and_stored_with_its_alert(tmp_path):
    async with program(tmp_path, cycle_s=1.0) as it:
        await until(lambda: query(it.database, "select count(*) from snapshots")[0][0] >= 2, 30)
        before = {m["message_id"] for m in it.telegram.messages()}
        it.gateway.crash(spot=-0.10)
        told = lambda: [  # noqa: E731
            m
            for m in it.telegram.messages()
            if m["message_id"] not in before and (m["text"] or "").startswith("🔴 CRITICAL")
        ]
        await until(told, 30)
        cycles = query(it.database, "select count(*) from snapshots")[0][0]
        await until(lambda: query(it.database, "select count(*) from snapshots")[0][0] >= cycles + 3, 30)
        subjects = [m["text"].split("CRITICAL: ")[1].split(" would")[0] for m in told()]
        assert len(subjects) == len(set(subjects)), "each crossing is told once"
        assert "limit 15.0 % of net liquidation" in told()[0]["text"]
        assert "caused by" in told()[0]["text"]
        assert query(it.database, "select count(*) from alerts where state = 'FIRING'")[0][0] >= 1
        assert query(it.database, "select count(*) from outbox where state = 'sent'")[0][0] >= 1


async def test_an_alert_is_noted_and_its_end_answers_and_marks_the_message_that_told_it(tmp_path):
    async with program(tmp_path, alerts=SILENT.model_copy(update={"recovering": 0.0})) as it:
        await it.ask("/positions")
        it.gateway.crash(spot=-0.12)
        told = lambda: [m for m in it.telegram.messages() if (m["text"] or "").startswith("🔴 CRITICAL")]  # noqa: E731
        await until(told, 30)
        first = told()[0]
        await it.press(first, "Got it")
        await until(lambda: any("Noted." in (m["text"] or "") for m in it.telegram.messages()), 30)
        (answer,) = await it.ask("/alerts")
        assert "firing" in answer["text"] and ", noted" in answer["text"]

        it.gateway.crash(spot=0.16)
        ends = lambda: [  # noqa: E731
            m
            for m in it.telegram.messages()
            if (m["text"] or "").startswith("🟢 cleared after") and m["reply_to"] is not None
        ]
        await until(ends, 30)
        marked = it.message(ends()[0]["reply_to"])
        await until(lambda: "🟢 cleared after" in it.message(marked["message_id"])["text"], 30)
        (answer,) = await it.ask("/alerts history")
        assert "worst loss" in answer["text"] and "🟢 over: " in answer["text"]


async def test_a_rule_can_be_muted_and_says_which_there_are(tmp_path):
    async with program(tmp_path) as it:
        (refusal,) = await it.ask("/alerts mute vegas")
        assert refusal["text"].startswith("No rule is called 'vegas'; there are: worst loss, cushion")
        (answer,) = await it.ask("/alerts mute vega")
        assert answer["text"] == "Vega is muted: /alerts still lists it."
        (answer,) = await it.ask("/alerts")
        assert "muted: vega" in answer["text"]
        assert query(it.database, "select rule from mutes") == [("vega",)]


async def test_a_curve_that_was_fetched_is_in_the_stored_snapshots_and_outlives_a_restart(tmp_path):
    with running_treasury() as treasury:
        treasury.body = table("2005-01-03")
        async with program(tmp_path, cycle_s=1.0, treasury_url=treasury.url) as it:
            stored = lambda: query(it.database, "select count(*) from rates")[0][0]  # noqa: E731
            await until(stored, 30)
            cycles = query(it.database, "select count(*) from snapshots")[0][0]
            await until(lambda: query(it.database, "select count(*) from snapshots")[0][0] >= cycles + 2, 30)
        treasury.status = 503
        async with program(tmp_path, treasury_url=treasury.url) as it:
            (answer,) = await it.ask("/status")
            assert "rates    Treasury 2005-01-03" in answer["text"]
    with Store.open(f"sqlite:///{it.database}") as store:
        assert len(store.latest_snapshot().rates["USD"]) == 9


async def test_with_the_gateway_gone_the_last_whole_account_is_shown_and_said(tmp_path):
    async with program(tmp_path) as it:
        await it.ask("/greeks")
        it.gateway.drop_clients()
        (answer,) = await it.ask("/positions")
        assert "24 positions" in answer["caption"]


async def test_an_empty_list_of_users_refuses_to_start(tmp_path):
    config = Config(database=DatabaseSettings(url=f"sqlite:///{tmp_path}/riskbot.sqlite3"))
    with pytest.raises(ConfigError, match="an empty list lets nobody in"):
        await run_app(config, SecretStr("1:a"), lambda: None)


async def test_an_outage_is_told_once_and_its_end_too(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "BLIND_TOLD_AFTER", timedelta(seconds=3))
    monkeypatch.setattr(watch, "LINK_LOOK_S", 0.2)
    async with program(tmp_path) as it:
        await it.ask("/greeks")
        texts = lambda: [m["text"] for m in it.telegram.messages() if m["from"]["is_bot"] and m["text"]]  # noqa: E731
        with it.gateway.during("refuse"):
            it.gateway.drop_clients()
            await until(lambda: any("⚪ blind since" in text for text in texts()), 30)
            (status,) = await it.ask("/status")
            assert "nothing listens" in status["text"] and "riskbot keeps trying" in status["text"]
        await until(lambda: any("🟢 the link is back" in text for text in texts()), 30)
        assert sum("⚪ blind since" in text for text in texts()) == 1


async def test_started_with_the_gateway_down_it_answers_from_the_last_whole_picture_and_says_so(tmp_path):
    async with program(tmp_path, cycle_s=1.0) as it:
        await until(lambda: query(it.database, "select count(*) from snapshots where complete")[0][0], 30)
    async with program(tmp_path, faults=("refuse",)) as it:
        said = it.telegram.say("/positions")
        captions = lambda: [m["caption"] or "" for m in it.answers(said)]  # noqa: E731 - a repeated alert may come first
        await until(lambda: any("24 positions" in text for text in captions()), 30)
        (caption,) = (text for text in captions() if "24 positions" in text)
        assert "link down since" in caption and "as of" in caption


async def test_risk_model_sets_every_option_against_the_broker_s_model_ticks(tmp_path):
    async with program(tmp_path) as it:
        options = None
        with anyio.fail_after(60.0):
            while options is None or int(options[2]) <= 10:  # the broker's model ticks come one by one
                (answer,) = await it.ask("/risk model")
                options = re.search(r"Broker's model: (\d+) of (\d+) options agree", answer["text"])
                await anyio.sleep(0.5)
        assert int(options[1]) >= 0.8 * int(options[2])  # the simulated gateway's model is of the same kind
        assert "oldest price" in answer["text"]
        (refused,) = await it.ask("/risk model AAPL")
        assert refused["text"].endswith("Try: /risk model")
