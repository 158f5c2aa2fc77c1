"""The methods that change or remove the bot's messages."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from simulator.telegram.entities import Styled
from simulator.telegram.errors import bad_request
from simulator.telegram.params import Args, Incoming
from simulator.telegram.records import Message
from simulator.telegram.sending import caption, input_media, message_text
from simulator.telegram.views import bot_view
from simulator.telegram.world import World

DELETABLE_FOR = timedelta(hours=48)
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as "
    "a current content and reply markup of the message"
)


def edit_message_text(world: World, args: Args, incoming: Incoming) -> Any:
    message = _editable(world, args)
    if message.file:
        raise bad_request("there is no text in the message to edit")
    return _replace(
        world, message, replace(message, body=message_text(args), keyboard=args.get("reply_markup"))
    )


def edit_message_caption(world: World, args: Args, incoming: Incoming) -> Any:
    message = _editable(world, args)
    if not message.file:
        raise bad_request("there is no caption in the message to edit")
    above = bool(args.get("show_caption_above_media"))
    changed = replace(message, body=caption(args), keyboard=args.get("reply_markup"), caption_above=above)
    return _replace(world, message, changed)


def edit_message_media(world: World, args: Args, incoming: Incoming) -> Any:
    """Another file for a message with one, or a first file for a text message."""
    message = _editable(world, args)
    media = input_media(world, args["media"], incoming)
    if message.album and message.file and message.file.kind != media.file.kind:
        raise bad_request("can't change media type in the album")
    same = message.file is not None and message.file.unique_id == media.file.unique_id
    changed = replace(
        message,
        file=message.file if same else media.file,
        body=media.caption,
        spoiler=media.spoiler,
        caption_above=media.caption_above,
        keyboard=args.get("reply_markup"),
    )
    return _replace(world, message, changed)


def edit_message_reply_markup(world: World, args: Args, incoming: Incoming) -> Any:
    message = _editable(world, args)
    return _replace(world, message, replace(message, keyboard=args.get("reply_markup")))


def delete_message(world: World, args: Args, incoming: Incoming) -> Any:
    chat = world.writable_chat(args["chat_id"])
    message = world.find(chat.id, args["message_id"])
    if message is None:
        raise bad_request("message to delete not found")
    _delete(world, message)
    return True


def delete_messages(world: World, args: Args, incoming: Incoming) -> Any:
    """Up to 100 messages; those that are not there are passed over."""
    chat = world.writable_chat(args["chat_id"])
    if not args["message_ids"]:
        raise bad_request("message identifiers are not specified")
    if len(args["message_ids"]) > 100:
        raise bad_request("too many message identifiers specified")
    for message_id in args["message_ids"]:
        if message := world.find(chat.id, message_id):
            _delete(world, message)
    return True


def _delete(world: World, message: Message) -> None:
    if world.now() - message.date > DELETABLE_FOR:
        raise bad_request("message can't be deleted for everyone")
    world.delete(message)


def _editable(world: World, args: Args) -> Message:
    """The bot's own message that an edit names."""
    if "inline_message_id" in args:
        raise bad_request("MESSAGE_ID_INVALID")
    if "chat_id" not in args:
        raise bad_request("chat_id is empty")
    chat = world.writable_chat(args["chat_id"])
    if args.get("message_id", 0) <= 0:
        raise bad_request("message identifier is not specified")
    message = world.find(chat.id, args["message_id"])
    if message is None:
        raise bad_request("message to edit not found")
    if message.sender.id != world.bot.id or message.pins is not None:
        raise bad_request("message can't be edited")
    return message


def _replace(world: World, before: Message, after: Message) -> Any:
    """Put the edited message in place. Telegram counts an edit that changes nothing as an error."""
    if _shown(before) == _shown(after):
        raise bad_request(NOT_MODIFIED)
    world.admit(before.chat_id)
    return bot_view(world, world.put(replace(after, edited=world.now())))


def _shown(message: Message) -> tuple[Styled, Any, Any, bool, bool]:
    return message.body, message.file, message.keyboard, message.spoiler, message.caption_above
