"""What a handler gives back: words, maybe a picture, maybe buttons. Telegram's own objects start at the adapter."""

from dataclasses import dataclass, replace
from typing import Final

from engine.errors import RequestError

MOST_DATA_BYTES: Final = 64
SEPARATOR: Final = "|"


@dataclass(frozen=True, slots=True)
class Button:
    """A button: its text, and the action with its arguments that it stands for."""

    text: str
    data: str


Keyboard = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One message.

    Attributes:
        html: the text, or the picture's caption; Telegram's HTML.
        picture: a PNG, or None for a text.
        keyboard: rows of buttons.
        edit: replace the message whose button was pressed, where it is of the same kind.
    """

    html: str
    picture: bytes | None = None
    keyboard: Keyboard = ()
    edit: bool = False

    def editing(self) -> "Reply":
        return replace(self, edit=True)


def button(text: str, action: str, *arguments: object) -> Button:
    """A button for `action`; its data must fit the chat's 64 bytes.

    Raises:
        ValueError: If it does not, or an argument holds the separator.
    """
    parts = [str(argument) for argument in arguments]
    data = SEPARATOR.join([action, *parts])
    if len(data.encode()) > MOST_DATA_BYTES or any(SEPARATOR in part for part in parts):
        raise ValueError(f"button data {data!r} does not fit")
    return Button(text, data)


def parse_data(data: str) -> tuple[str, list[str]]:
    """The action of a pressed button and its arguments."""
    action, *arguments = data.split(SEPARATOR)
    return action, arguments


def page_number(text: str) -> int:
    """A page from button data.

    Raises:
        RequestError: If it is not one.
    """
    if not text.isdecimal() or len(text) > 4:
        raise RequestError("That button is not valid any more. Send the command again.")
    return int(text)


def rows_of(buttons: list[Button], each: int) -> Keyboard:
    """Buttons in rows of `each`."""
    return tuple(tuple(buttons[i : i + each]) for i in range(0, len(buttons), each))
