"""Disks that are full or read-only, as truly as the machine allows: for tests with real files."""

import subprocess
from contextlib import closing, contextmanager

import pytest


@contextmanager
def full(store):
    """The database may not grow by a page: SQLite's own "database or disk is full"."""
    with closing(store._writer.raw_connection()) as raw:
        (before,) = raw.driver_connection.execute("PRAGMA max_page_count").fetchone()
        (pages,) = raw.driver_connection.execute("PRAGMA page_count").fetchone()
        raw.driver_connection.execute(f"PRAGMA max_page_count={pages}")
    try:
        yield
    finally:
        with closing(store._writer.raw_connection()) as raw:
            raw.driver_connection.execute(f"PRAGMA max_page_count={before}")


@contextmanager
def read_only(store):
    """The writer may not write: SQLite's own "attempt to write a readonly database"."""
    with closing(store._writer.raw_connection()) as raw:
        raw.driver_connection.execute("PRAGMA query_only=ON")
    try:
        yield
    finally:
        with closing(store._writer.raw_connection()) as raw:
            raw.driver_connection.execute("PRAGMA query_only=OFF")


@contextmanager
def small_disk(folder, size="4m"):
    """A file system of its own at `folder`; yields what remounts it with other options. Skips where mounting is not allowed."""
    folder.mkdir(exist_ok=True)
    if _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder):
        pytest.skip("this machine does not let a test mount a file system")
    try:
        yield lambda options: _mount("-o", f"remount,{options}", folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(*arguments):
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode
    except OSError:
        return 1
