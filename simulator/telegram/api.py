"""The Bot API over HTTP: /bot<token>/<method> and /file/bot<token>/<path>.

Parameters are read from the query, a form, a multipart form or a JSON body. A request is written into the log
before its answer leaves, so that what a test counts is what really arrived.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from simulator.telegram.errors import RefusedError, bad_request
from simulator.telegram.methods import METHODS, POLL_PARAMETERS
from simulator.telegram.params import Incoming, Upload, read_all
from simulator.telegram.world import World

MAX_REQUEST_BYTES = 60_000_000
MAX_FIELD_BYTES = 1_000_000


async def call_method(world: World, request: Request) -> Response:
    """Answer one Bot API request as Telegram would."""
    at, name, said = world.config.clock(), str(request.path_params["method"]), dict[str, Any]()
    try:
        _check_token(world, request)
        if name.lower() not in METHODS and name.lower() != "getupdates":
            raise RefusedError(404, "Not Found: method not found")
        incoming = await _incoming(request)
        said = _loggable(incoming)
        if name.lower() == "getupdates":
            return _ok(await _get_updates(world, incoming))
        method = METHODS[name.lower()]
        result = method.run(world, read_all(method.parameters, incoming), incoming)
        world.record(at, method.name, said)
        return _ok(result)
    except RefusedError as refusal:
        world.record(at, name, said, refused=refusal.description)
        return _refused(refusal)
    except ClientDisconnect:
        return Response(status_code=400)


async def download(world: World, request: Request) -> Response:
    """Give the bytes of a file that getFile named."""
    try:
        _check_token(world, request)
    except RefusedError as refusal:
        return _refused(refusal)
    file = world.files.at_path(str(request.path_params["path"]))
    if file is None:
        return _refused(RefusedError(404, "Not Found"))
    return Response(file.data, media_type="application/octet-stream")


def _check_token(world: World, request: Request) -> None:
    if request.path_params["token"] != world.config.token:
        raise RefusedError(401, "Unauthorized")


async def _get_updates(world: World, incoming: Incoming) -> Any:
    """Long polling. It is not written into the log of requests, where it would bury the rest."""
    args = read_all(POLL_PARAMETERS, incoming)
    if "allowed_updates" in args:
        world.updates.allowed = tuple(args["allowed_updates"])
    limit, timeout = min(max(args.get("limit", 100), 1), 100), 0 if world.closing else args.get("timeout", 0)
    return await world.updates.poll(args.get("offset", 0), limit, timeout, world.now())


async def _incoming(request: Request) -> Incoming:
    """The request's parameters and files, whichever way they came."""
    if int(request.headers.get("content-length", "0")) > MAX_REQUEST_BYTES:
        raise RefusedError(413, "Request Entity Too Large")
    values: dict[str, Any] = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    uploads: dict[str, Upload] = {}
    if kind == "application/json":
        values |= _json_body(await request.body())
    elif kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        try:
            await _read_form(request, values, uploads)
        except HTTPException as error:
            raise bad_request(f"can't parse the form: {error.detail} (simulator)") from error
    return Incoming(values, uploads)


async def _read_form(request: Request, values: dict[str, Any], uploads: dict[str, Upload]) -> None:
    async with request.form(max_files=100, max_fields=200, max_part_size=MAX_FIELD_BYTES) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                uploads[name] = Upload(value.filename or "file", value.content_type or "", await value.read())
            else:
                values[name] = value


def _json_body(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        raise bad_request("can't parse JSON object") from error
    if not isinstance(found, dict):
        raise bad_request("can't parse JSON object")
    return found


def _loggable(incoming: Incoming) -> dict[str, Any]:
    """The parameters for the log: JSON read, files as name and size."""
    said = {k: v if k in ("text", "caption") else _unpacked(v) for k, v in incoming.values.items()}
    for name, upload in incoming.uploads.items():
        said[name] = {"filename": upload.filename, "bytes": len(upload.data)}
    return said


def _unpacked(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _ok(result: Any) -> Response:
    return JSONResponse({"ok": True, "result": result})


def _refused(refusal: RefusedError) -> Response:
    body: Mapping[str, Any] = {"ok": False, "error_code": refusal.code, "description": refusal.description}
    if refusal.parameters:
        body = {**body, "parameters": refusal.parameters}
    headers = (
        {"Retry-After": str(refusal.parameters["retry_after"])}
        if "retry_after" in refusal.parameters
        else None
    )
    return JSONResponse(body, status_code=refusal.code, headers=headers)
