"""Reading a request's parameters: what is unknown, missing or of a wrong type is refused.

Values come as strings (form, query, multipart) or as JSON values; both are read. Telegram ignores an unknown
parameter; here it is refused, because in a test it is a typing error.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.telegram.errors import RefusedError, bad_request

Args = dict[str, Any]
_INTEGER = re.compile(r"-?\d{1,18}")
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the request."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request's parameters as they arrived, and its files by field name."""

    values: Mapping[str, Any]
    uploads: Mapping[str, Upload]


Reader = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """How one parameter is read; `missing` is the refusal when it is absent, None where it is optional."""

    read: Reader
    missing: str | None = None


def read_all(spec: Mapping[str, Parameter], incoming: Incoming) -> Args:
    """The parameters of a request, read and checked.

    Raises:
        RefusedError: 400 for a parameter that is unknown, missing or of a wrong type, or a file that nothing
            refers to.
    """
    _refuse_unknown(spec, incoming)
    args: Args = {}
    for name, parameter in spec.items():
        if name in incoming.uploads:
            args[name] = f"attach://{name}"
        elif incoming.values.get(name) not in (None, ""):
            args[name] = parameter.read(name, incoming.values[name])
        elif parameter.missing is not None:
            raise bad_request(parameter.missing)
    return args


def _refuse_unknown(spec: Mapping[str, Parameter], incoming: Incoming) -> None:
    said = json.dumps(list(incoming.values.values()))
    loose = [name for name in incoming.uploads if name not in spec and f"attach://{name}" not in said]
    unknown = sorted({name for name in incoming.values if name not in spec} | set(loose))
    if unknown:
        raise bad_request(f'unknown parameter "{unknown[0]}" (simulator)')


def wrong_type(name: str, wanted: str) -> RefusedError:
    """The refusal of a value that is not what the parameter holds."""
    return bad_request(f'parameter "{name}" must be {wanted} (simulator)')


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(name, "a string")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in value):
        raise bad_request("strings must be encoded in UTF-8")
    return value


def integer(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise wrong_type(name, "an integer")


def boolean(name: str, value: Any) -> bool:
    said = str(value).lower()
    if isinstance(value, bool | str) and said in (*_TRUE, *_FALSE):
        return said in _TRUE
    raise wrong_type(name, "a boolean")


def chat(name: str, value: Any) -> int | str:
    """A chat's id, or the @name of a public one."""
    if isinstance(value, str) and value.startswith("@"):
        return value
    return integer(name, value)


def json_object(name: str, value: Any) -> dict[str, Any]:
    found = _json(name, value, "a JSON object")
    if not isinstance(found, dict):
        raise wrong_type(name, "a JSON object")
    return found


def json_array(name: str, value: Any) -> list[Any]:
    found = _json(name, value, "a JSON array")
    if not isinstance(found, list):
        raise wrong_type(name, "a JSON array")
    return found


def integers(name: str, value: Any) -> list[int]:
    return [integer(name, item) for item in json_array(name, value)]


def strings(name: str, value: Any) -> list[str]:
    return [text(name, item) for item in json_array(name, value)]


def _json(name: str, value: Any, wanted: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise wrong_type(name, wanted) from error


def only(name: str, body: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse a field of a JSON object that Telegram does not have there."""
    if unknown := sorted(set(body) - set(known)):
        raise bad_request(f'unknown field "{unknown[0]}" in {name} (simulator)')
