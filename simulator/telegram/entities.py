"""Formatted text as Telegram keeps it: plain text and entities with offsets in UTF-16 units.

Tidying follows what the real server does to every text: control characters become spaces, white space is
trimmed, pre and code contain no other formatting, equal formats that touch are one, of two that meet one is
inside the other, and commands and links are found.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

SPLITTABLE = ("bold", "italic", "underline", "strikethrough", "spoiler")
MONOSPACE = ("pre", "code")
QUOTES = ("blockquote", "expandable_blockquote")
KINDS = (
    *SPLITTABLE,
    *MONOSPACE,
    *QUOTES,
    "text_link",
    "text_mention",
    "date_time",
    "bot_command",
    "url",
    "mention",
)
MAX_ENTITIES = 100
_ORDER = (
    *QUOTES,
    *MONOSPACE,
    "text_link",
    "text_mention",
    "date_time",
    "bot_command",
    "url",
    "mention",
    *SPLITTABLE,
)
_COMMAND = re.compile(r"(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@\w{3,32})?(?![\w/<>])")
_URL = re.compile(r"https?://[^\s<>\"]*[\w/=&%#]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class Entity:
    """One stretch of formatting; `offset` and `length` in UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None
    unix_time: int | None = None
    date_time_format: str | None = None
    user_id: int | None = None

    @property
    def end(self) -> int:
        return self.offset + self.length

    def as_json(self) -> dict[str, Any]:
        """The Bot API's MessageEntity, absent fields left out."""
        body: dict[str, Any] = {"type": self.type, "offset": self.offset, "length": self.length}
        for name in ("url", "language", "unix_time", "date_time_format"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        if self.user_id is not None:
            body["user"] = {"id": self.user_id, "is_bot": False, "first_name": f"User {self.user_id}"}
        return body


@dataclass(frozen=True, slots=True)
class Styled:
    """Text with its formatting."""

    text: str
    entities: tuple[Entity, ...] = ()

    @property
    def length(self) -> int:
        """Length in UTF-16 units, the unit of every limit."""
        return utf16_length(self.text)


def utf16_length(text: str) -> int:
    """How many UTF-16 units the text takes; an emoji outside the basic plane takes two."""
    return len(text.encode("utf-16-le")) // 2


def utf16_slice(text: str, start: int, end: int) -> str:
    """The part of the text between two UTF-16 offsets."""
    return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le", "replace")


def tidy(styled: Styled) -> Styled:
    """What the server makes of a text and the entities it came with (see the module's docstring)."""
    text = _CONTROL.sub(" ", styled.text)
    mono = _without_nested([e for e in styled.entities if e.type in MONOSPACE])
    quotes = _without_nested([e for e in styled.entities if e.type in QUOTES])
    rest = [e for e in styled.entities if e.type not in (*SPLITTABLE, *MONOSPACE, *QUOTES)]
    kept = [e for e in rest if not any(_overlap(e, m) for m in mono)]
    found = [e for e in _found(text) if not any(_overlap(e, other) for other in (*mono, *kept))]
    placed = [*mono, *(q for q in quotes if not any(_inside(q, m) for m in mono)), *kept, *found]
    for kind in SPLITTABLE:
        placed += [part for piece in _pieces(styled.entities, kind, mono) for part in _split(piece, placed)]
    trimmed = _trimmed(Styled(text, tuple(placed)))
    return Styled(trimmed.text, tuple(sorted(trimmed.entities, key=_order)))


def to_html(styled: Styled) -> str:
    """The text as HTML that `parse_html` reads back to the same text and entities."""
    units = styled.text.encode("utf-16-le")
    marks = {0, len(units) // 2} | {e.offset for e in styled.entities} | {e.end for e in styled.entities}
    out: list[str] = []
    open_now: list[Entity] = []
    for start, end in pairwise(sorted(marks)):
        active = [e for e in styled.entities if e.offset <= start and end <= e.end and _tags(e)]
        keep = next(
            (i for i, pair in enumerate(zip(open_now, active, strict=False)) if pair[0] is not pair[1]), None
        )
        keep = min(len(open_now), len(active)) if keep is None else keep
        out += [_tags(e)[1] for e in reversed(open_now[keep:])] + [_tags(e)[0] for e in active[keep:]]
        open_now = active
        out.append(html.escape(units[2 * start : 2 * end].decode("utf-16-le", "replace"), quote=False))
    out += [_tags(e)[1] for e in reversed(open_now)]
    return "".join(out)


_PLAIN_TAGS = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "spoiler": "tg-spoiler",
    "code": "code",
    "blockquote": "blockquote",
}


def _tags(entity: Entity) -> tuple[str, str]:
    """Opening and closing HTML of an entity; empty where the text alone says it (commands, bare links)."""
    if name := _PLAIN_TAGS.get(entity.type):
        return f"<{name}>", f"</{name}>"
    if entity.type == "pre" and entity.language:
        return f'<pre><code class="language-{html.escape(entity.language)}">', "</code></pre>"
    if entity.type == "pre":
        return "<pre>", "</pre>"
    if entity.type == "expandable_blockquote":
        return "<blockquote expandable>", "</blockquote>"
    if entity.type == "text_link":
        return f'<a href="{html.escape(entity.url or "")}">', "</a>"
    if entity.type == "text_mention":
        return f'<a href="tg://user?id={entity.user_id}">', "</a>"
    if entity.type == "date_time":
        style = f' format="{html.escape(entity.date_time_format)}"' if entity.date_time_format else ""
        return f'<tg-time unix="{entity.unix_time}"{style}>', "</tg-time>"
    return "", ""


def _order(entity: Entity) -> tuple[int, int, int]:
    return entity.offset, -entity.length, _ORDER.index(entity.type)


def _overlap(one: Entity, other: Entity) -> bool:
    return one.offset < other.end and other.offset < one.end


def _inside(one: Entity, other: Entity) -> bool:
    return other.offset <= one.offset and one.end <= other.end and one.length < other.length


def _split(entity: Entity, others: Iterable[Entity]) -> list[Entity]:
    """The entity cut where it half overlaps another: of two that meet, one is always inside the other."""
    cuts = {entity.offset, entity.end}
    for other in others:
        if entity.offset < other.offset < entity.end < other.end:
            cuts.add(other.offset)
        if other.offset < entity.offset < other.end < entity.end:
            cuts.add(other.end)
    return [_moved(entity, start, end) for start, end in pairwise(sorted(cuts))]


def _without_nested(entities: Iterable[Entity]) -> list[Entity]:
    """Entities of a family that can't hold one another: the outer one stays."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=_order):
        if not any(_overlap(entity, other) for other in kept):
            kept.append(entity)
    return kept


def _pieces(entities: Iterable[Entity], kind: str, holes: Iterable[Entity]) -> Iterator[Entity]:
    """The stretches of one format: touching ones merged, monospace cut out of them."""
    units = {i for e in entities if e.type == kind for i in range(e.offset, e.end)}
    units -= {i for hole in holes for i in range(hole.offset, hole.end)}
    start: int | None = None
    for i in sorted(units):
        start = i if start is None else start
        if i + 1 not in units:
            yield Entity(kind, start, i + 1 - start)
            start = None


def _found(text: str) -> Iterator[Entity]:
    """Commands and bare links, which the server marks by itself."""
    for kind, pattern in (("bot_command", _COMMAND), ("url", _URL)):
        for match in pattern.finditer(text):
            yield Entity(kind, utf16_length(text[: match.start()]), utf16_length(match.group()))


def _trimmed(styled: Styled) -> Styled:
    """White space removed at the end, and at the start as far as the first entity."""
    text = styled.text.rstrip()
    end = utf16_length(text)
    entities = [_moved(e, e.offset, min(e.end, end)) for e in styled.entities if e.offset < end]
    blank = len(text) - len(text.lstrip(" \n"))
    shift = min([blank, *(e.offset for e in entities)])
    return Styled(
        text[shift:], tuple(_moved(e, e.offset - shift, e.end - shift) for e in entities)[:MAX_ENTITIES]
    )


def _moved(e: Entity, start: int, end: int) -> Entity:
    extra = (e.url, e.language, e.unix_time, e.date_time_format, e.user_id)
    return Entity(e.type, start, end - start, *extra)
