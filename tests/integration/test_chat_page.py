"""The chat page in headless Chromium, driven over the DevTools protocol: keys pressed, pixels and names looked at."""

import base64
import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import websockets
from telegram import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, InputMediaPhoto
from telegram.ext import Application, ApplicationBuilder, CommandHandler, ExtBot

from simulator.telegram import DEMO_USER_ID, SimulatedTelegram, TelegramConfig, running_telegram

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]
ME = DEMO_USER_ID
WIDTH, HEIGHT = 390, 844
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
KEYS = {
    "Enter": (13, "\r"),
    "Tab": (9, ""),
    "Escape": (27, ""),
    "ArrowDown": (40, ""),
    "ArrowUp": (38, ""),
    " ": (32, " "),
}


def png(width: int, height: int, shade: int = 40) -> bytes:
    """A real picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + bytes([shade, 128, 192]) * width for _ in range(height)))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A browser with an empty profile; its DevTools port."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("NO CHROMIUM HERE: the chat page is not tested")
    profile = tmp_path_factory.mktemp("profile")
    with subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        yield anyio.run(_devtools_port, profile / "DevToolsActivePort")
        running.terminate()
        running.wait(20)


async def _devtools_port(file: Path) -> int:
    with anyio.fail_after(30):
        while not file.exists() or not file.read_text():
            await anyio.sleep(0.05)
    return int(file.read_text().splitlines()[0])


class Page:
    """One tab: commands of the DevTools protocol, and the events that came in between."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.events: list[dict[str, Any]] = []

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        with anyio.fail_after(20):
            while True:
                answer = json.loads(await self._socket.recv())
                if answer.get("id") == self._number:
                    assert "error" not in answer, answer
                    return answer["result"]
                self.events.append(answer)

    async def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true in the page; returns its value, True for an element."""
        value, plain = None, f"(v => v instanceof Node || v)({expression})"
        with anyio.move_on_after(10):
            while not (value := await self.js(plain)):
                await anyio.sleep(0.03)
        assert value, f"never true: {expression}"
        return value

    async def type(self, text: str) -> None:
        for letter in text:
            await self.command("Input.dispatchKeyEvent", type="char", text=letter)

    async def key(self, name: str, *, shift: bool = False) -> None:
        """Press and release a key."""
        code, text = KEYS[name]
        common = {"key": name, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        kind = "keyDown" if text else "rawKeyDown"
        await self.command("Input.dispatchKeyEvent", type=kind, text=text, **common)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **common)

    async def focus_by_tab(self, expression: str, *, shift: bool = False) -> None:
        """Press Tab until what has the focus makes the expression true, as a person without a mouse does."""
        for _ in range(60):
            if await self.js(
                f"(() => {{ const it = document.activeElement; return Boolean({expression}); }})()"
            ):
                return
            await self.key("Tab", shift=shift)
        pytest.fail(f"Tab never reached {expression}")

    def requested(self) -> list[str]:
        """Every address that the page asked for."""
        sent = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [e["params"]["request"]["url"] for e in sent]

    def complaints(self) -> list[Any]:
        """Exceptions and errors of the console, lost connections left out."""
        thrown = [e["params"] for e in self.events if e.get("method") == "Runtime.exceptionThrown"]
        logged = [e["params"]["entry"] for e in self.events if e.get("method") == "Log.entryAdded"]
        return thrown + [e for e in logged if e["level"] == "error" and e["source"] != "network"]


@asynccontextmanager
async def page_at(port: int, url: str, *, scheme: str = "light", width: int = WIDTH) -> AsyncIterator[Page]:
    """A tab of a phone's size that shows an address; complains at the end if the page did."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
        target = (await browser.put("/json/new?about:blank")).json()
        async with websockets.connect(target["webSocketDebuggerUrl"], max_size=None) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Network", "Log", "DOM", "Accessibility"):
                await page.command(f"{domain}.enable")
            await page.command(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=HEIGHT,
                deviceScaleFactor=1,
                mobile=False,
            )
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            await page.command("Emulation.setEmulatedMedia", features=features)
            await page.command("Emulation.setFocusEmulationEnabled", enabled=True)
            await page.command("Page.navigate", url=url)
            await page.until(
                "document.readyState === 'complete' && typeof state === 'object' && state.instance"
            )
            yield page
            assert page.complaints() == []
        await browser.get(f"/json/close/{target['id']}")


