"""The wire: length-prefixed frames of NUL-terminated text fields, the greeting, and the contract in a request."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GREETING = b"API\0"
OLDEST_CLIENT = 176  # the field layouts here are those of 176 and later
NEWEST_SERVER = 178
_LONGEST_FRAME = 0xFFFFFF  # the broker's own limit
_VERSIONS = re.compile(r"v(\d{1,6})\.\.(\d{1,6})(?: .*)?", re.DOTALL)
UNSET = 1.7976931348623157e308


class ProtocolError(Exception):
    """The peer does not speak the protocol: its connection is of no more use."""


class RequestError(Exception):
    """A request's fields can't be understood: answered by an error notice."""


def frame(*fields: object) -> bytes:
    """One message on the wire. True and False become 1 and 0, None an empty field, floats the shortest text."""
    payload = b"".join(_text(field).encode() + b"\0" for field in fields)
    return len(payload).to_bytes(4, "big") + payload


def split(frames: bytes) -> Iterator[bytes]:
    """Each frame of a run of whole frames."""
    start = 0
    while start < len(frames):
        end = start + 4 + int.from_bytes(frames[start : start + 4], "big")
        yield frames[start:end]
        start = end


def message_id(one: bytes) -> str:
    """The first field of a frame."""
    return one[4:].split(b"\0", 1)[0].decode()


def _text(field: object) -> str:
    if field is None:
        return ""
    if isinstance(field, bool):
        return "1" if field else "0"
    if isinstance(field, float):
        return "1.7976931348623157E308" if field == UNSET else repr(float(field))
    return str(field)


class Unframer:
    """Cuts a byte stream, however it is split, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._greeted = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are complete with these bytes.

        Raises:
            ProtocolError: If the stream does not start with the greeting, or a length can't be one.
        """
        self._buffer += data
        if not self._greeted:
            seen = bytes(self._buffer[:4])
            if not GREETING.startswith(seen):
                raise ProtocolError(f"greeting {seen!r} is not {GREETING!r}")
            if len(seen) < 4:
                return
            del self._buffer[:4]
            self._greeted = True
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if size > _LONGEST_FRAME:
                raise ProtocolError(f"a frame of {size} bytes")
            if len(self._buffer) < 4 + size:
                return
            payload = bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]
            yield payload


def fields_of(payload: bytes) -> list[str]:
    """The fields of a frame; the NUL after the last one does not begin another."""
    fields = payload.decode(errors="backslashreplace").split("\0")
    return fields[:-1] if fields and not fields[-1] else fields


def negotiate(offer: bytes) -> int:
    """The version both sides speak: the client's newest, at most ours.

    Raises:
        ProtocolError: If the offer is no version range, or only of versions before 176.
    """
    match = _VERSIONS.fullmatch(offer.decode(errors="replace").rstrip("\0"))
    if match is None:
        raise ProtocolError(f"version offer {offer[:40]!r}")
    newest = int(match[2])
    if newest < OLDEST_CLIENT:
        raise ProtocolError(f"client version {newest} is older than {OLDEST_CLIENT}")
    return min(newest, NEWEST_SERVER)


@dataclass(frozen=True, slots=True)
class ContractFields:
    """The 12 contract fields of a request."""

    con_id: int
    symbol: str
    sec_type: str
    last_trade: str
    strike: float
    right: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str

    @classmethod
    def parse(cls, fields: Sequence[str]) -> "ContractFields":
        """From the fields that begin with conId. Raises RequestError when they are not a contract."""
        if len(fields) < 12:
            raise RequestError("a contract has 12 fields")
        con_id, symbol, sec_type, last_trade, strike, right = fields[:6]
        return cls(
            number(con_id), symbol, sec_type, last_trade, decimal(strike), right.upper(), *fields[6:12]
        )


def number(text: str) -> int:
    """An integer field; empty is 0. Raises RequestError for anything else."""
    try:
        return int(text or "0")
    except ValueError:
        raise RequestError(f"{text!r} is not an integer") from None


def decimal(text: str) -> float:
    """A number field; empty is 0. Raises RequestError for anything else."""
    try:
        value = float(text or "0")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RequestError(f"{text!r} is not a number")
    return value
