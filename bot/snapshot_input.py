"""A Snapshot named on the command line: from a file, or the last complete one that is stored."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.errors import RequestError
from engine.model import Snapshot

if TYPE_CHECKING:
    from engine.store import Store

SQLITE: Final = "sqlite:///"
NONE_STORED: Final = "no complete snapshot is stored yet: name a file (riskbot snapshot OUT.json writes one)"


def snapshot_of_file(path: Path) -> Snapshot:
    """The Snapshot in a file.

    Raises:
        RequestError: If the file can't be read or is not one; the text starts with its path.
    """
    from engine.snapshot_file import load_snapshot

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RequestError(f"{path}: can't be read: {reason}") from error
    try:
        return load_snapshot(text)
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error


def open_stored(url: str, nothing: str) -> "Store":
    """The store at `url`; a file that does not exist is not made.

    Raises:
        RequestError: `nothing`, where there is no such file.
        StoreError: If the database can't be read.
    """
    from engine.store import Store

    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        raise RequestError(nothing)
    return Store.open(url)


def stored_snapshot(url: str) -> Snapshot:
    """The last complete Snapshot of the database at `url`.

    Raises:
        RequestError: If there is none.
        StoreError: If the database can't be read.
    """
    with open_stored(url, NONE_STORED) as store:
        snapshot = store.latest_snapshot()
    if snapshot is None:
        raise RequestError(NONE_STORED)
    return snapshot
