"""Inline keyboards: read strictly, with Telegram's refusals, and kept as the JSON that is given back."""

from collections.abc import Mapping
from typing import Any

from simulator.telegram.entities import utf16_length
from simulator.telegram.errors import RefusedError, bad_request
from simulator.telegram.params import json_object, only

MAX_DATA_BYTES = 64
MAX_PER_ROW = 8
MAX_PER_MESSAGE = 100
STYLES = ("danger", "success", "primary")
_ACTIONS = ("url", "callback_data", "copy_text")
_FIELDS = ("text", *_ACTIONS, "style", "icon_custom_emoji_id")

Keyboard = dict[str, Any]


def keyboard(name: str, value: Any) -> Keyboard | None:
    """An inline keyboard as it will be given back; None for one without buttons, which removes the keyboard.

    Raises:
        RefusedError: 400 with Telegram's text, BUTTON_DATA_INVALID for callback data outside 1-64 bytes of
            UTF-8.
    """
    body = json_object(name, value)
    if "inline_keyboard" not in body:
        raise bad_request("only inline keyboards are known here (simulator)")
    only(name, body, ("inline_keyboard",))
    rows = body["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    buttons = [[_button(button) for button in row] for row in rows]
    if any(len(row) > MAX_PER_ROW for row in buttons):
        raise bad_request(f"a row holds at most {MAX_PER_ROW} buttons (simulator)")
    if sum(len(row) for row in buttons) > MAX_PER_MESSAGE:
        raise bad_request("REPLY_MARKUP_TOO_LONG")
    kept = [row for row in buttons if row]
    return {"inline_keyboard": kept} if kept else None


def has_button(markup: Mapping[str, Any] | None, data: str) -> bool:
    """Whether the keyboard has a button that sends this callback data."""
    rows = (markup or {}).get("inline_keyboard", [])
    return any(button.get("callback_data") == data for row in rows for button in row)


def _button(button: Any) -> dict[str, Any]:
    if not isinstance(button, dict):
        raise _unparsed("InlineKeyboardButton must be an Object")
    only("InlineKeyboardButton", button, _FIELDS)
    label = button.get("text")
    if not isinstance(label, str):
        raise _unparsed(
            'Can\'t find field "text"' if label is None else 'Field "text" must be of type String'
        )
    if not label.strip():
        raise bad_request("inline keyboard button text must be non-empty (simulator)")
    actions = [name for name in _ACTIONS if name in button]
    if len(actions) != 1:
        raise _unparsed("Text buttons are unallowed in the inline keyboard")
    if button.get("style") not in (None, *STYLES):
        raise _unparsed("unsupported button style specified (simulator)")
    _check_action(actions[0], button[actions[0]])
    return dict(button)


def _check_action(name: str, value: Any) -> None:
    if name == "callback_data":
        if not isinstance(value, str) or not 1 <= len(value.encode()) <= MAX_DATA_BYTES:
            raise bad_request("BUTTON_DATA_INVALID")
    elif name == "url":
        if not isinstance(value, str) or not value.startswith(("http://", "https://", "tg://")):
            raise bad_request("BUTTON_URL_INVALID")
    else:
        copied = value.get("text") if isinstance(value, dict) else None
        if not isinstance(copied, str) or not 1 <= utf16_length(copied) <= 256:
            raise bad_request("BUTTON_COPY_TEXT_INVALID")


def _unparsed(text: str) -> RefusedError:
    return bad_request(f"can't parse inline keyboard button: {text}")
