"""A process that is killed while it stores leaves a database that is whole: no alert without its message."""

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

WRITER = Path(__file__).with_name("store_writer.py")
KILLS = 6


def run_and_kill(url, after):
    """The episodes that the writer said were committed before it died, killed once it had said `after` of them."""
    writer = subprocess.Popen([sys.executable, WRITER, url], stdout=subprocess.PIPE, text=True)
    try:
        said = [int(writer.stdout.readline()) for _ in range(after)]
        writer.kill()
        said += [int(line) for line in writer.stdout if line.endswith("\n")]
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    return said


def stored(path):
    database = sqlite3.connect(path)
    try:
        (integrity,) = database.execute("PRAGMA integrity_check").fetchone()
        (episode,) = database.execute("SELECT episode FROM alerts").fetchone()
        keys = [key for (key,) in database.execute("SELECT key FROM outbox ORDER BY id")]
        snapshots, runs = database.execute(
            "SELECT count(DISTINCT s.id), count(*) FROM snapshots s JOIN runs r ON r.snapshot_id = s.id"
        ).fetchone()
    finally:
        database.close()
    return integrity, episode, keys, snapshots, runs


def test_a_kill_at_any_moment_leaves_no_alert_without_its_message(tmp_path):
    path = tmp_path / "riskbot.sqlite3"
    moments = random.Random(7)
    for _ in range(KILLS):
        said = run_and_kill(f"sqlite:///{path}", after=moments.randint(1, 40))

        integrity, episode, keys, snapshots, runs = stored(path)

        assert integrity == "ok"
        assert episode >= said[-1]
        assert keys == [f"alert/{i}" for i in range(1, episode + 1)]
        assert (snapshots, runs) == (episode, 2 * episode)
