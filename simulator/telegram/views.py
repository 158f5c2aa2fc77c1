"""Messages and chats as JSON: once as the Bot API gives them, once as the chat page and tests read them."""

from typing import Any

from simulator.telegram.entities import to_html
from simulator.telegram.records import CallbackQuery, Message
from simulator.telegram.world import World

RECENT_CALLBACKS = 200


def bot_view(world: World, message: Message, *, with_reply: bool = True) -> dict[str, Any]:
    """The Bot API's Message."""
    body: dict[str, Any] = {
        "message_id": message.id,
        "from": message.sender.as_json(),
        "chat": world.chats[message.chat_id].as_json(),
        "date": int(message.date.timestamp()),
    }
    if message.edited:
        body["edit_date"] = int(message.edited.timestamp())
    if message.pins is not None:
        pinned = world.messages[message.chat_id][message.pins]
        return {**body, "pinned_message": bot_view(world, pinned, with_reply=False)}
    body |= _content(message)
    if message.keyboard:
        body["reply_markup"] = message.keyboard
    replied = world.find(message.chat_id, message.reply_to)
    if replied and with_reply:
        body["reply_to_message"] = bot_view(world, replied, with_reply=False)
    return body | _flags(message)


def _content(message: Message) -> dict[str, Any]:
    """Text, or file and caption, with their entities."""
    entities = [entity.as_json() for entity in message.body.entities]
    if message.file is None:
        return {"text": message.body.text} | ({"entities": entities} if entities else {})
    body: dict[str, Any] = {}
    body[message.file.kind] = (
        [message.file.as_json()] if message.file.kind == "photo" else message.file.as_json()
    )
    if message.body.text:
        body["caption"] = message.body.text
    if entities:
        body["caption_entities"] = entities
    return body


def _flags(message: Message) -> dict[str, Any]:
    flags: dict[str, Any] = {
        "media_group_id": message.album,
        "has_protected_content": message.protected or None,
        "has_media_spoiler": message.spoiler or None,
        "show_caption_above_media": message.caption_above or None,
        "effect_id": message.effect,
    }
    return {name: value for name, value in flags.items() if value is not None}


def page_view(world: World, message: Message) -> dict[str, Any]:
    """A message for the chat page and for tests: everything in one flat object, absent things null.

    `html` is the text or caption as HTML; `photo` and `document` carry the address of the file; times are ISO
    8601.
    """
    has_file = message.file is not None
    text, entities = message.body.text, [entity.as_json() for entity in message.body.entities]
    return {
        "id": message.id,
        "message_id": message.id,
        "chat_id": message.chat_id,
        "version": message.version,
        "from": {"id": message.sender.id, "is_bot": message.sender.is_bot, "name": message.sender.first_name},
        "date": message.date.isoformat(),
        "edited": message.edited is not None,
        "edit_date": message.edited.isoformat() if message.edited else None,
        "deleted": message.deleted,
        "pinned": message.id in world.chats[message.chat_id].pinned,
        "service": None if message.pins is None else {"pinned": message.pins},
        "text": None if has_file else text,
        "caption": text if has_file else None,
        "html": to_html(message.body),
        "entities": entities,
        "reply_markup": message.keyboard,
        "reply_to": message.reply_to,
        "album": message.album,
        "photo": _file_view(message, "photo"),
        "document": _file_view(message, "document"),
        "caption_above": message.caption_above,
        "spoiler": message.spoiler,
        "silent": message.silent,
        "protected": message.protected,
        "effect": message.effect,
    }


def _file_view(message: Message, kind: str) -> dict[str, Any] | None:
    if message.file is None or message.file.kind != kind:
        return None
    shown = {
        "url": f"/sim/file/{message.file.file_id}",
        "name": message.file.name,
        "mime_type": message.file.mime_type,
    }
    return {**message.file.as_json(), **shown}


def state_view(world: World, chat_id: int) -> dict[str, Any]:
    """What surrounds a chat: the bot, its menu, typing, pins, and the callback queries with their answers."""
    typing = world.typing_in(chat_id)
    chat = world.chats.get(chat_id)
    return {
        "instance": world.instance,
        "version": world.version,
        "bot": {"id": world.bot.id, "name": world.bot.first_name, "username": world.bot.username},
        "chat": {"id": chat_id, "name": chat.name, "type": chat.type} if chat else None,
        "commands": commands_for(world, chat_id),
        "typing": {"action": typing[0], "left_s": round(typing[1], 2)} if typing else None,
        "pinned": list(chat.pinned) if chat else [],
        "callbacks": {query.id: query.as_json() for query in _recent_callbacks(world, chat_id)},
        "pending_updates": world.updates.pending,
        "polling": world.updates.polled,
    }


def _recent_callbacks(world: World, chat_id: int) -> list[CallbackQuery]:
    return [query for query in world.callbacks.values() if query.chat_id == chat_id][-RECENT_CALLBACKS:]


def commands_for(world: World, chat_id: int, language: str = "en") -> list[dict[str, str]]:
    """The command menu that a person sees in a chat: the narrowest scope that has one wins."""
    kind = "all_private_chats" if chat_id > 0 else "all_group_chats"
    for scope in (f"chat:{chat_id}", kind, "default"):
        for spoken in (language, ""):
            if (found := world.commands.get((scope, spoken))) is not None:
                return found
    return []
