"""The simulated Telegram, spoken to by the real python-telegram-bot over HTTP."""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    Update,
)
from telegram.error import BadRequest, Conflict, EndPointNotFound, Forbidden, InvalidToken, RetryAfter
from telegram.ext import ApplicationBuilder, CommandHandler, ContextTypes

from simulator.telegram import DEMO_USER_ID, FloodLimits, SimulatedTelegram, TelegramConfig, running_telegram
from simulator.telegram.entities import Styled, tidy, to_html
from simulator.telegram.markup import parse_html

pytestmark = pytest.mark.anyio
ME = DEMO_USER_ID
NOT_MODIFIED = (
    "Message is not modified: specified new message content and reply markup are exactly the same as "
    "a current content and reply markup of the message"
)


def png(width: int = 4, height: int = 4, shade: int = 0) -> bytes:
    """A real picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + bytes([shade, 128, 192]) * width for _ in range(height)))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class JumpingClock:
    """A clock for dates and for waits, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 7, 28, 14, 30, tzinfo=UTC) + timedelta(seconds=self.seconds)


@asynccontextmanager
async def talking(**options: Any) -> AsyncIterator[tuple[SimulatedTelegram, Bot]]:
    """A server and a bot connected to it; flood limits are off unless a test gives some."""
    async with running_telegram(TelegramConfig(**{"flood": None, **options})) as server:
        bot = bot_of(server)
        async with bot:
            yield server, bot


def bot_of(server: SimulatedTelegram, token: str | None = None) -> Bot:
    builder = ApplicationBuilder().token(token or server.token)
    return builder.base_url(server.base_url).base_file_url(server.base_file_url).build().bot


def keys(*buttons: tuple[str, str]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(text, callback_data=data) for text, data in buttons]])


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """The address of one server's methods, for requests that it refuses or that leave nothing behind."""
    with program("--port", "0", "--exit-with-stdin") as started:
        said = json.loads(started.stdout.readline())
        yield f"http://127.0.0.1:{said['port']}/bot{said['token']}/"
        started.communicate(timeout=20)


def ask(shared: str, method: str, **params: Any) -> dict[str, Any]:
    """One request with a JSON body, as another client would make it."""
    return httpx.post(shared + method, json=params).json()


@pytest.fixture
def waits_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-telegram-bot warns of a coming change whenever `retry_after` is read, unless it is asked for it."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


# text and entities


async def test_html_becomes_text_and_entities():
    async with talking() as (_, bot):
        sent = await bot.send_message(ME, "<b>P&amp;L</b> <i>down</i> <code>-3 %</code>", parse_mode="HTML")

    assert sent.text == "P&L down -3 %"
    assert [(e.type, e.offset, e.length) for e in sent.entities] == [
        ("bold", 0, 3),
        ("italic", 4, 4),
        ("code", 9, 4),
    ]


async def test_entity_offsets_count_utf16_units_so_that_an_emoji_is_two():
    async with talking() as (_, bot):
        sent = await bot.send_message(ME, "🔴🇺🇸 <b>Alert</b> é <i>now</i>", parse_mode="HTML")

    assert [(e.offset, e.length) for e in sent.entities] == [(7, 5), (15, 3)]
    assert sent.parse_entities() == dict(zip(sent.entities, ["Alert", "now"], strict=True))


async def test_an_escaped_value_arrives_as_it_was():
    value = '<SPY> & "TSLA" &lt;'
    async with talking() as (_, bot):
        sent = await bot.send_message(ME, f"<b>{escape(value)}</b>", parse_mode="HTML")

    assert sent.text == value


async def test_every_format_that_telegram_reads_is_read():
    source = (
        '<u>u</u><s>s</s><tg-spoiler>x</tg-spoiler><span class="tg-spoiler">y</span>'
        '<a href="https://example.com/a?b=1&amp;c=2">link</a>'
        '<pre><code class="language-python">print()</code></pre><blockquote>q</blockquote>'
        '<blockquote expandable>long</blockquote><tg-time unix="1700000000" format="r">then</tg-time>'
    )
    async with talking() as (_, bot):
        sent = await bot.send_message(ME, source, parse_mode="HTML")

    by_type = {e.type: e for e in sent.entities}
    assert list(by_type) == [
        "underline",
        "strikethrough",
        "spoiler",
        "text_link",
        "pre",
        "blockquote",
        "expandable_blockquote",
        "date_time",
    ]
    assert by_type["text_link"].url == "https://example.com/a?b=1&c=2"
    assert by_type["pre"].language == "python"
    assert by_type["date_time"].unix_time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert by_type["spoiler"].length == 2  # two that touch are one


