"""`python -m simulator.telegram --port 8808`: the simulated Telegram as a program of its own.

Prints one JSON line on standard output when it listens, {"port": N, "token": "..."}; notes go to standard
error. Ends on SIGINT or SIGTERM, with --exit-with-stdin also when standard input closes. Exit code 2: it
could not start.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

import anyio

from simulator.lifetime import live
from simulator.telegram.config import TelegramConfig
from simulator.telegram.server import LOOPBACK_HOSTS, running_telegram


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    options = _parser().parse_args(argv)
    chosen: dict[str, Any] = {"token": options.token} if options.token else {}
    config = TelegramConfig(options.host, options.port, bot_username=options.bot_username, **chosen)
    try:
        anyio.run(_run, config, options.exit_with_stdin)
    except OSError as error:
        note(f"can't listen on {options.host}:{options.port}: {error.strerror or error}")
        return 2
    return 0


def note(text: str) -> None:
    """One line for a person, on standard error."""
    print(f"simulated telegram: {text}", file=sys.stderr, flush=True)


async def _run(config: TelegramConfig, exit_with_stdin: bool) -> None:
    async with running_telegram(config) as server:

        def announce() -> None:
            print(json.dumps({"port": server.port, "token": server.token}), flush=True)
            note(f"open {server.url} in a browser")

        await live(announce, with_stdin=exit_with_stdin)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator.telegram", description="A Telegram on loopback."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", choices=LOOPBACK_HOSTS, help="loopback address to listen on"
    )
    parser.add_argument(
        "--port", type=_port, default=8808, help="port to listen on, 0 for any free one (default 8808)"
    )
    parser.add_argument("--token", type=_token, help="the bot's token (default: a new one, printed at start)")
    parser.add_argument("--bot-username", default="riskbot_demo_bot", help="the bot's user name")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input closes")
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: use 0-65535")
    return int(text)


def _token(text: str) -> str:
    if not re.fullmatch(r"\d+:[\w-]+", text):
        raise argparse.ArgumentTypeError("a token looks like 7000000001:AAxxxx")
    return text


if __name__ == "__main__":
    sys.exit(main())
