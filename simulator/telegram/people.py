"""What people do: write, edit, press a button, block the bot. Each becomes an update for the bot."""

from dataclasses import replace
from typing import Any

from simulator.telegram.config import DEMO_USER_ID
from simulator.telegram.entities import Styled, tidy
from simulator.telegram.keyboards import has_button
from simulator.telegram.records import CallbackQuery, Message, User
from simulator.telegram.sending import MAX_TEXT
from simulator.telegram.views import bot_view
from simulator.telegram.world import World


class ImpossibleError(ValueError):
    """A person can't do this; the message says why."""


def say(world: World, text: str, chat_id: int = DEMO_USER_ID, user_id: int = DEMO_USER_ID) -> Message:
    """A person writes. A person or a chat that is not known yet is added (a negative chat id is a group).

    Raises:
        ImpossibleError: for an empty text or one above 4096 UTF-16 units, or when it is somebody else's
            private chat.
    """
    body = tidy(Styled(text))
    if not body.text:
        raise ImpossibleError("the text is empty")
    if body.length > MAX_TEXT:
        raise ImpossibleError(f"the text has {body.length} characters, at most {MAX_TEXT} can be sent")
    user = person(world, user_id)
    if chat_id > 0 and chat_id != user_id:
        raise ImpossibleError(f"chat {chat_id} is another person's private chat")
    if chat_id not in world.chats:
        world.add_group(chat_id, f"Group {-chat_id}")
    chat = world.chats[chat_id]
    if not chat.spoken or chat.closed:
        world.change_chat(replace(chat, spoken=True, closed=None))
    message = world.put(Message(world.next_message_id(), chat_id, user, world.now(), body))
    world.updates.add({"message": bot_view(world, message)}, world.now())
    return message


def edit(world: World, message_id: int, text: str, chat_id: int = DEMO_USER_ID) -> Message:
    """A person edits a message of their own."""
    message = world.find(chat_id, message_id)
    if message is None or message.sender.is_bot:
        raise ImpossibleError(f"message {message_id} is not there or not a person's")
    changed = world.put(replace(message, body=tidy(Styled(text)), edited=world.now()))
    world.updates.add({"edited_message": bot_view(world, changed)}, world.now())
    return changed


def press(
    world: World,
    message_id: int,
    data: str,
    chat_id: int = DEMO_USER_ID,
    user_id: int = DEMO_USER_ID,
    *,
    forged: bool = False,
) -> CallbackQuery:
    """A person presses the button that sends `data`.

    With `forged` the message need not have such a button, as a hostile client may do.

    Raises:
        ImpossibleError: when the message is not there, or has no such button.
    """
    message = world.find(chat_id, message_id)
    if message is None:
        raise ImpossibleError(f"message {message_id} is not in chat {chat_id}")
    if not forged and not has_button(message.keyboard, data):
        raise ImpossibleError(f"message {message_id} has no button with the data {data!r}")
    user = person(world, user_id)
    number = world.config.bot_id * 1000 + len(world.callbacks) + 1
    query = CallbackQuery(str(number), chat_id, message_id, user_id, data, world.now())
    world.callbacks[query.id] = query
    world.touch()
    world.updates.add({"callback_query": _query_view(world, query, user, message)}, world.now())
    return query


def block(world: World, user_id: int = DEMO_USER_ID) -> None:
    """A person blocks the bot; writing to them is refused until they write again."""
    world.change_chat(replace(world.chats[user_id], closed="bot was blocked by the user"))


def person(world: World, user_id: int) -> User:
    """The person of an id, made up where it is new."""
    return world.users.get(user_id) or world.add_user(user_id, f"User{user_id}")


def _query_view(world: World, query: CallbackQuery, user: User, message: Message) -> dict[str, Any]:
    return {
        "id": query.id,
        "from": user.as_json(),
        "message": bot_view(world, message),
        "chat_instance": str(10**18 + abs(query.chat_id)),
        "data": query.data,
    }