async def test_nothing_is_formatted_inside_monospace():
    async with talking() as (_, bot):
        sent = await bot.send_message(
            ME, "<b>a<code>b/c</code>d</b> <pre>/x <i>y</i></pre>", parse_mode="HTML"
        )

    found = [(e.type, e.offset, e.length) for e in sent.entities]
    assert found == [("bold", 0, 1), ("code", 1, 3), ("bold", 4, 1), ("pre", 6, 4)]


async def test_commands_and_links_are_found_in_plain_text():
    async with talking() as (_, bot):
        sent = await bot.send_message(ME, "try /scenario panic or https://example.com/x, not a/b")

    assert sent.parse_entities() == dict(
        zip(sent.entities, ["/scenario", "https://example.com/x"], strict=True)
    )


async def test_white_space_around_a_text_is_trimmed_and_entities_follow():
    async with talking() as (_, bot):
        sent = await bot.send_message(ME, "\n  hi <b>you  </b> \n", parse_mode="HTML")

    assert (sent.text, sent.entities[0].offset, sent.entities[0].length) == ("hi you", 3, 3)


TAGS = st.sampled_from(["b", "i", "u", "s", "code", "pre", "blockquote", "tg-spoiler"])
LEAVES = st.text(st.sampled_from("ab &<>\"'é🎉/\n"), min_size=1, max_size=6).map(
    lambda t: escape(t, quote=False)
)
MARKUP = st.recursive(
    LEAVES,
    lambda inner: st.tuples(TAGS, st.lists(inner, min_size=1, max_size=3)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
)


@given(st.lists(MARKUP, max_size=4).map("".join))
@example("<i><b>&lt;</b> </i>")
@settings(max_examples=200, deadline=None)
def test_the_html_of_a_kept_text_reads_back_to_the_same_text(source: str):
    kept = tidy(parse_html(source))

    again = tidy(parse_html(to_html(kept)))

    assert again == kept


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_escaping_makes_any_text_safe(value: str):
    assert tidy(parse_html(escape(value))) == tidy(Styled(value.replace("\r", "")))


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        ("<h1>x</h1>", 'Unsupported start tag "h1" at byte offset 0'),
        ("é <b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("é 3 < 4", 'Unsupported start tag "" at byte offset 5'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ('<a href="x', "Unclosed start tag at byte offset 0"),
        ("<a href=x/y>z</a>", "Unexpected end of name token at byte offset 8"),
        ("<b x>y</b>", 'Expected equal sign in declaration of an attribute of the tag "b" at byte offset 0'),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_bad_entities_are_refused_in_telegrams_words(shared: str, source: str, refusal: str):
    answer = ask(shared, "sendMessage", chat_id=ME, text=source, parse_mode="HTML")

    assert answer["description"] == f"Bad Request: can't parse entities: {refusal}"
    assert answer["error_code"] == 400


def test_explicit_entities_are_kept_and_checked(shared: str):
    bold = {"type": "bold", "offset": 2, "length": 2}

    good = ask(shared, "sendMessage", chat_id=ME, text="🎉ab", entities=[bold])
    bad = ask(shared, "sendMessage", chat_id=ME, text="abc", entities=[bold])

    assert good["result"]["entities"] == [bold]
    assert "ends after the end of the text at UTF-16 offset 3" in bad["description"]


# what is refused


@pytest.mark.parametrize(
    ("method", "params", "refusal"),
    [
        ("sendMessage", {"chat_id": ME}, "message text is empty"),
        ("sendMessage", {"chat_id": ME, "text": " \n "}, "message text is empty"),
        ("sendMessage", {"chat_id": ME, "text": "<b></b>", "parse_mode": "HTML"}, "text must be non-empty"),
        ("sendMessage", {"text": "x"}, "chat_id is empty"),
        ("sendMessage", {"chat_id": 999, "text": "x"}, "chat not found"),
        ("sendMessage", {"chat_id": "@nobody", "text": "x"}, "chat not found"),
        ("sendMessage", {"chat_id": ME, "text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
        ("sendMessage", {"chat_id": ME, "text": "x", "txt": "y"}, 'unknown parameter "txt" (simulator)'),
        ("sendMessage", {"chat_id": "me", "text": "x"}, 'parameter "chat_id" must be an integer (simulator)'),
        ("sendMessage", {"chat_id": ME, "text": 5}, 'parameter "text" must be a string (simulator)'),
        (
            "sendMessage",
            {"chat_id": ME, "text": "x", "disable_notification": "maybe"},
            'parameter "disable_notification" must be a boolean (simulator)',
        ),
        (
            "sendMessage",
            {"chat_id": ME, "text": "x", "reply_parameters": {"message_id": 9}},
            "message to be replied not found",
        ),
        ("sendMessage", {"chat_id": ME, "text": "x", "message_thread_id": 3}, "message thread not found"),
        ("sendPhoto", {"chat_id": ME}, "there is no photo in the request"),
        ("sendPhoto", {"chat_id": ME, "photo": "AgACnone"}, "wrong file identifier/HTTP URL specified"),
        ("sendDocument", {"chat_id": ME}, "there is no document in the request"),
        ("editMessageText", {"chat_id": ME, "text": "x"}, "message identifier is not specified"),
        ("editMessageText", {"chat_id": ME, "message_id": 77, "text": "x"}, "message to edit not found"),
        ("deleteMessage", {"chat_id": ME, "message_id": 77}, "message to delete not found"),
        ("pinChatMessage", {"chat_id": ME, "message_id": 77}, "message to pin not found"),
        ("unpinChatMessage", {"chat_id": ME}, "message to unpin not found"),
        ("getFile", {"file_id": "x"}, "invalid file_id"),
        ("sendChatAction", {"chat_id": ME, "action": "sing"}, "wrong parameter action in request"),
        (
            "answerCallbackQuery",
            {"callback_query_id": "1"},
            "query is too old and response timeout expired or query ID is invalid",
        ),
    ],
)
def test_refusals_have_telegrams_words(shared: str, method: str, params: dict[str, Any], refusal: str):
    answer = ask(shared, method, **params)

    assert answer == {"ok": False, "error_code": 400, "description": f"Bad Request: {refusal}"}


async def test_a_text_of_4096_units_is_the_longest():
    async with talking() as (_, bot):
        sent = await bot.send_message(ME, "<b>" + "🎉" * 2048 + "</b>", parse_mode="HTML")
        assert len(sent.text) == 2048
        with pytest.raises(BadRequest, match=r"^Message is too long$"):
            await bot.send_message(ME, "🎉" * 2048 + "x")


async def test_a_caption_of_1024_units_is_the_longest():
    async with talking() as (_, bot):
        await bot.send_photo(ME, png(), caption="x" * 1024)
        with pytest.raises(BadRequest, match=r"^Message caption is too long$"):
            await bot.send_photo(ME, png(), caption="x" * 1025)


async def test_callback_data_is_measured_in_bytes():
    async with talking() as (_, bot):
        await bot.send_message(ME, "x", reply_markup=keys(("fits", "é" * 32)))
        with pytest.raises(BadRequest, match=r"(?i)^BUTTON_DATA_INVALID$"):
            await bot.send_message(ME, "x", reply_markup=keys(("does not", "é" * 32 + "x")))


@pytest.mark.parametrize(
    ("rows", "refusal"),
    [
        (
            [[{"text": "x"}]],
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        ([[{"callback_data": "x"}]], "can't parse inline keyboard button: Can't find field \"text\""),
        ([[{"text": "x", "callback_data": ""}]], "BUTTON_DATA_INVALID"),
        ([[{"text": "x", "url": "nowhere"}]], "BUTTON_URL_INVALID"),
        ([[{"text": "x", "callback_data": "y"}] * 9], "a row holds at most 8 buttons (simulator)"),
        (
            [[{"text": "x", "callback_data": "y"}] * 8] * 12 + [[{"text": "x", "callback_data": "y"}] * 5],
            "REPLY_MARKUP_TOO_LONG",
        ),
        (
            [[{"text": "x", "callbackdata": "y"}]],
            'unknown field "callbackdata" in InlineKeyboardButton (simulator)',
        ),
    ],
)
def test_malformed_keyboards_are_refused(shared: str, rows: list[Any], refusal: str):
    answer = ask(shared, "sendMessage", chat_id=ME, text="x", reply_markup={"inline_keyboard": rows})

    assert answer["description"] == f"Bad Request: {refusal}"


async def test_an_unknown_parameter_is_refused():
    async with talking() as (_, bot):
        with pytest.raises(BadRequest, match='Unknown parameter "dissable_notification"'):
            await bot.send_message(ME, "x", api_kwargs={"dissable_notification": True})


async def test_an_unknown_method_does_not_exist():
    async with talking() as (_, bot):
        with pytest.raises(EndPointNotFound):
            await bot.do_api_request("sendTelepathy", {"chat_id": ME})


async def test_a_wrong_token_is_unauthorized():
    async with talking() as (server, _):
        stranger = bot_of(server, "7000000001:AAnotTheTokenOfThisServerAtAll000000")
        with pytest.raises(InvalidToken):
            await stranger.initialize()
        await stranger.shutdown()


async def test_the_bot_cannot_write_first():
    async with talking(started=False) as (server, bot):
        with pytest.raises(Forbidden, match="bot can't initiate conversation with a user"):
            await bot.send_message(ME, "hello?")
        server.say("/start")
        assert (await bot.send_message(ME, "hello")).message_id > 0


async def test_a_person_can_block_the_bot():
    async with talking() as (server, bot):
        server.block()
        with pytest.raises(Forbidden, match="bot was blocked by the user"):
            await bot.send_message(ME, "hello?")


async def test_a_group_that_was_left_is_closed():
    async with talking() as (server, bot):
        server.say("hello all", chat_id=-42, user_id=7)
        assert (await bot.get_chat(-42)).type == "group"
        await bot.leave_chat(-42)
        with pytest.raises(Forbidden, match="bot is not a member of the group chat"):
            await bot.send_message(-42, "hello?")


# files


async def test_a_photo_comes_back_byte_for_byte():
    picture = png(40, 30)
    async with talking() as (_, bot):
        sent = await bot.send_photo(ME, picture, caption="<b>matrix</b>", parse_mode="HTML")
        file = await sent.photo[-1].get_file()
        downloaded = await file.download_as_bytearray()

    assert bytes(downloaded) == picture
    assert (sent.photo[-1].width, sent.photo[-1].height, sent.photo[-1].file_size) == (40, 30, len(picture))
    assert (sent.caption, sent.caption_entities[0].type) == ("matrix", "bold")


async def test_a_document_comes_back_with_its_name_and_type():
    data = b"%PDF-1.4 " + bytes(range(256)) * 9000  # over a megabyte: it does not fit one part in memory
    async with talking() as (_, bot):
        sent = await bot.send_document(ME, io.BytesIO(data), filename="risk für heute.pdf")
        downloaded = await (await sent.document.get_file()).download_as_bytearray()

    assert bytes(downloaded) == data
    assert (sent.document.file_name, sent.document.mime_type) == ("risk für heute.pdf", "application/pdf")


async def test_a_file_can_be_sent_again_by_its_id():
    async with talking() as (_, bot):
        first = await bot.send_photo(ME, png())
        again = await bot.send_photo(ME, first.photo[-1].file_id)
        with pytest.raises(BadRequest, match=r"(?i)can't use file of type Photo as Document"):
            await bot.send_document(ME, first.photo[-1].file_id)

    assert again.photo[-1].file_unique_id == first.photo[-1].file_unique_id


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"not a picture", "Image_process_failed"),
        (png(1, 21), "Photo_invalid_dimensions"),
        (png(5001, 5000)[:200], "Photo_invalid_dimensions"),
        (png() + bytes(10_000_001), "File is too big"),
    ],
)
async def test_a_picture_that_is_none_or_too_big_is_refused(data: bytes, refusal: str):
    async with talking() as (_, bot):
        with pytest.raises(BadRequest, match=f"(?i)^{refusal}$"):
            await bot.send_photo(ME, data)


async def test_an_album_is_one_group_of_2_to_10():
    async with talking() as (server, bot):
        sent = await bot.send_media_group(
            ME, [InputMediaPhoto(png(shade=i), caption=f"{i}") for i in range(3)]
        )
        with pytest.raises(BadRequest, match="2-10"):
            await bot.send_media_group(ME, [InputMediaPhoto(png())])
        with pytest.raises(BadRequest, match="2-10"):
            await bot.send_media_group(ME, [InputMediaPhoto(png()) for _ in range(11)])
        with pytest.raises(BadRequest, match="can't be mixed"):
            await bot.send_media_group(
                ME, [InputMediaPhoto(png()), InputMediaDocument(b"x", filename="x.txt")]
            )

    assert [m.caption for m in sent] == ["0", "1", "2"]
    assert len({m.media_group_id for m in sent}) == 1
    assert len(server.messages()) == 3


# edits


async def test_a_text_and_its_keyboard_are_edited_and_marked():
    async with talking() as (server, bot):
        sent = await bot.send_message(ME, "one", reply_markup=keys(("go", "go")))
        edited = await sent.edit_text("<b>two</b>", parse_mode="HTML")

    assert (edited.text, edited.reply_markup, edited.message_id) == ("two", None, sent.message_id)
    assert edited.edit_date is not None
    assert [(m["text"], m["edited"]) for m in server.messages()] == [("two", True)]


async def test_an_edit_that_changes_nothing_is_an_error():
    async with talking() as (_, bot):
        sent = await bot.send_message(ME, "<b>one</b>", parse_mode="HTML", reply_markup=keys(("go", "go")))
        for again in (
            lambda: sent.edit_text("<b>one </b>", parse_mode="HTML", reply_markup=keys(("go", "go"))),
            lambda: sent.edit_reply_markup(keys(("go", "go"))),
        ):
            with pytest.raises(BadRequest) as refused:
                await again()
            assert refused.value.message == NOT_MODIFIED
        assert (await sent.edit_text("one", reply_markup=keys(("go", "go")))).entities == ()


async def test_a_caption_and_a_picture_are_edited():
    async with talking() as (_, bot):
        sent = await bot.send_photo(ME, png(), caption="a")
        assert (await sent.edit_caption("b")).caption == "b"
        edited = await sent.edit_media(
            InputMediaPhoto(png(shade=9), caption="c"), reply_markup=keys(("go", "go"))
        )
        with pytest.raises(BadRequest, match=r"^Message is not modified"):
            await sent.edit_media(InputMediaPhoto(png(shade=9), caption="c"), reply_markup=keys(("go", "go")))

    assert edited.caption == "c"
    assert edited.photo[-1].file_unique_id != sent.photo[-1].file_unique_id


async def test_a_picture_has_no_text_and_a_text_no_caption_to_edit():
    async with talking() as (_, bot):
        picture, text = await bot.send_photo(ME, png()), await bot.send_message(ME, "x")
        with pytest.raises(BadRequest, match=r"^There is no text in the message to edit$"):
            await picture.edit_text("y")
        with pytest.raises(BadRequest, match=r"^There is no caption in the message to edit$"):
            await text.edit_caption("y")


async def test_a_picture_can_be_added_to_a_text():
    async with talking() as (_, bot):
        text = await bot.send_message(ME, "x")
        edited = await text.edit_media(InputMediaPhoto(png(), caption="now a picture"))

    assert (edited.text, edited.caption, len(edited.photo)) == (None, "now a picture", 1)


async def test_a_persons_message_cannot_be_edited_but_deleted():
    async with talking() as (server, bot):
        theirs = server.say("hello")
        with pytest.raises(BadRequest, match=r"^Message can't be edited$"):
            await bot.edit_message_text("x", ME, theirs)
        await bot.delete_message(ME, theirs)

    assert [m["deleted"] for m in server.messages()] == [True]


async def test_messages_older_than_two_days_stay():
    clock = JumpingClock()
    async with talking(clock=clock.now) as (_, bot):
        old, new = await bot.send_message(ME, "old"), None
        clock.seconds = 49 * 3600
        new = await bot.send_message(ME, "new")
        assert await bot.delete_messages(ME, [new.message_id, 999])
        with pytest.raises(BadRequest, match=r"^Message can't be deleted for everyone$"):
            await old.delete()


async def test_a_reply_shows_what_it_answers():
    async with talking() as (_, bot):
        alert = await bot.send_message(ME, "alert")
        recovery = await bot.send_message(ME, "recovered", reply_to_message_id=alert.message_id)

    assert recovery.reply_to_message.text == "alert"


# pins, menu, actions


async def test_pins_are_stacked_and_taken_away():
    async with talking() as (server, bot):
        first, second = await bot.send_message(ME, "1"), await bot.send_message(ME, "2")
        await first.pin()
        await second.pin()
        assert (await bot.get_chat(ME)).pinned_message.text == "2"
        await bot.unpin_chat_message(ME)
        assert server.state()["pinned"] == [first.message_id]
        await bot.unpin_all_chat_messages(ME)
        assert server.state()["pinned"] == []


async def test_the_command_menu_follows_its_scopes():
    general, mine = [BotCommand("help", "what I can do")], [BotCommand("matrix", "heat map")]
    async with talking() as (server, bot):
        await bot.set_my_commands(general)
        await bot.set_my_commands(mine, scope=BotCommandScopeChat(ME))
        assert list(await bot.get_my_commands()) == general
        assert [c["command"] for c in server.state()["commands"]] == ["matrix"]
        await bot.delete_my_commands(scope=BotCommandScopeChat(ME))
        assert [c["command"] for c in server.state()["commands"]] == ["help"]
        with pytest.raises(BadRequest, match=r"(?i)BOT_COMMAND_INVALID"):
            await bot.set_my_commands([("Not-One", "x")])


async def test_typing_shows_for_a_while_and_ends_with_the_message():
    clock = JumpingClock()
    async with talking(monotonic=clock.monotonic) as (server, bot):
        await bot.send_chat_action(ME, "typing")
        assert server.state()["typing"] == {"action": "typing", "left_s": 5.0}
        clock.seconds = 6
        assert server.state()["typing"] is None
        await bot.send_chat_action(ME, "upload_photo")
        await bot.send_message(ME, "done")
        assert server.state()["typing"] is None


# buttons


async def test_a_press_reaches_the_bot_and_the_answer_the_person():
    async with talking() as (server, bot):
        sent = await bot.send_message(ME, "pick", reply_markup=keys(("Refresh", "r:1")))
        pressed = server.press(sent.message_id, "r:1")
        (update,) = await bot.get_updates()
        assert (update.callback_query.data, update.callback_query.from_user.id) == ("r:1", ME)
        assert update.callback_query.message.text == "pick"
        assert not server.callback(pressed).answered
        await update.callback_query.answer("updated", show_alert=True)
        with pytest.raises(BadRequest, match=r"(?i)query is too old"):
            await update.callback_query.answer("twice")

    answer = server.callback(pressed)
    assert (answer.text, answer.show_alert) == ("updated", True)


async def test_a_press_is_answered_late_in_vain():
    clock = JumpingClock()
    async with talking(clock=clock.now) as (server, bot):
        sent = await bot.send_message(ME, "pick", reply_markup=keys(("Refresh", "r")))
        pressed = server.press(sent.message_id, "r")
        clock.seconds = 3600
        with pytest.raises(BadRequest, match=r"(?i)query is too old"):
            await bot.answer_callback_query(pressed)


async def test_only_a_button_that_is_there_can_be_pressed_unless_forged():
    async with talking() as (server, bot):
        sent = await bot.send_message(ME, "pick", reply_markup=keys(("Refresh", "r")))
        with pytest.raises(ValueError, match="has no button"):
            server.press(sent.message_id, "other")
        server.press(sent.message_id, "other", forged=True)
        (update,) = await bot.get_updates()

    assert update.callback_query.data == "other"


# polling


async def test_an_application_answers_what_a_person_says():
    async def echo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        await update.effective_message.reply_text(f"you said {context.args}")

    async with running_telegram(TelegramConfig()) as server:
        builder = ApplicationBuilder().token(server.token).base_url(server.base_url)
        app = builder.base_file_url(server.base_file_url).build()
        app.add_handler(CommandHandler("scenario", echo))
        async with app:
            await app.start()
            await app.updater.start_polling()
            server.say("/scenario panic now")
            await server.wait_until(lambda: len(server.messages()) == 2)
            await app.updater.stop()
            await app.stop()

    assert server.messages()[-1]["text"] == "you said ['panic', 'now']"


async def test_an_update_stays_until_it_is_confirmed():
    async with talking() as (server, bot):
        server.say("one")
        server.say("two")
        first = await bot.get_updates()
        assert [u.message.text for u in first] == ["one", "two"]
        assert (await bot.get_webhook_info()).pending_update_count == 2
        assert [u.message.text for u in await bot.get_updates(offset=first[1].update_id)] == ["two"]
        assert await bot.get_updates(offset=first[1].update_id + 1) == ()


async def test_an_update_of_yesterday_is_gone():
    clock = JumpingClock()
    async with talking(clock=clock.now) as (server, bot):
        server.say("old")
        clock.seconds = 25 * 3600
        server.say("new")
        assert [u.message.text for u in await bot.get_updates()] == ["new"]


async def test_a_long_poll_ends_with_the_first_update():
    async with talking() as (server, bot), anyio.create_task_group() as tasks:

        async def speak() -> None:
            await server.wait_until(lambda: server.state()["polling"])
            server.say("now")

        tasks.start_soon(speak)
        with anyio.fail_after(5):
            updates = await bot.get_updates(timeout=30)

    assert updates[0].message.text == "now"


async def test_only_the_kinds_that_were_asked_for_arrive():
    async with talking() as (server, bot):
        await bot.get_updates(allowed_updates=["message"])
        said = server.say("one")
        server.edit(said, "two")
        assert [u.message.text for u in await bot.get_updates()] == ["one"]
        await bot.get_updates(allowed_updates=["message", "edited_message"])
        server.edit(said, "three")
        assert (await bot.get_updates())[-1].edited_message.text == "three"


async def test_a_second_poller_ends_the_first_with_409():
    refused: list[Conflict] = []

    async with talking() as (server, first):

        async def wait_in_vain() -> None:
            try:
                await first.get_updates(timeout=30)
            except Conflict as conflict:
                refused.append(conflict)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_in_vain)
            await server.wait_until(lambda: server.state()["polling"])
            async with bot_of(server) as second:
                await second.get_updates(timeout=0)

    assert refused[0].message == (
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    )


async def test_the_server_ends_quickly_while_a_poll_waits():
    answers: list[Any] = []

    async with anyio.create_task_group() as tasks, httpx.AsyncClient(timeout=60) as client:
        with anyio.fail_after(5):
            async with running_telegram() as server:

                async def poll() -> None:
                    url = f"{server.base_url}{server.token}/getUpdates"
                    answers.append((await client.get(url, params={"timeout": 50})).json())

                tasks.start_soon(poll)
                await server.wait_until(lambda: server.state()["polling"])
            await anyio.wait_all_tasks_blocked()

    assert answers == [{"ok": True, "result": []}]


# flood limits


@pytest.mark.usefixtures("waits_as_timedelta")
async def test_a_chat_takes_a_burst_and_then_one_message_a_second():
    clock = JumpingClock()
    async with talking(flood=FloodLimits(private_burst=3), monotonic=clock.monotonic) as (server, bot):
        sent = [await bot.send_message(ME, f"{i}") for i in range(2)]
        await sent[0].edit_text("an edit counts")
        with pytest.raises(RetryAfter) as refused:
            await bot.send_message(ME, "too much")
        assert refused.value.retry_after == timedelta(seconds=1)
        with pytest.raises(RetryAfter):
            await sent[0].edit_text("edits as well")
        clock.seconds = 1.0
        await bot.send_message(ME, "after the wait")

    assert [entry.method for entry in server.refusals] == ["sendMessage", "editMessageText"]
    assert server.refusals[0].refused == "Too Many Requests: retry after 1"


@pytest.mark.usefixtures("waits_as_timedelta")
async def test_an_album_counts_each_picture_and_the_wait_is_said():
    clock = JumpingClock()
    async with talking(flood=FloodLimits(private_burst=5), monotonic=clock.monotonic) as (_, bot):
        await bot.send_media_group(ME, [InputMediaPhoto(png(shade=i)) for i in range(4)])
        with pytest.raises(RetryAfter) as refused:
            await bot.send_media_group(ME, [InputMediaPhoto(png(shade=i)) for i in range(4)])
        assert refused.value.retry_after == timedelta(seconds=3)


@pytest.mark.usefixtures("waits_as_timedelta")
async def test_a_group_takes_20_messages_a_minute():
    clock = JumpingClock()
    async with talking(flood=FloodLimits(), monotonic=clock.monotonic) as (server, bot):
        server.say("hi", chat_id=-42)
        for i in range(20):
            await bot.send_message(-42, f"{i}")
            clock.seconds += 0.05
        with pytest.raises(RetryAfter) as refused:
            await bot.send_message(-42, "too much")
        assert refused.value.retry_after == timedelta(seconds=2)
        await bot.send_message(ME, "another chat is free")


@pytest.mark.usefixtures("waits_as_timedelta")
async def test_all_chats_together_take_30_messages_a_second():
    clock = JumpingClock()
    async with talking(flood=FloodLimits(), monotonic=clock.monotonic) as (server, bot):
        for user in range(1, 32):
            server.say("hi", chat_id=user, user_id=user)
        for user in range(1, 31):
            await bot.send_message(user, "hello")
        with pytest.raises(RetryAfter):
            await bot.send_message(31, "hello")


async def test_an_answer_to_a_press_is_never_limited():
    clock = JumpingClock()
    async with talking(flood=FloodLimits(private_burst=1), monotonic=clock.monotonic) as (server, bot):
        sent = await bot.send_message(ME, "x", reply_markup=keys(("go", "go")))
        for _ in range(5):
            await bot.answer_callback_query(server.press(sent.message_id, "go"))


# the log, bodies, the control API


async def test_the_log_holds_what_was_accepted_with_its_time():
    clock = JumpingClock()
    async with talking(clock=clock.now) as (server, bot):
        await bot.send_photo(ME, png(), caption="[not json]", reply_markup=keys(("go", "go")))
        with pytest.raises(BadRequest):
            await bot.send_message(ME, "<b>", parse_mode="HTML")

    entry = server.log[-1]
    assert [e.method for e in server.log] == ["getMe", "sendPhoto"]
    assert entry.at == clock.now()
    assert entry.params["caption"] == "[not json]"
    assert entry.params["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "go"
    assert entry.params["photo"]["bytes"] == len(png())


@pytest.mark.parametrize("how", ["query", "form", "json", "multipart"])
async def test_parameters_may_come_in_every_way(how: str):
    async with talking() as (server, _), httpx.AsyncClient() as client:
        url, values = f"{server.base_url}{server.token}/SENDMESSAGE", {"chat_id": str(ME), "text": "hé 🎉"}
        answers = {
            "query": lambda: client.get(url, params=values),
            "form": lambda: client.post(url, data=values),
            "json": lambda: client.post(url, json={"chat_id": ME, "text": "hé 🎉"}),
            "multipart": lambda: client.post(url, files={k: (None, v) for k, v in values.items()}),
        }
        answer = (await answers[how]()).json()

    assert answer["result"]["text"] == "hé 🎉"


async def test_a_person_speaks_through_the_control_api():
    async with talking() as (server, bot), httpx.AsyncClient(base_url=server.url) as client:
        said = (await client.post("/sim/message", json={"text": "/matrix"})).json()
        sent = await bot.send_message(
            ME, "<b>x</b> &amp;", parse_mode="HTML", reply_markup=keys(("go", "go"))
        )
        pressed = (
            await client.post("/sim/callback", json={"message_id": sent.message_id, "data": "go"})
        ).json()
        await bot.answer_callback_query(pressed["callback_query_id"], "done")
        chat = (await client.get(f"/sim/chat/{ME}")).json()
        state = (await client.get("/sim/state")).json()
        outbox = (await client.get("/sim/outbox")).json()
        wrong = await client.post("/sim/callback", json={"message_id": sent.message_id, "data": "no"})

    assert [(m["id"], m["from"]["is_bot"], m["html"]) for m in chat] == [
        (said["message_id"], False, "/matrix"),
        (sent.message_id, True, "<b>x</b> &amp;"),
    ]
    assert state["callbacks"][pressed["callback_query_id"]]["text"] == "done"
    assert [entry["method"] for entry in outbox] == ["getMe", "sendMessage", "answerCallbackQuery"]
    assert (wrong.status_code, wrong.json()["ok"]) == (400, False)


async def test_events_tell_only_what_changed_and_wait_for_it():
    async with talking() as (server, bot), httpx.AsyncClient(base_url=server.url) as client:
        server.say("one")
        first = (await client.get("/sim/events")).json()
        known = {"after": first["state"]["version"], "instance": first["state"]["instance"]}
        news: list[Any] = []

        async def listen() -> None:
            news.append((await client.get("/sim/events", params=known, timeout=10)).json())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await bot.send_message(ME, "two")

    assert [m["text"] for m in first["messages"]] == ["one"]
    assert [m["text"] for m in news[0]["messages"]] == ["two"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
    ],
)
def test_the_control_api_is_closed_to_other_sites(shared: str, headers: dict[str, str]):
    home = shared.partition("/bot")[0]
    body = json.dumps({"text": "/start", "user_id": 31}).encode()

    answer = httpx.post(
        f"{home}/sim/message", content=body, headers={"Content-Type": "application/json", **headers}
    )

    assert answer.status_code == 403
    assert httpx.get(f"{home}/sim/chat/31").json() == []


async def test_the_page_may_run_only_its_own_script():
    async with talking() as (server, _), httpx.AsyncClient(base_url=server.url) as client:
        policy = (await client.get("/")).headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


async def test_a_file_that_could_run_is_only_saved():
    async with talking() as (server, bot), httpx.AsyncClient(base_url=server.url) as client:
        await bot.send_document(ME, b"<script>alert(1)</script>", filename="page.html")
        answer = await client.get(server.messages()[0]["document"]["url"])

    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''page.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_any_update_can_be_forged():
    async with talking() as (server, bot):
        server.push_update({"widget_query": {"id": "1"}})
        (update,) = await bot.get_updates()

    assert (update.effective_user, update.api_kwargs) == (None, {"widget_query": {"id": "1"}})


async def test_an_error_in_the_block_comes_out_as_it_is():
    with pytest.raises(KeyError, match="mine"):
        async with running_telegram():
            raise KeyError("mine")


# the program


def program(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator.telegram", *options]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_program_says_where_it_listens_and_ends_with_its_input():
    with program("--port", "0", "--token", "7000000001:AAsecret", "--exit-with-stdin") as started:
        said = json.loads(started.stdout.readline())
        answer = httpx.get(f"http://127.0.0.1:{said['port']}/bot{said['token']}/getMe").json()
        rest, notes = started.communicate(timeout=20)

    assert (said["token"], answer["result"]["username"]) == ("7000000001:AAsecret", "riskbot_demo_bot")
    assert (rest, started.returncode) == ("", 0)
    assert notes == f"simulated telegram: open http://127.0.0.1:{said['port']} in a browser\n"


def test_the_program_ends_on_a_signal():
    with program("--port", "0") as started:
        started.stdout.readline()
        started.terminate()
        started.communicate(timeout=20)

    assert started.returncode == 0


async def test_a_port_in_use_is_one_clear_line():
    async with running_telegram() as server:
        done = await anyio.run_process(
            [sys.executable, "-m", "simulator.telegram", "--port", str(server.port)], check=False
        )

    assert done.returncode == 2
    assert done.stderr.decode() == (
        f"simulated telegram: can't listen on 127.0.0.1:{server.port}: Address already in use\n"
    )
    assert done.stdout == b""
