"""`python -m simulator.gateway`: runs a gateway until it is told to stop, or its parent is gone.

Prints one line of JSON on standard output once it listens: {"port": 7497, "account": "DU1234567", "earnings": {"TSLA":
"2026-12-01T21:15:00+00:00"}}; the last says when the embedded companies report.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial

import anyio

from simulator.gateway import Event, Fault, GatewayConfig, parse_event, parse_fault, running_gateway
from simulator.gateway.faults import catalogue
from simulator.lifetime import live

_EXIT_CANNOT_START = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until SIGINT, SIGTERM or (if asked) the end of standard input; returns the exit code."""
    options = _options(argv)
    if options.list_faults:
        print(catalogue())
        return 0
    config = GatewayConfig(
        positions=options.positions,
        seed=options.seed,
        host=options.host,
        port=options.port,
        max_lines=options.max_lines,
        events=tuple(options.event),
        faults=tuple(options.fault),
    )
    try:
        anyio.run(partial(_serve, config, exit_with_stdin=options.exit_with_stdin))
    except OSError as problem:
        _note(f"simulator.gateway: cannot listen on {config.host}:{config.port}: {problem}")
        return _EXIT_CANNOT_START
    return 0


async def _serve(config: GatewayConfig, *, exit_with_stdin: bool) -> None:
    async with running_gateway(config) as gateway:

        def announce() -> None:
            reports = gateway.world.portfolio.earnings
            greeting = {
                "port": gateway.port,
                "account": gateway.account.name,
                "earnings": {symbol: at.isoformat() for symbol, at in reports.items()},
            }
            print(json.dumps(greeting), flush=True)
            _note(f"{config.positions} positions, seed {config.seed}, at {config.host}:{gateway.port}")

        await live(announce, with_stdin=exit_with_stdin)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator.gateway",
        description="A simulated IB Gateway.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"faults:\n{catalogue()}",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=7497, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--positions", type=_positive, default=24, help="size of the account (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=7, help="same seed, same account (default: %(default)s)")
    parser.add_argument(
        "--max-lines", type=_positive, default=100, help="market data lines (default: %(default)s)"
    )
    parser.add_argument("--event", type=_event, action="append", default=[], metavar="crash@60s",
                        help="let the market fall after a time; may be repeated")  # fmt: skip
    parser.add_argument("--fault", type=_fault, action="append", default=[], metavar="fin@10s",
                        help="let something go wrong: KIND=ARGUMENT@WHEN+HOWLONG; may be repeated")  # fmt: skip
    parser.add_argument("--list-faults", action="store_true", help="name every kind of fault, and stop")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input closes")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def _event(text: str) -> Event:
    try:
        return parse_event(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
