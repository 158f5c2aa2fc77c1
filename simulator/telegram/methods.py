"""The table of Bot API methods: the name, what it does, and its parameters as of Bot API 10.0.

To add a method: a function `(world, args, incoming) -> JSON` and one entry here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.telegram import editing, managing, params, sending
from simulator.telegram.keyboards import keyboard
from simulator.telegram.params import Args, Incoming, Parameter
from simulator.telegram.world import World


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the Bot API. `name` is as documented; requests may write it in any case."""

    name: str
    run: Callable[[World, Args, Incoming], Any]
    parameters: Mapping[str, Parameter]


_TEXT, _INTEGER, _BOOLEAN = (Parameter(read) for read in (params.text, params.integer, params.boolean))
_OBJECT, _ARRAY, _KEYBOARD = (Parameter(read) for read in (params.json_object, params.json_array, keyboard))

_CHAT = {"chat_id": Parameter(params.chat, "chat_id is empty")}
_MESSAGE = {"message_id": Parameter(params.integer, "message identifier is not specified")}
_SEND = {
    **_CHAT,
    "business_connection_id": _TEXT,
    "message_thread_id": _INTEGER,
    "direct_messages_topic_id": _INTEGER,
    "disable_notification": _BOOLEAN,
    "protect_content": _BOOLEAN,
    "allow_paid_broadcast": _BOOLEAN,
    "message_effect_id": _TEXT,
    "suggested_post_parameters": _OBJECT,
    "reply_parameters": _OBJECT,
    "reply_markup": _KEYBOARD,
}
_FORMATTED = {
    "text": Parameter(params.text, "message text is empty"),
    "parse_mode": _TEXT,
    "entities": _ARRAY,
    "link_preview_options": _OBJECT,
}
_CAPTION = {"caption": _TEXT, "parse_mode": _TEXT, "caption_entities": _ARRAY}
_EDIT = {
    "business_connection_id": _TEXT,
    "chat_id": Parameter(params.chat),
    "message_id": _INTEGER,
    "inline_message_id": _TEXT,
    "reply_markup": _KEYBOARD,
}
_PHOTO = {
    "photo": Parameter(params.text, "there is no photo in the request"),
    "has_spoiler": _BOOLEAN,
    "show_caption_above_media": _BOOLEAN,
}
_DOCUMENT = {
    "document": Parameter(params.text, "there is no document in the request"),
    "thumbnail": _TEXT,
    "disable_content_type_detection": _BOOLEAN,
}
_GROUP = {
    name: spec for name, spec in _SEND.items() if name not in ("reply_markup", "suggested_post_parameters")
}
_SCOPE = {"scope": _OBJECT, "language_code": _TEXT}

_ALL = (
    Method("getMe", managing.get_me, {}),
    Method("getWebhookInfo", managing.get_webhook_info, {}),
    Method("deleteWebhook", managing.delete_webhook, {"drop_pending_updates": _BOOLEAN}),
    Method("sendMessage", sending.send_message, _SEND | _FORMATTED),
    Method("sendPhoto", sending.send_photo, _SEND | _CAPTION | _PHOTO),
    Method("sendDocument", sending.send_document, _SEND | _CAPTION | _DOCUMENT),
    Method(
        "sendMediaGroup",
        sending.send_media_group,
        _GROUP | {"media": Parameter(params.json_array, "media not found")},
    ),
    Method("editMessageText", editing.edit_message_text, _EDIT | _FORMATTED),
    Method(
        "editMessageCaption",
        editing.edit_message_caption,
        _EDIT | _CAPTION | {"show_caption_above_media": _BOOLEAN},
    ),
    Method(
        "editMessageMedia",
        editing.edit_message_media,
        _EDIT | {"media": Parameter(params.json_object, "media not found")},
    ),
    Method("editMessageReplyMarkup", editing.edit_message_reply_markup, _EDIT),
    Method("deleteMessage", editing.delete_message, _CHAT | _MESSAGE),
    Method(
        "deleteMessages",
        editing.delete_messages,
        _CHAT | {"message_ids": Parameter(params.integers, "message identifiers are not specified")},
    ),
    Method(
        "pinChatMessage",
        managing.pin_chat_message,
        _CHAT | _MESSAGE | {"disable_notification": _BOOLEAN, "business_connection_id": _TEXT},
    ),
    Method(
        "unpinChatMessage",
        managing.unpin_chat_message,
        _CHAT | {"message_id": _INTEGER, "business_connection_id": _TEXT},
    ),
    Method("unpinAllChatMessages", managing.unpin_all_chat_messages, _CHAT),
    Method(
        "answerCallbackQuery",
        managing.answer_callback_query,
        {
            "callback_query_id": Parameter(
                params.text, "query is too old and response timeout expired or query ID is invalid"
            ),
            "text": _TEXT,
            "show_alert": _BOOLEAN,
            "url": _TEXT,
            "cache_time": _INTEGER,
        },
    ),
    Method(
        "setMyCommands",
        managing.set_my_commands,
        _SCOPE | {"commands": Parameter(params.json_array, 'parameter "commands" is required')},
    ),
    Method("getMyCommands", managing.get_my_commands, _SCOPE),
    Method("deleteMyCommands", managing.delete_my_commands, _SCOPE),
    Method(
        "sendChatAction",
        managing.send_chat_action,
        _CHAT
        | {
            "action": Parameter(params.text, "wrong parameter action in request"),
            "message_thread_id": _INTEGER,
            "business_connection_id": _TEXT,
        },
    ),
    Method("getFile", managing.get_file, {"file_id": Parameter(params.text, "file_id not specified")}),
    Method("getChat", managing.get_chat, _CHAT),
    Method("leaveChat", managing.leave_chat, _CHAT),
)
METHODS: Mapping[str, Method] = {method.name.lower(): method for method in _ALL}

POLL_PARAMETERS: Mapping[str, Parameter] = {
    "offset": _INTEGER,
    "limit": _INTEGER,
    "timeout": _INTEGER,
    "allowed_updates": Parameter(params.strings),
}
