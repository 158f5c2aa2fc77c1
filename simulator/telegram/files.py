"""Files that were sent: pictures measured from their headers, everything kept in memory under its file id."""

import hashlib
import itertools
import mimetypes
import struct
from dataclasses import dataclass
from typing import Any

from simulator.telegram.errors import RefusedError, bad_request
from simulator.telegram.params import Upload

MAX_PHOTO_BYTES = 10_000_000
MAX_DOCUMENT_BYTES = 50_000_000
MAX_DOWNLOAD_BYTES = 20_000_000
MAX_SIDES = 10_000
MAX_RATIO = 20
KEPT_BYTES = 512_000_000


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file on the server. `kind` is "photo" or "document"; width and height in pixels, 0 for what is no
    picture.
    """

    file_id: str
    unique_id: str
    kind: str
    name: str
    mime_type: str
    data: bytes
    path: str
    width: int = 0
    height: int = 0

    def as_json(self) -> dict[str, Any]:
        """The Bot API's PhotoSize or Document."""
        body: dict[str, Any] = {
            "file_id": self.file_id,
            "file_unique_id": self.unique_id,
            "file_size": len(self.data),
        }
        if self.kind == "photo":
            return {**body, "width": self.width, "height": self.height}
        return {**body, "file_name": self.name, "mime_type": self.mime_type}


class FileStore:
    """Keeps files by id; the oldest go when all of them together exceed 512 MB.

    A photo keeps the bytes and the size it was sent with: one PhotoSize, where Telegram makes several and
    scales the largest down to 1280 pixels (2560 for some clients).
    """

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}
        self._numbers = itertools.count()

    def photo(self, upload: Upload) -> StoredFile:
        """Keep a picture.

        Raises:
            RefusedError: 400 for what is empty, larger than 10 MB, no picture, or of impossible dimensions.
        """
        if not upload.data:
            raise bad_request("file must be non-empty")
        if len(upload.data) > MAX_PHOTO_BYTES:
            raise bad_request("file is too big")
        measured = picture_size(upload.data)
        if measured is None:
            raise bad_request("IMAGE_PROCESS_FAILED")
        mime, width, height = measured
        if width + height > MAX_SIDES or max(width, height) > MAX_RATIO * min(width, height):
            raise bad_request("PHOTO_INVALID_DIMENSIONS")
        return self._keep("photo", upload, mime, width, height)

    def document(self, upload: Upload) -> StoredFile:
        """Keep a file of any kind.

        Raises:
            RefusedError: 400 for an empty one, 413 above 50 MB.
        """
        if not upload.data:
            raise bad_request("file must be non-empty")
        if len(upload.data) > MAX_DOCUMENT_BYTES:
            raise RefusedError(413, "Request Entity Too Large")
        said = upload.content_type.partition(";")[0]
        guessed = mimetypes.guess_type(upload.filename)[0] or "application/octet-stream"
        return self._keep("document", upload, said if "/" in said else guessed, 0, 0)

    def find(self, file_id: str) -> StoredFile | None:
        return self._files.get(file_id)

    def at_path(self, path: str) -> StoredFile | None:
        """The file under the path that getFile gave."""
        return next((file for file in self._files.values() if file.path == path), None)

    def _keep(self, kind: str, upload: Upload, mime: str, width: int, height: int) -> StoredFile:
        number = next(self._numbers)
        unique = hashlib.sha256(upload.data).hexdigest()[:16]
        folder, suffix = f"{kind}s", mimetypes.guess_extension(mime) or ""
        file_id = f"{'AgAC' if kind == 'photo' else 'BQAC'}{unique}{number:06d}"
        path = f"{folder}/file_{number}{suffix}"
        file = StoredFile(file_id, unique, kind, upload.filename, mime, upload.data, path, width, height)
        self._files[file_id] = file
        while sum(len(kept.data) for kept in self._files.values()) > KEPT_BYTES:
            self._files.pop(next(iter(self._files)))
        return file


def picture_size(data: bytes) -> tuple[str, int, int] | None:
    """Media type, width and height in pixels of a PNG, JPEG, GIF or WebP (lossy or extended); None for
    anything else.
    """
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return ("image/png", *struct.unpack(">II", data[16:24]))
        if data.startswith((b"GIF87a", b"GIF89a")):
            return ("image/gif", *struct.unpack("<HH", data[6:10]))
        if data.startswith(b"\xff\xd8"):
            return _jpeg_size(data)
        if data[:4] == b"RIFF" and data[8:15] == b"WEBPVP8":
            return _webp_size(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg_size(data: bytes) -> tuple[str, int, int] | None:
    pos = 2
    while data[pos] == 0xFF:
        marker, length = data[pos + 1], struct.unpack(">H", data[pos + 2 : pos + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[pos + 5 : pos + 9])
            return ("image/jpeg", width, height)
        pos += 2 + length
    return None


def _webp_size(data: bytes) -> tuple[str, int, int] | None:
    if data[12:16] == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return ("image/webp", width, height)
    if data[12:16] == b"VP8 ":
        width, height = (value & 0x3FFF for value in struct.unpack("<HH", data[26:30]))
        return ("image/webp", width, height)
    return None
