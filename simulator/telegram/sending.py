"""The methods that write a new message: text, photo, document, album."""

from dataclasses import dataclass, replace
from typing import Any

from simulator.telegram import params
from simulator.telegram.entities import QUOTES, SPLITTABLE, Entity, Styled, tidy, utf16_length
from simulator.telegram.errors import RefusedError, bad_request
from simulator.telegram.files import StoredFile
from simulator.telegram.markup import MarkupError, parse_html, without_code_languages
from simulator.telegram.params import Args, Incoming
from simulator.telegram.records import Chat, Message
from simulator.telegram.views import bot_view
from simulator.telegram.world import World

MAX_TEXT = 4096
MAX_CAPTION = 1024
_MEDIA_FIELDS = ("type", "media", "caption", "parse_mode", "caption_entities", "show_caption_above_media")
_MEDIA_KINDS = {
    "photo": (*_MEDIA_FIELDS, "has_spoiler"),
    "document": (*_MEDIA_FIELDS[:-1], "thumbnail", "disable_content_type_detection"),
}
_NOT_HERE = {
    "message_thread_id": "message thread not found",
    "direct_messages_topic_id": "direct messages topic not found (simulator)",
    "business_connection_id": "business connection not found",
}
_PLAIN_KINDS = (
    *SPLITTABLE,
    *QUOTES,
    "code",
    "bot_command",
    "url",
    "mention",
    "hashtag",
    "cashtag",
    "email",
    "phone_number",
)


def send_message(world: World, args: Args, incoming: Incoming) -> Any:
    chat = world.writable_chat(args["chat_id"])
    body = message_text(args)
    draft = _draft(world, chat, args, body)
    world.admit(chat.id)
    return bot_view(world, world.put(draft))


def send_photo(world: World, args: Args, incoming: Incoming) -> Any:
    return _send_file(world, args, incoming, "photo")


def send_document(world: World, args: Args, incoming: Incoming) -> Any:
    return _send_file(world, args, incoming, "document")


def send_media_group(world: World, args: Args, incoming: Incoming) -> Any:
    """An album of 2-10 photos or of 2-10 documents."""
    chat = world.writable_chat(args["chat_id"])
    items = args["media"]
    if not 2 <= len(items) <= 10:
        raise bad_request("an album holds 2-10 items (simulator)")
    media = [input_media(world, item, incoming) for item in items]
    if len({m.file.kind for m in media}) > 1:
        raise bad_request("document can't be mixed with other media types")
    drafts = [_with_media(_draft(world, chat, args, m.caption), m) for m in media]
    world.admit(chat.id, len(drafts))
    album = str(drafts[0].id)
    return [bot_view(world, world.put(replace(draft, album=album))) for draft in drafts]


def _send_file(world: World, args: Args, incoming: Incoming, kind: str) -> Any:
    chat = world.writable_chat(args["chat_id"])
    file = read_file(world, args[kind], kind, incoming)
    shape = Media(
        file, caption(args), bool(args.get("has_spoiler")), bool(args.get("show_caption_above_media"))
    )
    draft = _with_media(_draft(world, chat, args, shape.caption), shape)
    world.admit(chat.id)
    return bot_view(world, world.put(draft))


@dataclass(frozen=True, slots=True)
class Media:
    """A file with what goes with it in a message."""

    file: StoredFile
    caption: Styled
    spoiler: bool = False
    caption_above: bool = False


def _with_media(draft: Message, media: Media) -> Message:
    return replace(draft, file=media.file, spoiler=media.spoiler, caption_above=media.caption_above)


def _draft(world: World, chat: Chat, args: Args, body: Styled) -> Message:
    """The message that the arguments every sending method shares describe."""
    if chat.id < 0 and args.get("message_effect_id"):
        raise bad_request("can't use message effects in the chat")
    for name, refusal in _NOT_HERE.items():
        if name in args:
            raise bad_request(refusal)
    return Message(
        id=world.next_message_id(),
        chat_id=chat.id,
        sender=world.bot,
        date=world.now(),
        body=body,
        keyboard=args.get("reply_markup"),
        reply_to=_reply_to(world, chat, args.get("reply_parameters")),
        silent=bool(args.get("disable_notification")),
        protected=bool(args.get("protect_content")),
        effect=args.get("message_effect_id"),
    )


def _reply_to(world: World, chat: Chat, reply: dict[str, Any] | None) -> int | None:
    if reply is None:
        return None
    params.only("reply_parameters", reply, ("message_id", "chat_id", "allow_sending_without_reply"))
    message_id = params.integer("message_id", reply.get("message_id"))
    if world.find(chat.id, message_id):
        return message_id
    if reply.get("allow_sending_without_reply") is True:
        return None
    raise bad_request("message to be replied not found")