@asynccontextmanager
async def talking(port: int = 0) -> AsyncIterator[tuple[SimulatedTelegram, ExtBot[None]]]:
    async with (
        running_telegram(TelegramConfig(flood=None, port=port)) as server,
        application(server).bot as bot,
    ):
        yield server, bot


def application(server: SimulatedTelegram) -> Application[Any, Any, Any, Any, Any, Any]:
    builder = ApplicationBuilder().token(server.token).base_url(server.base_url)
    return builder.base_file_url(server.base_file_url).build()


@asynccontextmanager
async def polling(app: Application[Any, Any, Any, Any, Any, Any]) -> AsyncIterator[None]:
    """The application answers updates until the block ends."""
    async with app:
        await app.start()
        await app.updater.start_polling()
        try:
            yield
        finally:
            await app.updater.stop()
            await app.stop()


def keys(**labels: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(t, callback_data=d) for d, t in labels.items()]])


TABLE = (
    "<pre>"
    + "\n".join(f"{name:<12}{value:>18,.2f}" for name, value in [("SPY", -8040.0), ("TSLA", 1.0)])
    + "</pre>"
)


async def test_a_command_typed_on_the_keyboard_is_answered(chromium: int):
    async def answer(update: Any, context: Any) -> None:
        await update.message.reply_html("<b>Positions</b>\n" + TABLE)

    async with running_telegram(TelegramConfig()) as server:
        app = application(server)
        app.add_handler(CommandHandler("positions", answer))
        async with polling(app), page_at(chromium, server.url) as page:
            assert await page.js("document.activeElement.id") == "text"
            await page.type("/positions")
            await page.key("Enter")
            table = await page.until("document.querySelector('#log pre')?.textContent")
            bold = await page.js("document.querySelector('#log b').textContent")
            mine = await page.js("document.querySelector('.mine .link').textContent")

    assert table.splitlines()[0] == "SPY                  -8,040.00"
    assert (bold, mine) == ("Positions", "/positions")


