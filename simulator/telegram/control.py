"""The control API for the chat page and for tests, and the guard in front of it.

It speaks as the people in the chat, without a password; so it answers only what comes from this machine's own
page: the Host must be a loopback name with the server's port (against DNS rebinding), the Origin, where there
is one, the same, and a POST must be JSON, which no foreign page can send unasked.
"""

import base64
import functools
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulator.telegram import people
from simulator.telegram.config import DEMO_USER_ID
from simulator.telegram.views import page_view, state_view
from simulator.telegram.world import World

Handler = Callable[[World, Request], Awaitable[Response]]
MAX_WAIT_S = 25.0
MAX_BODY_BYTES = 100_000
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
_SHOWN_INLINE = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")


class UnusableError(ValueError):
    """A control request that makes no sense; the message says why."""


def guarded(handler: Handler) -> Handler:
    """The handler behind the guard, its mistakes answered as 400 with one line."""

    @functools.wraps(handler)
    async def answer(world: World, request: Request) -> Response:
        if reason := foreign(request):
            return JSONResponse({"ok": False, "error": reason}, status_code=403)
        try:
            response = await handler(world, request)
        except (UnusableError, people.ImpossibleError) as error:
            response = JSONResponse({"ok": False, "error": str(error)}, status_code=400)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return answer


def foreign(request: Request) -> str:
    """Why a request is not from this machine's own page or tools; '' when it is."""
    host = request.headers.get("host", "")
    server = request.scope.get("server") or ("", 0)
    if not _LOOPBACK.fullmatch(host) or host.rpartition(":")[2] not in (str(server[1]), host):
        return f"host {host!r} is not this server"
    if request.headers.get("origin", f"http://{host}") != f"http://{host}":
        return "requests from other origins are refused"
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "requests from other sites are refused"
    if (
        request.method == "POST"
        and request.headers.get("content-type", "").partition(";")[0] != "application/json"
    ):
        return "the body must be application/json"
    return ""


async def page(world: World, request: Request) -> Response:
    """The chat page, with a policy that lets only its own script and style run."""
    text = files("simulator.telegram").joinpath("page.html").read_text("utf-8")
    script, style = (_hash(text, tag) for tag in ("script", "style"))
    policy = (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(text, media_type="text/html", headers={"Content-Security-Policy": policy})


def _hash(text: str, tag: str) -> str:
    body = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}"


async def message(world: World, request: Request) -> Response:
    """POST /sim/message {text, chat_id?, user_id?}: a person writes."""
    body = await _body(request)
    user_id = _integer(body, "user_id", DEMO_USER_ID)
    sent = people.say(world, _string(body, "text"), _integer(body, "chat_id", user_id), user_id)
    return JSONResponse({"ok": True, "message_id": sent.id, "chat_id": sent.chat_id})


async def edit(world: World, request: Request) -> Response:
    """POST /sim/edit {message_id, text, chat_id?}: a person edits their message."""
    body = await _body(request)
    chat_id = _integer(body, "chat_id", DEMO_USER_ID)
    changed = people.edit(world, _integer(body, "message_id", None), _string(body, "text"), chat_id)
    return JSONResponse({"ok": True, "message_id": changed.id, "chat_id": changed.chat_id})


async def callback(world: World, request: Request) -> Response:
    """POST /sim/callback {message_id, data, chat_id?, user_id?}: a person presses a button."""
    body = await _body(request)
    user_id = _integer(body, "user_id", DEMO_USER_ID)
    chat_id = _integer(body, "chat_id", user_id)
    query = people.press(world, _integer(body, "message_id", None), _string(body, "data"), chat_id, user_id)
    return JSONResponse({"ok": True, "callback_query_id": query.id})


async def chat(world: World, request: Request) -> Response:
    """GET /sim/chat/{chat_id}: its messages in order, deleted ones marked."""
    chat_id = _number(str(request.path_params["chat_id"]))
    return JSONResponse([page_view(world, m) for m in world.in_chat(chat_id)])


async def events(world: World, request: Request) -> Response:
    """GET /sim/events?chat_id=&after=&instance=: what changed after a version, as soon as something did.

    Answers {"state": ..., "messages": [...]} at once when `instance` is not this server's (a page that knew
    another one must forget it) and after 25 s at the latest.
    """
    query = request.query_params
    chat_id, after = _number(query.get("chat_id", str(DEMO_USER_ID))), _number(query.get("after", "0"))
    if query.get("instance") != world.instance:
        after = 0
    with anyio.move_on_after(MAX_WAIT_S):
        while world.version <= after and not world.closing:
            await world.changed.wait()
    messages = [page_view(world, m) for m in world.in_chat(chat_id, after)]
    return JSONResponse({"state": state_view(world, chat_id), "messages": messages})


async def file(world: World, request: Request) -> Response:
    """GET /sim/file/{file_id}: the bytes; pictures and PDF to look at, the rest to save."""
    found = world.files.find(str(request.path_params["file_id"]))
    if found is None:
        return Response(status_code=404)
    inline = found.mime_type in _SHOWN_INLINE
    shown = "inline" if inline else "attachment"
    headers = {
        "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(found.name)}",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    return Response(
        found.data, media_type=found.mime_type if inline else "application/octet-stream", headers=headers
    )


async def outbox(world: World, request: Request) -> Response:
    """GET /sim/outbox: the requests of the bot that were accepted, polling left out, with their times of
    arrival.
    """
    return JSONResponse([entry.as_json() for entry in world.log])


async def refusals(world: World, request: Request) -> Response:
    """GET /sim/refusals: the requests that were refused, with the text."""
    return JSONResponse([entry.as_json() for entry in world.refusals])


async def state(world: World, request: Request) -> Response:
    """GET /sim/state?chat_id=: menu, typing, pins, callback answers."""
    return JSONResponse(state_view(world, _number(request.query_params.get("chat_id", str(DEMO_USER_ID)))))


async def _body(request: Request) -> dict[str, Any]:
    data = await request.body()
    try:
        body = json.loads(data) if len(data) <= MAX_BODY_BYTES else None
    except ValueError as error:
        raise UnusableError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise UnusableError("the body must be a JSON object of at most 100 kB")
    return body


def _string(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise UnusableError(f'"{name}" must be a string')
    return value.encode("utf-8", "replace").decode()


def _integer(body: dict[str, Any], name: str, default: int | None) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnusableError(f'"{name}" must be an integer')
    return value


def _number(value: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise UnusableError(f"{value!r} is not a number")
    return int(value)
