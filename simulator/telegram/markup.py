"""Telegram's HTML: a strict parser with the real server's refusals.

The grammar and the texts of the refusals are those of tdlib's `parse_html` (td/telegram/MessageEntity.cpp):
offsets in refusals count bytes of UTF-8, `&lt; &gt; &amp; &quot;` and numeric references are known, other
references stay as text.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from simulator.telegram.entities import Entity, Styled, utf16_length

_STYLES: Final = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
}
_TAGS: Final = frozenset({*_STYLES, "a", "code", "pre", "blockquote", "tg-time"})
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(lt|gt|amp|quot)(?![a-zA-Z]));?")
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_SPACE: Final = " \t\r\n\v\0"
_END: Final = "\0"


class MarkupError(ValueError):
    """The text can't be parsed; the message is the real server's."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A start tag that waits for its end."""

    tag: str
    attributes: dict[str, str]
    offset: int
    at: int


def parse_html(source: str) -> Styled:
    """Read Telegram's HTML.

    Returns:
        The text and its entities, not yet tidied.
    Raises:
        MarkupError: with the server's text, such as 'Unsupported start tag "h1" at byte offset 0'.
    """
    return _Parser(source).run()


class _Parser:
    """One pass over the source; the text so far, the entities so far, the tags that are open."""

    def __init__(self, source: str) -> None:
        self.source = source.replace(_END, " ").replace("\r", "") + _END
        self.pos = 0
        self.text: list[str] = []
        self.offset = 0
        self.entities: list[Entity] = []
        self.open: list[_Open] = []

    def run(self) -> Styled:
        while self._here() != _END:
            if self._here() == "<":
                self._tag()
            elif self._here() == "&":
                self._push(self._reference() or self._take())
            else:
                self._push(self._take())
        if self.open:
            raise MarkupError(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        return Styled("".join(self.text), tuple(self.entities))

    def _here(self) -> str:
        return self.source[self.pos]

    def _take(self) -> str:
        self.pos += 1
        return self.source[self.pos - 1]

    def _take_until(self, stops: str) -> str:
        start = self.pos
        while self._here() not in stops:
            self.pos += 1
        return self.source[start : self.pos]

    def _skip_space(self) -> None:
        while self._here() != _END and self._here() in _SPACE:
            self.pos += 1

    def _push(self, text: str) -> None:
        self.text.append(text)
        self.offset += utf16_length(text)

    def _byte(self, pos: int) -> int:
        return len(self.source[:pos].encode())

    def _reference(self) -> str:
        """The character that a reference at this place stands for, '' where it is none."""
        match = _REFERENCE.match(self.source, self.pos)
        if match is None:
            return ""
        hexadecimal, decimal, name = match.groups()
        code = ord(_NAMED[name]) if name else int(hexadecimal or decimal, 16 if hexadecimal else 10)
        if code == 0 or code >= 0x10FFFF or len(match.group().rstrip(";")) >= 10:
            return ""
        if 0xD800 <= code <= 0xDFFF:
            raise MarkupError(
                "Text contains invalid Unicode characters after decoding HTML entities, "
                "check for unmatched surrogate code units"
            )
        self.pos = match.end()
        return chr(code)

    def _tag(self) -> None:
        begin = self.pos
        self.pos += 1
        if self._here() == "/":
            self.pos += 1
            self._end_tag(begin)
        else:
            self._start_tag(begin)

    def _start_tag(self, begin: int) -> None:
        name = self._take_until(_SPACE + ">").lower()
        if self._here() == _END:
            raise MarkupError(f"Unclosed start tag at byte offset {self._byte(begin)}")
        if name not in _TAGS:
            raise MarkupError(f'Unsupported start tag "{name}" at byte offset {self._byte(begin)}')
        attributes: dict[str, str] = {}
        self._skip_space()
        while self._here() != ">":
            key, value = self._attribute(name, begin)
            attributes[key] = value
            self._skip_space()
        self.pos += 1
        self._check_attributes(name, attributes, begin)
        self.open.append(_Open(name, attributes, self.offset, len(self.text)))

    def _attribute(self, tag: str, begin: int) -> tuple[str, str]:
        key, value = self._take_until(_SPACE + "=>").lower(), ""
        where = f'the tag "{tag}" at byte offset {self._byte(begin)}'
        if not key and self._here() != _END:
            raise MarkupError(f"Empty attribute name in {where}")
        self._skip_space()
        if self._here() == "=":
            self.pos += 1
            self._skip_space()
            value = self._quoted() if self._here() in "'\"" else self._name_token()
        elif key != "expandable" and self._here() != _END:
            raise MarkupError(f"Expected equal sign in declaration of an attribute of {where}")
        if self._here() == _END:
            raise MarkupError(f"Unclosed start tag at byte offset {self._byte(begin)}")
        return key, value

    def _quoted(self) -> str:
        quote = self._take()
        value = ""
        while self._here() not in (quote, _END):
            value += (self._reference() if self._here() == "&" else "") or self._take()
        if self._here() == quote:
            self.pos += 1
        return value

    def _name_token(self) -> str:
        begin = self.pos
        while self._here().isascii() and (self._here().isalnum() or self._here() in ".-"):
            self.pos += 1
        if self._here() not in _SPACE + ">":
            raise MarkupError(f"Unexpected end of name token at byte offset {self._byte(begin)}")
        return self.source[begin : self.pos].lower()

    def _check_attributes(self, tag: str, attributes: dict[str, str], begin: int) -> None:
        at = f"at byte offset {self._byte(begin)}"
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            raise MarkupError(f'Tag "span" must have class "tg-spoiler" {at}')
        if tag == "tg-time" and not re.fullmatch(r"-?[0-9]{1,11}", attributes.get("unix", "")):
            raise MarkupError(f'Tag "tg-time" must have a valid attribute "unix" {at}')
        if tag == "tg-time" and not re.fullmatch(r"(r|w?[dD]?[tT]?)", attributes.get("format", "")):
            raise MarkupError(f'Tag "tg-time" has an invalid attribute "format" {at}')

    def _end_tag(self, begin: int) -> None:
        at = self._byte(begin)
        if not self.open:
            raise MarkupError(f"Unexpected end tag at byte offset {at}")
        name = self._take_until(_SPACE + ">").lower()
        self._skip_space()
        if self._here() != ">":
            raise MarkupError(f"Unclosed end tag at byte offset {at}")
        self.pos += 1
        tag = self.open[-1].tag
        if name not in ("", tag):
            raise MarkupError(
                f'Unmatched end tag at byte offset {at}, expected "</{tag}>", found "</{name}>"'
            )
        opened = self.open.pop()
        if self.offset > opened.offset:
            self._add(opened)

    def _add(self, opened: _Open) -> None:
        span = (opened.offset, self.offset - opened.offset)
        if style := _STYLES.get(opened.tag):
            self.entities.append(Entity(style, *span))
        elif opened.tag == "a":
            self.entities += _link(opened.attributes.get("href") or "".join(self.text[opened.at :]), span)
        elif opened.tag == "blockquote":
            kind = "expandable_blockquote" if "expandable" in opened.attributes else "blockquote"
            self.entities.append(Entity(kind, *span))
        elif opened.tag == "tg-time":
            when, style = int(opened.attributes["unix"]), opened.attributes.get("format") or None
            self.entities.append(Entity("date_time", *span, unix_time=when, date_time_format=style))
        else:
            self._add_monospace(opened, span)

    def _add_monospace(self, opened: _Open, span: tuple[int, int]) -> None:
        """`<pre><code class="language-x">` is one pre with a language; a code's own language says nothing."""
        language = opened.attributes.get("class", "")
        named = language.removeprefix("language-") if language.startswith("language-") else None
        last = self.entities[-1] if self.entities else None
        if (
            opened.tag == "pre"
            and last
            and last.language
            and last == Entity("code", *span, language=last.language)
        ):
            self.entities[-1] = Entity("pre", *span, language=last.language)
        else:
            self.entities.append(Entity(opened.tag, *span, language=named if opened.tag == "code" else None))


def without_code_languages(styled: Styled) -> Styled:
    """Code entities lose the language that only a pre around them could have used."""
    entities = tuple(Entity("code", e.offset, e.length) if e.type == "code" else e for e in styled.entities)
    return Styled(styled.text, entities)


def _link(url: str, span: tuple[int, int]) -> list[Entity]:
    """The entity of a link; a link that leads nowhere leaves plain text, as on the real server."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        return []
    if parts.scheme == "tg" and parts.netloc == "user":
        ids = parse_qs(parts.query).get("id", [""])
        return [Entity("text_mention", *span, user_id=int(ids[0]))] if ids[0].isdigit() else []
    if parts.scheme == "tg" or (parts.scheme in ("http", "https") and "." in (parts.hostname or "")):
        whole = parts if parts.path or parts.scheme == "tg" else parts._replace(path="/")
        return [Entity("text_link", *span, url=whole.geturl())]
    return []
