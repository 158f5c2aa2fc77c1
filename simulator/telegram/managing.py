"""The methods around messages: pins, callback answers, command menu, chat actions, files, chats, getMe."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from simulator.telegram import params
from simulator.telegram.entities import utf16_length
from simulator.telegram.errors import bad_request
from simulator.telegram.files import MAX_DOWNLOAD_BYTES
from simulator.telegram.params import Args, Incoming
from simulator.telegram.records import Message
from simulator.telegram.views import bot_view
from simulator.telegram.world import World

ANSWERABLE_FOR = timedelta(minutes=15)
MAX_COMMANDS = 100
ACTIONS = frozenset(
    (
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    )
)
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_SCOPES = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}


def get_me(world: World, args: Args, incoming: Incoming) -> Any:
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": True,
        "supports_inline_queries": False,
    }
    return {**world.bot.as_json(), **abilities, "can_connect_to_business": False, "has_main_web_app": False}


def get_webhook_info(world: World, args: Args, incoming: Incoming) -> Any:
    body: dict[str, Any] = {
        "url": "",
        "has_custom_certificate": False,
        "pending_update_count": world.updates.pending,
    }
    return {**body, "allowed_updates": list(world.updates.allowed)} if world.updates.allowed else body


def delete_webhook(world: World, args: Args, incoming: Incoming) -> Any:
    if args.get("drop_pending_updates"):
        world.updates.drop()
    return True


def pin_chat_message(world: World, args: Args, incoming: Incoming) -> Any:
    """Pin a message; the chat and the bot get a service message that says so."""
    chat = world.writable_chat(args["chat_id"])
    message = world.find(chat.id, args["message_id"])
    if message is None:
        raise bad_request("message to pin not found")
    if message.pins is not None:
        raise bad_request("service messages can't be pinned")
    if chat.pinned and chat.pinned[-1] == message.id:
        raise bad_request("CHAT_NOT_MODIFIED")
    world.change_chat(replace(chat, pinned=(*(i for i in chat.pinned if i != message.id), message.id)))
    world.put(message)
    note = Message(world.next_message_id(), chat.id, world.bot, world.now(), pins=message.id, silent=True)
    world.updates.add({"message": bot_view(world, world.put(note))}, world.now())
    return True


def unpin_chat_message(world: World, args: Args, incoming: Incoming) -> Any:
    """Unpin one message, the one pinned last where none is named."""
    chat = world.writable_chat(args["chat_id"])
    message_id = args.get("message_id", chat.pinned[-1] if chat.pinned else None)
    if message_id not in chat.pinned:
        raise bad_request("message to unpin not found")
    world.change_chat(replace(chat, pinned=tuple(i for i in chat.pinned if i != message_id)))
    world.put(world.messages[chat.id][message_id])
    return True


def unpin_all_chat_messages(world: World, args: Args, incoming: Incoming) -> Any:
    chat = world.writable_chat(args["chat_id"])
    world.change_chat(replace(chat, pinned=()))
    for message_id in chat.pinned:
        world.put(world.messages[chat.id][message_id])
    return True


def answer_callback_query(world: World, args: Args, incoming: Incoming) -> Any:
    query = world.callbacks.get(args["callback_query_id"])
    if query is None or query.answered or world.now() - query.asked > ANSWERABLE_FOR:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if utf16_length(args.get("text", "")) > 200:
        raise bad_request("MESSAGE_TOO_LONG")
    world.callbacks[query.id] = replace(
        query,
        answered=world.now(),
        text=args.get("text", ""),
        show_alert=bool(args.get("show_alert")),
        url=args.get("url"),
    )
    world.touch()
    return True


def set_my_commands(world: World, args: Args, incoming: Incoming) -> Any:
    if len(args["commands"]) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    world.commands[_menu(args)] = [_command(item) for item in args["commands"]]
    world.touch()
    return True


def get_my_commands(world: World, args: Args, incoming: Incoming) -> Any:
    return world.commands.get(_menu(args), [])


def delete_my_commands(world: World, args: Args, incoming: Incoming) -> Any:
    world.commands.pop(_menu(args), None)
    world.touch()
    return True


def _command(item: Any) -> dict[str, str]:
    if not isinstance(item, dict):
        raise bad_request("can't parse BotCommand: expected an Object (simulator)")
    params.only("BotCommand", item, ("command", "description"))
    name, description = (params.text(key, item.get(key, "")) for key in ("command", "description"))
    if not name:
        raise bad_request("command must be non-empty")
    if not _COMMAND.fullmatch(name.removeprefix("/")):
        raise bad_request("BOT_COMMAND_INVALID")
    if not description.strip():
        raise bad_request("command description must be non-empty")
    if utf16_length(description) > 256:
        raise bad_request("command description length must not exceed 256")
    return {"command": name.removeprefix("/"), "description": description}


def _menu(args: Args) -> tuple[str, str]:
    """Under which key a scope's commands are kept: the scope and its chat, and the language ('' for all)."""
    scope = args.get("scope", {"type": "default"})
    kind = scope.get("type")
    if kind not in _SCOPES:
        raise bad_request("can't parse BotCommandScope: unsupported type specified")
    params.only("BotCommandScope", scope, ("type", *_SCOPES[kind]))
    places = [str(params.chat(name, scope.get(name))) for name in _SCOPES[kind]]
    language = args.get("language_code", "")
    if language and not re.fullmatch(r"[a-z]{2}", language):
        raise bad_request("invalid language code specified")
    return ":".join([kind, *places]), language


def send_chat_action(world: World, args: Args, incoming: Incoming) -> Any:
    chat = world.writable_chat(args["chat_id"])
    if args["action"].lower() not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    world.show_typing(chat.id, args["action"].lower())
    return True


def get_file(world: World, args: Args, incoming: Incoming) -> Any:
    file = world.files.find(args["file_id"])
    if file is None:
        raise bad_request("invalid file_id")
    if len(file.data) > MAX_DOWNLOAD_BYTES:
        raise bad_request("file is too big")
    size = {"file_size": len(file.data), "file_path": file.path}
    return {"file_id": file.file_id, "file_unique_id": file.unique_id, **size}


def get_chat(world: World, args: Args, incoming: Incoming) -> Any:
    """The Bot API's ChatFullInfo, as far as a risk bot reads it."""
    chat = world.readable_chat(args["chat_id"])
    gifts = (
        "unlimited_gifts",
        "limited_gifts",
        "unique_gifts",
        "premium_subscription",
        "gifts_from_channels",
    )
    body = {
        **chat.as_json(),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(gifts, False),
    }
    if chat.pinned:
        body["pinned_message"] = bot_view(world, world.messages[chat.id][chat.pinned[-1]])
    return body


def leave_chat(world: World, args: Args, incoming: Incoming) -> Any:
    chat = world.readable_chat(args["chat_id"])
    if chat.type == "private":
        raise bad_request("chat member status can't be changed in private chats")
    world.change_chat(replace(chat, closed=f"bot is not a member of the {chat.type} chat"))
    return True
