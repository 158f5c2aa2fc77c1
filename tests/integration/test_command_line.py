"""The `riskbot` command as a person runs it: real processes, exit codes, one-line errors."""

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.treasury_server import running_treasury, table

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "snapshot.json"
PNG = b"\x89PNG\r\n\x1a\n"


def riskbot(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": os.environ.get("HOME", "/tmp"),
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=cwd or ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@contextmanager
def gateway(*arguments: str):
    """A simulated gateway in a process of its own; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator.gateway", "--port", "0", "--exit-with-stdin", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.communicate(timeout=20)


def test_analyse_prints_the_whole_report_of_the_example():
    done = riskbot("analyse", str(EXAMPLE))
    assert done.returncode == 0
    for part in ("Scenarios", "Black Swan", "Greeks", "Positions", "Risk matrix"):
        assert part in done.stdout


def test_analyse_as_json_is_one_object_with_every_template():
    report = json.loads(riskbot("analyse", str(EXAMPLE), "--json").stdout)
    assert len(report["scenarios"]) == 16
    normal = report["scenarios"][0]
    assert normal["name"] == "Normal Day"
    assert all(row["pnl"] == 0 for row in normal["positions"])


def test_analyse_adds_a_what_if_under_its_own_text():
    text = "spx -1.5% iv +10%"
    done = riskbot("analyse", str(EXAMPLE), "--json", "--whatif", text, "--whatif", "zzz -5%")
    assert done.returncode == 0
    scenarios = {one["name"]: one for one in json.loads(done.stdout)["scenarios"]}
    assert len(scenarios) == 18
    moved = {row["id"] for row in scenarios[text]["positions"] if row["pnl"] != 0}
    assert moved and all("SPX" in id_ for id_ in moved)
    assert done.stderr.splitlines() == [f"{text}: moves SPX alone", "zzz -5%: moves ZZZ alone; not held: ZZZ"]


def test_a_what_if_that_can_t_be_understood_says_where_and_what_works():
    done = riskbot("analyse", str(EXAMPLE), "--whatif", "spx -1.5% foo bar 7")
    assert done.returncode == 2
    assert done.stderr.startswith("riskbot: I stopped at '7' after 'spx -1.5% foo bar':")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"as_of": None}, "as_of"),
        ({"surprise": 1}, "surprise: is not a key of version 1"),
        ({"version": 2}, "version"),
        ({"net_liquidation": "much"}, "net_liquidation: must be a JSON number"),
    ],
)
def test_a_malformed_snapshot_gets_the_field_and_exit_code_2(tmp_path, change, words):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(json.loads(EXAMPLE.read_text()) | change))
    done = riskbot("analyse", str(path))
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"version": NaN}', "null"])
def test_what_is_no_snapshot_at_all_gets_one_line(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    done = riskbot("analyse", str(path))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_bad_config_names_file_line_and_key(tmp_path):
    (tmp_path / "config.yaml").write_text("ibkr:\n  port: 99999\n")
    done = riskbot("analyse", str(EXAMPLE), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("riskbot: config.yaml, line 2: ibkr.port:")


def test_run_without_a_token_or_users_says_what_to_set(tmp_path):
    assert "RISKBOT_TELEGRAM_TOKEN" in riskbot("run", cwd=tmp_path).stderr
    done = riskbot("run", cwd=tmp_path, RISKBOT_TELEGRAM_TOKEN="1:abc")
    assert done.returncode == 2
    assert "allowed_users" in done.stderr


@pytest.mark.slow
def test_analyse_of_a_live_snapshot_gives_the_live_figures_exactly(tmp_path):
    with gateway("--positions", "24", "--seed", "3") as port, running_treasury() as treasury:
        treasury.body = table("2005-01-03")
        text = f"ibkr: {{port: {port}}}\ndata: {{treasury_url: '{treasury.url}'}}\n"
        (tmp_path / "config.yaml").write_text(text)
        done = riskbot("snapshot", "live.json", "--report", "live-report.json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("rates: US Treasury curve as of 2005-01-03\n")
    assert len(json.loads((tmp_path / "live.json").read_text())["rates"]["USD"]) == 9
    report = json.loads(riskbot("analyse", "live.json", "--json", cwd=tmp_path).stdout)
    assert report == json.loads((tmp_path / "live-report.json").read_text())
    assert len(report["positions"]) == 24


@pytest.mark.slow
def test_snapshot_of_a_gateway_that_is_not_there_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (tmp_path / "config.yaml").write_text(f"ibkr: {{port: {port}}}\ndata: {{treasury_url: null}}\n")
    done = riskbot("snapshot", "live.json", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("rates: 5.00 % as configured\n")
    assert "nothing listens" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_the_demo_plays_lines_and_writes_what_came_back(tmp_path):
    done = riskbot("demo", "--say", "/positions", "--say", "/scenario panic", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    turns = json.loads((tmp_path / "out" / "transcript.json").read_text())
    assert [turn["said"] for turn in turns] == ["/positions", "/scenario panic"]
    assert turns[1]["answers"][0]["text"].startswith("Market Panic")
    pictures = [answer["file"] for turn in turns for answer in turn["answers"] if answer["file"]]
    assert len(pictures) == 2
    assert all((tmp_path / "out" / name).read_bytes().startswith(PNG) for name in pictures)
    assert "/scenario panic" in (tmp_path / "out" / "transcript.txt").read_text()


@pytest.mark.slow
def test_a_demo_on_a_taken_port_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = riskbot("demo", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_bad_event_gets_one_line(tmp_path):
    done = riskbot("demo", "--event", "flood@3s", cwd=tmp_path)
    assert done.returncode == 2
    assert "flood@3s" in done.stderr


@pytest.mark.parametrize(("option", "value"), [("--cycle", "nan"), ("--cycle", "0"), ("--port", "99999")])
def test_a_bad_number_for_the_demo_is_refused(tmp_path, option, value):
    done = riskbot("demo", option, value, "--say", "/status", cwd=tmp_path)
    assert done.returncode == 2
    assert value in done.stderr


EXPORT = """Risk Navigator,,
Financial Instrument,Position,Price,Und Price
AAPL STK,200,268.40,268.40
SPY Dec18'26 640 PUT,-3,5.33,671.20
SPY Dec18'26 600 PUT,1,2.00,671.20
"""


def test_compare_sets_an_export_against_a_snapshot(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(EXPORT)
    done = riskbot("compare", str(path), str(EXAMPLE))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 of 2 positions agree\n")
    assert """not in the snapshot: row 5: "SPY Dec18'26 600 PUT": is not held""" in done.stdout


def test_compare_answers_with_differences_and_exit_code_0_and_as_json(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(EXPORT.replace("5.33", "7.00"), encoding="utf-16")
    done = riskbot("compare", str(path), str(EXAMPLE), "--json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert (answer["positions"], answer["agreeing"]) == (2, 1)
    assert answer["differences"][0]["ids"] == ["DU1:SPY 2026-12-18 640 P"]
    assert (
        json.loads(riskbot("compare", str(path), str(EXAMPLE), "--json", "--tolerance", "100").stdout)[
            "differences"
        ]
        == []
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare"], "0 files given. Try: riskbot compare EXPORT.csv"),
        (["compare", "a", "b", "c"], "3 files given"),
        (["compare", "--model", "a", "b"], "2 files given"),
        (["compare", "absent.csv"], "absent.csv: can't be read: No such file"),
        (["compare", str(EXAMPLE), str(EXAMPLE)], "snapshot.json: no row of the export is a header"),
        (["compare", "export.csv", "absent.json"], "absent.json: can't be read"),
        (["compare", "export.csv"], "no complete snapshot is stored yet: name a file"),
        (["compare", "--model"], "no complete snapshot is stored yet: name a file"),
    ],
)
def test_compare_says_what_is_wrong_in_one_line(tmp_path, arguments, words):
    (tmp_path / "export.csv").write_text(EXPORT)
    done = riskbot(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["export.csv"]  # no database was made


def test_compare_takes_the_last_stored_snapshot_where_none_is_named(tmp_path):
    from engine.analysis import analyse
    from engine.settings import EngineSettings
    from engine.snapshot_file import load_snapshot
    from engine.store import Store

    (tmp_path / "export.csv").write_text(EXPORT)
    (tmp_path / "config.yaml").write_text("database:\n  url: sqlite:///here.sqlite3\n")
    snapshot = load_snapshot(EXAMPLE.read_text())
    with Store.open(f"sqlite:///{tmp_path}/here.sqlite3") as store:
        store.save_cycle(snapshot, analyse(snapshot, EngineSettings()), [], [])
    done = riskbot("compare", "export.csv", cwd=tmp_path)
    assert done.stdout.startswith("2 of 2 positions agree")
    assert done.stderr == "snapshot: the last complete one stored, of 2026-11-20 20:00:00 UTC\n"


def test_compare_sets_a_live_snapshot_against_the_broker_s_model(tmp_path):
    out = tmp_path / "snapshot.json"
    with gateway() as port:
        (tmp_path / "config.yaml").write_text(
            f"ibkr:\n  port: {port}\ndata:\n  treasury_url: ''\n  yahoo_dividends: false\n  yahoo_earnings: false\n"
        )
        assert riskbot("snapshot", str(out), cwd=tmp_path).returncode == 0
    done = riskbot("compare", "--model", str(out), "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert answer["options"] > 10 and answer["without"] == []
    assert answer["agreeing"] >= 0.8 * answer["options"]  # the simulated gateway's model is of the same kind


def test_explain_of_two_snapshots_prints_both_views_and_one_json_object(tmp_path):
    later = json.loads(EXAMPLE.read_text())
    later["as_of"] = "2026-11-23T20:00:00Z"
    later["underlyings"]["AAPL"]["spot"] *= 1.02
    (tmp_path / "later.json").write_text(json.dumps(later))
    done = riskbot("explain", str(EXAMPLE), str(tmp_path / "later.json"))
    assert done.returncode == 0, done.stderr
    for part in ("By cause (USD)", "revalued", "time", "By position"):
        assert part in done.stdout
    document = json.loads(riskbot("explain", str(EXAMPLE), str(tmp_path / "later.json"), "--json").stdout)
    assert sum(document["steps"].values()) == pytest.approx(document["actual"], abs=1e-6)
    assert len(document["positions"]) == 15


def test_explain_the_wrong_way_round_is_one_line_and_exit_code_2(tmp_path):
    later = json.loads(EXAMPLE.read_text()) | {"as_of": "2026-11-23T20:00:00Z"}
    (tmp_path / "later.json").write_text(json.dumps(later))
    done = riskbot("explain", str(tmp_path / "later.json"), str(EXAMPLE))
    assert done.returncode == 2 and "give the earlier one first" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert riskbot("explain", str(EXAMPLE), "nowhere.json").returncode == 2