def message_text(args: Args) -> Styled:
    """The `text` of a message, formatted and held to 1-4096 UTF-16 units.

    Raises:
        RefusedError: 400 "message text is empty", "message is too long", "can't parse entities: ...".
    """
    styled = formatted(args["text"], args.get("parse_mode"), args.get("entities"))
    if not styled.text:
        raise bad_request("text must be non-empty" if args["text"].strip() else "message text is empty")
    if styled.length > MAX_TEXT:
        raise bad_request("message is too long")
    return styled


def caption(args: Args) -> Styled:
    """The `caption` of a file, formatted and held to 0-1024 UTF-16 units."""
    styled = formatted(args.get("caption", ""), args.get("parse_mode"), args.get("caption_entities"))
    if styled.length > MAX_CAPTION:
        raise bad_request("message caption is too long")
    return styled


def formatted(text: str, parse_mode: str | None, entities: list[Any] | None) -> Styled:
    """Text by its parse mode, or else by explicit entities, as the server keeps it."""
    if parse_mode is None:
        return tidy(Styled(text, tuple(_entity(text, item) for item in entities or [])))
    if parse_mode.lower() in ("markdown", "markdownv2"):
        raise bad_request(f'parse_mode "{parse_mode}" is not read here, use HTML (simulator)')
    if parse_mode.lower() != "html":
        raise bad_request("unsupported parse_mode")
    try:
        return tidy(without_code_languages(parse_html(text)))
    except MarkupError as error:
        raise bad_request(f"can't parse entities: {error}") from error


def _entity(text: str, item: Any) -> Entity:
    """A MessageEntity that came as JSON."""
    if not isinstance(item, dict):
        raise bad_request("can't parse MessageEntity: MessageEntity must be an Object")
    kind, offset, length = item.get("type"), item.get("offset"), item.get("length")
    if not isinstance(offset, int) or not isinstance(length, int) or offset < 0 or length <= 0:
        raise bad_request(
            "can't parse MessageEntity: offset and length must be integers within the text (simulator)"
        )
    end = utf16_length(text)
    if offset + length > end:
        where = f"beginning at UTF-16 offset {offset} ends after the end of the text at UTF-16 offset {end}"
        raise bad_request(f"entity {where}")
    if kind == "pre":
        return Entity("pre", offset, length, language=item.get("language"))
    if kind == "text_link" and isinstance(item.get("url"), str):
        return Entity("text_link", offset, length, url=item["url"])
    if kind == "date_time" and isinstance(item.get("unix_time"), int):
        style = item.get("date_time_format")
        return Entity("date_time", offset, length, unix_time=item["unix_time"], date_time_format=style)
    if kind in _PLAIN_KINDS:
        return Entity(kind, offset, length)
    raise bad_request("can't parse MessageEntity: unsupported type specified (simulator)")


def input_media(world: World, item: Any, incoming: Incoming) -> Media:
    """An InputMediaPhoto or InputMediaDocument.

    Raises:
        RefusedError: 400 with "can't parse InputMedia: ..." or what its file or caption is refused for.
    """
    kind = item.get("type") if isinstance(item, dict) else None
    if kind not in _MEDIA_KINDS:
        raise bad_request("can't parse InputMedia: photos and documents are known here (simulator)")
    params.only("InputMedia", item, _MEDIA_KINDS[kind])
    if not isinstance(item.get("media"), str):
        raise bad_request("can't parse InputMedia: media not found")
    for name in ("caption", "parse_mode"):
        params.text(name, item.get(name, ""))
    file = read_file(world, item["media"], kind, incoming)
    return Media(
        file, caption(item), bool(item.get("has_spoiler")), bool(item.get("show_caption_above_media"))
    )


def read_file(world: World, value: str, kind: str, incoming: Incoming) -> StoredFile:
    """The file a parameter means: an upload by attach://, or one that is here already by its id."""
    if value.startswith("attach://"):
        upload = incoming.uploads.get(value.removeprefix("attach://"))
        if upload is None:
            raise bad_request(f"there is no {kind} in the request")
        return world.files.photo(upload) if kind == "photo" else world.files.document(upload)
    file = world.files.find(value)
    if file is None:
        raise _wrong_file(value)
    if file.kind != kind:
        raise bad_request(f"can't use file of type {file.kind.capitalize()} as {kind.capitalize()}")
    return file


def _wrong_file(value: str) -> RefusedError:
    if value.startswith(("http://", "https://")):
        return bad_request("files are not fetched by URL here (simulator)")
    return bad_request("wrong file identifier/HTTP URL specified")