async def test_a_button_is_pressed_by_keyboard_and_the_answer_is_said(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.send_message(ME, "Alert", reply_markup=keys(ack="Acknowledge", why="Why?"))
        await page.until("document.querySelector('.key')")
        await page.focus_by_tab("it.textContent === 'Why?'", shift=True)
        await page.key("Enter")
        (update,) = await bot.get_updates(timeout=10)
        assert update.callback_query.data == "why"
        await page.until("document.querySelector('.key[aria-busy]')?.textContent === 'Why?'")
        await update.callback_query.answer("SPY fell 3 %")
        assert await page.until("toast.textContent") == "SPY fell 3 %"
        assert await page.js("toast.getAttribute('role')") == "status"
        assert await page.js("document.querySelector('.key[aria-busy]')") is None


async def test_an_answer_as_alert_is_a_dialog(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.send_message(ME, "Alert", reply_markup=keys(why="Why?"))
        await page.until("document.querySelector('.key')")
        await page.js("document.querySelector('.key').click()")
        (update,) = await bot.get_updates(timeout=10)
        await update.callback_query.answer("SPY fell 3 %", show_alert=True)
        assert await page.until("$('alert').open && $('alert-text').textContent") == "SPY fell 3 %"
        await page.key("Enter")
        await page.until("!$('alert').open")


async def test_the_focus_stays_on_a_button_whose_message_is_edited(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        sent = await bot.send_message(ME, "Updated 10:00", reply_markup=keys(r="Refresh", x="Close"))
        await page.until("document.querySelector('.key')")
        await page.js("document.querySelectorAll('.key')[1].focus()")
        await sent.edit_text("Updated 10:01", reply_markup=keys(r="Refresh", x="Close"))
        await page.until("document.querySelector('.body').textContent.includes('10:01')")
        assert await page.js("document.activeElement.textContent") == "Close"
        assert "edited" in await page.js("document.querySelector('.meta').textContent")


async def test_a_picture_is_visible_and_opens_by_keyboard(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.send_photo(ME, png(600, 400), caption="Heat map of SPY")
        await bot.send_photo(ME, png(60, 40))
        seen = "(i => i && i.complete && [i.naturalWidth, i.alt, i.getBoundingClientRect().width > 250])"
        first = await page.until(f"{seen}(document.querySelectorAll('#log img')[0])")
        second = await page.until(f"{seen}(document.querySelectorAll('#log img')[1])")
        assert first == [600, "Heat map of SPY", True]
        assert second[1] == "picture"
        await page.focus_by_tab(
            "it.className === 'photo' && it.firstChild.alt.startsWith('Heat')", shift=True
        )
        await page.key("Enter")
        await page.until("$('viewer').open && $('viewer-img').naturalWidth === 600")
        assert await page.js("document.activeElement.id") == "viewer-close"
        await page.key("Escape")
        await page.until("!$('viewer').open && document.activeElement.className === 'photo'")


async def test_an_album_is_one_article_with_a_grid(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.send_media_group(ME, [InputMediaPhoto(png(60, 40, i), caption=f"{i}") for i in range(3)])
        await page.until("document.querySelectorAll('article .album img').length === 3")
        assert await page.js("document.querySelectorAll('article').length") == 1


async def test_a_document_shows_its_name_and_size(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.send_document(ME, b"%PDF" + bytes(41_000), filename="risk.pdf")
        assert await page.until("document.querySelector('.file')?.innerText") == "PDF\nrisk.pdf\n41 kB"
        status = await page.js("fetch(document.querySelector('.file').href).then(r => r.status)")
        assert status == 200


@pytest.mark.parametrize("width", [360, 390])
async def test_thirty_columns_fit_a_phone_without_scrolling(chromium: int, width: int):
    async with talking() as (server, bot), page_at(chromium, server.url, width=width) as page:
        long = "https://example.com/" + "x" * 200
        await bot.send_message(
            ME, f"{TABLE}\n{long}", parse_mode="HTML", reply_markup=keys(a="x" * 60, b="y")
        )
        await bot.send_photo(ME, png(1600, 300))
        await page.until("document.querySelectorAll('article').length === 2")
        wide = "[document.documentElement, log].map(n => n.scrollWidth - n.clientWidth)"
        table = "(p => [p.scrollWidth - p.clientWidth, p.innerText.split('\\n')[0].length])(document.querySelector('pre'))"
        lines = (
            "(p => p.getBoundingClientRect().height < 3 * parseFloat(getComputedStyle(p).lineHeight) + 20)"
        )
        assert await page.js(wide) == [0, 0]
        assert await page.js(table) == [0, 30]
        assert await page.js(f"{lines}(document.querySelector('pre'))")


async def test_nothing_is_requested_from_another_host(chromium: int):
    async with talking() as (server, bot):
        await bot.send_message(ME, '<a href="https://example.com/x">link</a>', parse_mode="HTML")
        await bot.send_photo(ME, png(60, 40))
        async with page_at(chromium, server.url) as page:
            await page.until("document.querySelector('#log img')?.complete")
            requested = page.requested()

    assert any("/sim/file/" in url for url in requested)
    assert [url for url in requested if not url.startswith((server.url, "data:"))] == []


async def test_text_from_the_bot_is_never_markup(chromium: int):
    evil = "&lt;img src=x onerror=alert(1)&gt; &lt;b&gt;"
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.send_message(ME, evil, parse_mode="HTML", reply_markup=keys(a="<script>alert(1)</script>"))
        shown = await page.until("document.querySelector('.body')?.firstChild.textContent")
        assert shown == "<img src=x onerror=alert(1)> <b>"
        assert await page.js("document.querySelector('.key').textContent") == "<script>alert(1)</script>"
        assert await page.js("document.querySelectorAll('#log img, #log script').length") == 0


async def test_every_control_has_a_name(chromium: int):
    controls = {
        "button",
        "link",
        "textbox",
        "combobox",
        "image",
        "option",
        "listbox",
        "log",
        "dialog",
        "group",
    }
    async with talking() as (server, bot):
        await bot.set_my_commands([BotCommand("help", "what I can do")])
        sent = await bot.send_message(ME, f"{TABLE} <tg-spoiler>x</tg-spoiler> /help", parse_mode="HTML")
        await sent.pin()
        await bot.send_photo(ME, png(60, 40), reply_to_message_id=sent.message_id, reply_markup=keys(a="Go"))
        await bot.send_document(ME, b"x", filename="a.csv")
        async with page_at(chromium, server.url) as page:
            await page.until("document.querySelectorAll('article').length === 3")
            await page.js("$('menu-button').click()")
            nodes = (await page.command("Accessibility.getFullAXTree"))["nodes"]

    found = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n.get("ignored")]
    named = [(role, name) for role, name in found if role in controls]
    assert [role for role, name in named if not name.strip()] == []
    assert {role for role, _ in named} >= {"button", "link", "combobox", "image", "option", "listbox", "log"}
    assert ("combobox", "Message") in named


CONTRAST = """
(() => {
  const parse = (c) => { const n = c.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3])).concat(1);
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map((v) => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = (node) => { const layers = [];
    for (let n = node; n; n = n.parentElement) layers.push(parse(getComputedStyle(n).backgroundColor));
    const phone = getComputedStyle(document.querySelector('.phone')).backgroundImage.match(/rgba?\\([^)]*\\)/g)[1];
    return layers.reverse().reduce((under, top) => over(top, under), parse(phone)); };
  const low = [];
  for (const node of document.querySelectorAll('.phone *')) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest('.spoiler, .unseen, .skip, .avatar')) continue;
    const back = ground(node), front = over(parse(getComputedStyle(node).color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) low.push([node.className || node.tagName, node.textContent.slice(0, 20), ratio]);
  }
  return low;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_contrast_is_aa_in_both_colour_schemes(chromium: int, scheme: str):
    styles = [InlineKeyboardButton(s, callback_data=s, style=s) for s in ("danger", "success", "primary")]
    async with talking() as (server, bot):
        await bot.set_my_commands([BotCommand("help", "what I can do")])
        said = server.say("/start please")
        text = f"<b>x</b> <code>y</code> {TABLE} <blockquote expandable>{'long ' * 90}</blockquote> /help"
        markup = InlineKeyboardMarkup([styles, [InlineKeyboardButton("plain", callback_data="p")]])
        sent = await bot.send_message(ME, text, "HTML", reply_markup=markup, reply_to_message_id=said)
        await sent.pin()
        await bot.send_document(
            ME, b"x", filename="a.csv", caption='<a href="https://example.com">x</a>', parse_mode="HTML"
        )
        async with page_at(chromium, server.url, scheme=scheme) as page:
            await page.until("document.querySelectorAll('article').length === 3")
            await page.js("$('menu-button').click(); choose(1); tell('said')")
            dark = await page.js("matchMedia('(prefers-color-scheme: dark)').matches")
            low = await page.js(CONTRAST)

    assert dark == (scheme == "dark")
    assert low == []


async def test_a_new_message_does_not_move_who_reads_back(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        for i in range(40):
            await bot.send_message(ME, f"line {i}")
        await page.until("messages.size === 40 && log.scrollHeight - log.scrollTop - log.clientHeight < 2")
        await page.js("log.scrollTop = 100")
        await page.until("!$('down').hidden")
        await bot.send_message(ME, "news")
        assert await page.until("$('unread').textContent") == "1 new"
        assert await page.js("log.scrollTop") == 100
        await page.js("$('down').click()")
        await page.until("$('down').hidden && log.scrollHeight - log.scrollTop - log.clientHeight < 2")


async def test_the_command_menu_is_chosen_from_by_arrows(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.set_my_commands([(c, f"about {c}") for c in ("scenario", "scenarios", "status", "help")])
        await page.until("state.commands.length === 4")
        await page.type("/s")
        assert await page.until("menu.children.length") == 3
        await page.key("ArrowDown")
        await page.key("ArrowDown")
        assert (
            await page.js("$(text.getAttribute('aria-activedescendant')).textContent")
            == "/scenariosabout scenarios"
        )
        await page.key("Enter")
        await server.wait_until(lambda: [m["text"] for m in server.messages()] == ["/scenarios"])
        await page.until("menu.hidden && text.value === '' && text.getAttribute('aria-expanded') === 'false'")


async def test_the_pinned_bar_leads_to_its_message(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        pinned = await bot.send_message(ME, "AMBER | margin 71 %\nmore")
        for i in range(30):
            await bot.send_message(ME, f"line {i}")
        await pinned.pin()
        assert await page.until("$('pin-first').textContent") == "AMBER | margin 71 %"
        await page.js("$('pinbar').click()")
        await page.until(f"document.activeElement.dataset.id === '{pinned.message_id}'")
        assert await page.js("log.scrollTop") < 200
        await bot.unpin_all_chat_messages(ME)
        await page.until("$('pinbar').hidden")


async def test_hidden_and_folded_text_opens_by_keyboard(chromium: int):
    text = f"<tg-spoiler>secret</tg-spoiler> <blockquote expandable>{'long ' * 90}</blockquote>"
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.send_message(ME, text, parse_mode="HTML")
        await page.until("document.querySelector('.spoiler')")
        await page.focus_by_tab("it.className === 'spoiler'", shift=True)
        await page.key("Enter")
        assert await page.js("document.querySelector('.spoiler')") is None
        folded = await page.js("document.querySelector('.clip').clientHeight")
        await page.focus_by_tab("it.className === 'more'")
        await page.key("Enter")
        assert await page.js("document.querySelector('.clip').clientHeight") > 2 * folded
        assert await page.js("document.querySelector('.more').getAttribute('aria-expanded')") == "true"


async def test_typing_is_shown_and_a_deleted_message_goes(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        sent = await bot.send_message(ME, "soon gone")
        await page.until("document.querySelector('article')")
        await bot.send_chat_action(ME, "typing")
        assert (
            await page.until("$('status').className === 'status typing' && $('status').textContent")
            == "is typing"
        )
        await sent.delete()
        await page.until("!document.querySelector('article') && document.querySelector('.start')")


async def test_the_log_is_a_live_region_once_the_past_is_drawn(chromium: int):
    async with talking() as (server, bot):
        await bot.send_message(ME, "old")
        async with page_at(chromium, server.url) as page:
            await page.until(
                "log.getAttribute('aria-live') === 'polite' && log.getAttribute('role') === 'log'"
            )


async def test_the_page_finds_a_server_that_came_back(chromium: int):
    async with AsyncExitStack() as first:
        server, bot = await first.enter_async_context(talking())
        await bot.send_message(ME, "before")
        async with page_at(chromium, server.url) as page:
            await page.until("document.querySelector('.body')?.textContent.startsWith('before')")
            await first.aclose()
            await page.until("$('status').textContent.startsWith('no connection')")
            async with talking(server.port) as (_, again):
                await again.send_message(ME, "after")
                await page.until("document.querySelector('.body')?.textContent.startsWith('after')")
                assert await page.js("document.querySelectorAll('article').length") == 1
                assert await page.js("$('status').textContent") == "bot"


async def test_the_picture_of_the_page_is_not_blank(chromium: int):
    async with talking() as (server, bot), page_at(chromium, server.url) as page:
        await bot.send_message(ME, "hello")
        await page.until("document.querySelector('article')")
        shot = await page.command("Page.captureScreenshot", format="png")

    assert len(base64.b64decode(shot["data"])) > 8_000
