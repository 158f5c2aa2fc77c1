"""The `riskbot` command: what a person types, and one line for what goes wrong.

Exit codes: 0 done, 1 it failed, 2 the input or the config must be mended.
"""

import argparse
import logging
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

import anyio

from bot.config import Config, Secrets, load_config
from bot.gate import Gate
from bot.snapshot_input import snapshot_of_file
from engine.errors import ConfigError, RequestError, RiskbotError

log = logging.getLogger(__name__)

T = TypeVar("T")
Args = TypeVarTuple("Args")

BAD_INPUT: Final = 2
FAILED: Final = 1
MOST_POSITIONS: Final = 5000
LONGEST_CYCLE_S: Final = 3600.0
MOST_DAYS: Final = 3660
LAST_PORT: Final = 65_535
MOST_TOLERANT: Final = 1000.0
DEFAULT_CONFIG: Final = Path("config.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("ib_insync.wrapper").setLevel(
        logging.CRITICAL
    )  # the session logs the same notices, in words
    logging.getLogger("httpx").setLevel(
        logging.WARNING
    )  # at INFO it writes the token, as a part of every address
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        return command(parsed)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return FAILED
    except (ConfigError, RequestError) as error:
        print(f"riskbot: {_one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except RiskbotError as error:
        print(f"riskbot: {_one_line(error)}", file=sys.stderr)
        return FAILED


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _analyse(parsed: argparse.Namespace) -> int:
    from engine.analysis import analyse, with_simulation
    from engine.reports.document import report_json
    from engine.reports.tables import report_text
    from engine.scenarios import custom_set

    config = _config(parsed)
    snapshot = snapshot_of_file(parsed.snapshot)
    asked = {" ".join(text.split()): text for text in parsed.whatif}
    custom_set(asked)
    customs = {**config.custom_scenarios, **asked}
    settings = config.engine.model_copy(update={"custom_scenarios": customs})
    report = with_simulation(analyse(snapshot, settings), snapshot, settings)
    for result in report.scenarios:
        if result.name in asked and result.note is not None:
            print(f"{result.name}: {result.note}", file=sys.stderr)
    print(report_json(report) if parsed.json else report_text(report))
    return 0


def _explain(parsed: argparse.Namespace) -> int:
    from engine.reports.explain_tables import explain_json, explain_text
    from engine.risk import explain_pnl

    config = _config(parsed)
    found = explain_pnl(snapshot_of_file(parsed.earlier), snapshot_of_file(parsed.later), config.engine)
    print(explain_json(found) if parsed.json else explain_text(found))
    return 0


def _config(parsed: argparse.Namespace) -> Config:
    """The config file that was named, or ./config.yaml where there is one, or the defaults."""
    named: Path | None = parsed.config
    if named is not None:
        return load_config(named)
    return load_config(DEFAULT_CONFIG) if DEFAULT_CONFIG.exists() else Config()


def _run(parsed: argparse.Namespace) -> int:
    from bot.app import run_app

    config = _config(parsed)
    token = Secrets().token()
    Gate(config.telegram)
    where = f"{config.ibkr.host}:{config.ibkr.port}"
    _work(
        run_app,
        config,
        token,
        lambda: print(f"riskbot is up; gateway {where}. Stop with Ctrl-C.", flush=True),
    )
    return 0


def _demo(parsed: argparse.Namespace) -> int:
    from bot.demo import DemoOptions, run_demo

    options = DemoOptions(
        positions=parsed.positions,
        seed=parsed.seed,
        events=parsed.event,
        port=parsed.port,
        say=parsed.say,
        out=parsed.out,
        cycle_s=parsed.cycle,
    )
    return _work(run_demo, _config(parsed), options) or 0


def _snapshot(parsed: argparse.Namespace) -> int:
    from bot.live import write_snapshot

    _work(write_snapshot, _config(parsed), parsed.out, parsed.report)
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from bot.check import check

    return _work(check, _config(parsed), Secrets()) or 0


def _backtest(parsed: argparse.Namespace) -> int:
    from bot.backtest_text import backtest_text
    from bot.delivery import plain
    from bot.handlers.backtest import method_asked
    from bot.snapshot_input import open_stored

    nothing = "no Value at Risk is stored yet: the running bot keeps one after each close"
    with open_stored(_config(parsed).database.url, nothing) as store:
        days = store.tail_days()
    method = method_asked(days, parsed.method, "riskbot backtest")
    print(plain(backtest_text(days, method, "base currency")))
    return 0


def _history(parsed: argparse.Namespace) -> int:
    from bot.past import print_history

    print_history(_config(parsed), parsed.days, as_json=parsed.json, picture=parsed.png)
    return 0


def _compare(parsed: argparse.Namespace) -> int:
    from bot.compare import compare_files

    print(
        compare_files(
            _config(parsed),
            parsed.files,
            model=parsed.model,
            beta=parsed.beta,
            factor=parsed.tolerance,
            as_json=parsed.json,
        )
    )
    return 0


def _work(function: Callable[[*Args], Awaitable[T]], *arguments: *Args) -> T:
    """Run an asynchronous command. Of a group of failures that belong together, the first that has a name is raised."""
    try:
        return anyio.run(function, *arguments)
    except BaseExceptionGroup as group:
        named = group.subgroup(RiskbotError)
        while isinstance(named, BaseExceptionGroup):
            named = named.exceptions[0]  # type: ignore[assignment]
        if named is None:
            raise
        raise named from group


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="riskbot",
        description="What-if risk for an Interactive Brokers options account, on the phone. It can read and can never trade.",
        epilog="New here? `riskbot demo` needs no account, no token and no network.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_, description=help_)
        sub.set_defaults(command=run)
        sub.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="config file (default: ./config.yaml where there is one)",
        )
        return sub

    command("run", _run, "run on your account: config.yaml and RISKBOT_TELEGRAM_TOKEN")

    demo = command("demo", _demo, "run on an embedded market and chat: no account, no token")
    demo.add_argument(
        "--positions", type=_count, default=24, metavar="N", help="size of the account (default: 24)"
    )
    demo.add_argument("--seed", type=int, default=7, metavar="S", help="same seed, same account (default: 7)")
    demo.add_argument(
        "--event", action="append", default=[], metavar="crash@60s", help="what befalls the market, and when"
    )
    demo.add_argument("--port", type=_port, default=8808, help="of the chat page (default: 8808)")
    demo.add_argument(
        "--say",
        action="append",
        default=[],
        metavar="LINE",
        help="say this as the user, and end; may be repeated",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="where --say writes (default: out)"
    )
    demo.add_argument(
        "--cycle",
        type=_seconds,
        default=15.0,
        metavar="SECONDS",
        help="time between scenario runs (default: 15)",
    )

    snapshot = command("snapshot", _snapshot, "write the live account and its market to a file")
    snapshot.add_argument("out", type=Path, metavar="OUT.json")
    snapshot.add_argument(
        "--report", type=Path, metavar="REPORT.json", help="also write the live report of that moment"
    )

    command("check", _check, "read the config, try broker and chat, say what is wrong and how to mend it")

    analyse = command("analyse", _analyse, "the whole report of a snapshot file, without broker or chat")
    analyse.add_argument("snapshot", type=Path, metavar="SNAPSHOT.json")
    analyse.add_argument("--json", action="store_true", help="as one JSON object")
    analyse.add_argument(
        "--whatif",
        action="append",
        default=[],
        metavar="TEXT",
        help='also this scenario, such as "spy -7%% puts +40%% 2d"; may be repeated',
    )

    backtest = command(
        "backtest", _backtest, "how the Values at Risk of past closes fared, from the database"
    )
    backtest.add_argument(
        "method", nargs="?", default="", metavar="METHOD", help="such as plain (default: the one relied on)"
    )

    history = command("history", _history, "the account over time, from the database")
    history.add_argument(
        "days",
        nargs="?",
        type=_days,
        default=30,
        metavar="DAYS",
        help="calendar days, today's included (default: 30)",
    )
    history.add_argument("--json", action="store_true", help="as one JSON object, every point in it")
    history.add_argument("--png", type=Path, metavar="FILE.png", help="also draw it")

    compare = command(
        "compare", _compare, "a Risk Navigator export, or the broker's model, against riskbot's figures"
    )
    compare.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="EXPORT.csv [SNAPSHOT.json]",
        help="without a snapshot: the last complete one that is stored",
    )
    compare.add_argument(
        "--model", action="store_true", help="the snapshot against the broker's model; takes no export"
    )
    compare.add_argument("--beta", action="store_true", help="the export's P&L columns are beta-weighted")
    compare.add_argument(
        "--tolerance", type=_factor, default=1.0, metavar="TIMES", help="so many times the usual tolerances"
    )
    compare.add_argument("--json", action="store_true", help="as one JSON object")

    explain = command("explain", _explain, "why the value changed between two snapshot files")
    explain.add_argument("earlier", type=Path, metavar="EARLIER.json")
    explain.add_argument("later", type=Path, metavar="LATER.json")
    explain.add_argument("--json", action="store_true", help="as one JSON object")
    return parser


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0.0 <= factor <= MOST_TOLERANT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {MOST_TOLERANT:g}")
    return factor


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to {MOST_DAYS}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_POSITIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_POSITIONS}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1.0 <= seconds <= LONGEST_CYCLE_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to {LONGEST_CYCLE_S:g}")
    return seconds


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to {LAST_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
