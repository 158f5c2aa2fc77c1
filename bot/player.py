"""Plays lines as the chat's user against the embedded Telegram and writes down what came back: `riskbot demo --say`.

A line is sent as it is; one in brackets, such as "[As text]", presses the newest button of that name.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import httpx

from bot.delivery import plain
from engine.errors import RequestError

ANSWERED_WITHIN_S: Final = 60.0
QUIET_S: Final = 1.2
LOOK_EVERY_S: Final = 0.1
USER_ID: Final = 1001
ALERT_SIGNS: Final = ("🔴", "🟠", "🟢", "⚪")
"""How messages that nobody asked for begin; they are written down and count as no answer."""

Json = dict[str, Any]


@dataclass(slots=True)
class Turn:
    """A line, the messages that came after it, and how long the first answer took; None when none came."""

    said: str
    messages: list[Json] = field(default_factory=list)
    seconds: float | None = None


async def play(url: str, lines: Sequence[str], folder: Path) -> list[Turn]:
    """Say each line, wait for its answer, and write transcript.txt, transcript.json and every picture into `folder`.

    Raises:
        RequestError: If `folder` can't be written, or a button that is to be pressed is not there.
    """
    try:
        await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"--out {folder}: {error.strerror}") from error
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        turns = [await _turn(http, line) for line in lines]
        files = await _save_files(http, turns, folder)
    (folder / "transcript.json").write_text(json.dumps([_document(turn, files) for turn in turns], indent=1))
    (folder / "transcript.txt").write_text("\n".join(_lines(turns, files)) + "\n")
    return turns


async def _turn(http: httpx.AsyncClient, line: str) -> Turn:
    turn = Turn(line)
    before = {message["message_id"]: message["version"] for message in await _messages(http)}
    started = anyio.current_time()
    pressed = re.fullmatch(r"\[(.+)\]", line)
    if pressed is None:
        (await http.post("/sim/message", json={"text": line})).raise_for_status()
    else:
        await _press(http, pressed.group(1))
    last_news, seen = started, 0
    with anyio.move_on_after(ANSWERED_WITHIN_S):
        while turn.seconds is None or anyio.current_time() - last_news < QUIET_S:
            await anyio.sleep(LOOK_EVERY_S)
            turn.messages = [
                message
                for message in await _messages(http)
                if message["from"]["is_bot"] and before.get(message["message_id"]) != message["version"]
            ]
            if sum(message["version"] for message in turn.messages) != seen:
                seen = sum(message["version"] for message in turn.messages)
                last_news = anyio.current_time()
                if turn.seconds is None and any(not _is_alert(message) for message in turn.messages):
                    turn.seconds = last_news - started
    return turn


async def _messages(http: httpx.AsyncClient) -> list[Json]:
    answer = (await http.get(f"/sim/chat/{USER_ID}")).raise_for_status()
    return [message for message in answer.json() if not message["deleted"]]


async def _press(http: httpx.AsyncClient, name: str) -> None:
    for message in reversed(await _messages(http)):
        for row in (message["reply_markup"] or {}).get("inline_keyboard", []):
            for one in row:
                if one["text"] == name:
                    body = {"message_id": message["message_id"], "data": one["callback_data"]}
                    (await http.post("/sim/callback", json=body)).raise_for_status()
                    return
    raise RequestError(f"--say [{name}]: no message has a button of that name")


async def _save_files(http: httpx.AsyncClient, turns: list[Turn], folder: Path) -> dict[str, str]:
    """Every picture and document, as address -> file name."""
    names: dict[str, str] = {}
    for number, turn in enumerate(turns, 1):
        for message in turn.messages:
            url = _file_url(message)
            if url is not None and url not in names:
                suffix = (
                    ".png"
                    if message["photo"]
                    else Path((message["document"] or {}).get("file_name", "")).suffix
                )
                names[url] = f"{number:02d}-{message['message_id']}{suffix}"
                (folder / names[url]).write_bytes((await http.get(url)).raise_for_status().content)
    return names


def _file_url(message: Json) -> str | None:
    held = message["photo"] or message["document"]
    return None if held is None else str(held["url"])


def _is_alert(message: Json) -> bool:
    return str(message["text"] or "").startswith(ALERT_SIGNS)


def _document(turn: Turn, files: dict[str, str]) -> Json:
    return {
        "said": turn.said,
        "seconds": turn.seconds,
        "answers": [
            {
                "message_id": message["message_id"],
                "html": message["html"],
                "text": plain(message["html"] or ""),
                "file": files.get(_file_url(message) or ""),
                "buttons": _buttons(message),
                "alert": _is_alert(message),
            }
            for message in turn.messages
        ],
    }


def _buttons(message: Json) -> list[str]:
    rows = (message["reply_markup"] or {}).get("inline_keyboard", [])
    return [one["text"] for row in rows for one in row]


def _lines(turns: list[Turn], files: dict[str, str]) -> list[str]:
    lines: list[str] = []
    for turn in turns:
        took = "NO ANSWER" if turn.seconds is None else f"{turn.seconds:.1f} s"
        lines.append(f"> {turn.said}   ({took})")
        for message in turn.messages:
            file = files.get(_file_url(message) or "")
            lines += [f"[{file}]"] if file else []
            lines.append(plain(message["html"] or ""))
            buttons = _buttons(message)
            lines += ["  ".join(f"[{name}]" for name in buttons)] if buttons else []
            lines.append("")
    return lines
