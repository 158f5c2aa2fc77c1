"""A small cycle to store, and a program that stores one after the other until it is killed.

Run as `python store_writer.py URL`: each cycle opens the next episode of one alert and sends one message about it; the number
of an episode is printed once its cycle is committed.
"""

import sys
from datetime import UTC, datetime, timedelta

import numpy as np

from engine.model import AlertState, Contract, Kind, Position, Severity, Snapshot, Underlying
from engine.results import Exposure, Matrix, NamedPnl, Quality, RiskReport, ScenarioResult, Standing, TailRisk
from engine.store import AlertRecord, Message, MessageKind, Priority, Store

START = datetime(2026, 7, 28, 14, tzinfo=UTC)
FLAT = Exposure(*[0.0] * 9)


def a_snapshot(as_of=START, complete=True, positions=1):
    symbols = [f"S{i}" for i in range(positions)]
    return Snapshot(
        as_of=as_of,
        base_currency="USD",
        underlyings={
            symbol: Underlying(symbol, Kind.STOCK, 100.0 + i / 3) for i, symbol in enumerate(symbols)
        },
        positions=tuple(
            Position(
                id=f"DU1:{symbol}", contract=Contract(symbol, Kind.STOCK, symbol), quantity=100.0, mark=101.1
            )
            for symbol in symbols
        ),
        complete=complete,
        net_liquidation=250_000.0,
    )


def a_run(name="Market Panic", pnl=-500.0):
    return ScenarioResult(
        name=name,
        leg=None,
        note=None,
        pnl=pnl,
        pct=-0.2,
        value=9_500.0,
        worst=NamedPnl("DU1:S0", -500.0),
        best=None,
        position_pnl=np.array([-500.0]),
        position_value=np.array([9_500.0]),
        position_iv=np.array([np.nan]),
        greeks=FLAT,
        left_out=(),
        held=(),
    )


def a_report(*runs, as_of=START):
    return RiskReport(
        as_of=as_of,
        source="file",
        complete=True,
        base_currency="USD",
        net_liquidation=250_000.0,
        basis=250_000.0,
        basis_name="net liquidation",
        value=10_000.0,
        positions=(),
        greeks=FLAT,
        by_underlying={},
        by_expiry={},
        by_sector={},
        standing=Standing(0.0, 0.0, 0.0, None, "SPY", 0.0, None, (), np.zeros(0), 0.0),
        concentration=(),
        scenarios=runs,
        matrix=Matrix((0.0,), (0.0,), np.zeros((1, 1))),
        quality=Quality((), (), (), (), None),
        tail=TailRisk((), np.zeros(0), np.zeros(0), (), 0, (), (), "nothing is held"),
    )


def an_alert(episode=1, state=AlertState.FIRING, at=START):
    return AlertRecord(
        rule="portfolio loss",
        subject="book",
        state=state,
        since=at,
        updated_at=at,
        severity=Severity.WARNING,
        episode=episode,
        detail={"scenario": "Market Panic", "pct": -12.5},
    )


def a_message(key="alert/1", at=START, **changes):
    values = {
        "chat_id": 42,
        "kind": MessageKind.ALERT,
        "body": {"text": f"<b>{key}</b>"},
        "priority": Priority.ALERT,
    }
    return Message(key=key, created_at=at, **(values | changes))


def write_for_ever(url):
    with Store.open(url) as store:
        states = store.alert_states()
        episode = states[0].episode if states else 0
        while True:
            episode += 1
            at = START + timedelta(minutes=5 * episode)
            snapshot, report = a_snapshot(at), a_report(a_run(), a_run("Black Swan"), as_of=at)
            store.save_cycle(
                snapshot, report, [an_alert(episode, at=at)], [a_message(f"alert/{episode}", at)]
            )
            print(episode, flush=True)


if __name__ == "__main__":
    write_for_ever(sys.argv[1])
