"""A Snapshot as JSON: back bit for bit, and what is malformed is refused with the path of the field and the reason."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SnapshotError
from engine.model import (
    Account,
    BrokerView,
    Contract,
    DataMode,
    Dividend,
    Event,
    EventKind,
    Exercise,
    Impact,
    IvSource,
    Kind,
    Position,
    Right,
    Settlement,
    Snapshot,
    Underlying,
)
from engine.snapshot_file import dump_snapshot, load_snapshot

REPO = Path(__file__).parents[2]

OF_THE_DESIGN = """
{"version": 1, "as_of": "2026-07-28T19:59:00Z", "complete": true, "source": "gateway",
 "base_currency": "USD", "net_liquidation": 250000.0, "fx": {"EUR": 1.08},
 "rates": {"USD": [[0.08, 0.043], [1.0, 0.041]]},
 "underlyings": {"SPY": {"kind": "ETF", "spot": 640.10, "spot_as_of": "2026-07-28T19:58:59Z", "dividend_yield": 0.0,
                         "dividends": [{"ex_date": "2026-09-18", "amount": 1.90}], "beta": 1.0, "iv30": 0.16,
                         "forwards": {"2026-08-21": 641.2}, "closes": null, "iv_history": null}},
 "positions": [{"id": "DU1:SPY 2026-08-21 640 P", "account": "DU1", "symbol": "SPY", "kind": "OPT", "underlying": "SPY",
                "expiry": "2026-08-21", "strike": 640.0, "right": "P", "multiplier": 100, "exercise": "american",
                "currency": "USD", "quantity": -10, "entry_price": 7.90, "bid": 8.00, "ask": 8.10, "last": null,
                "mark": null, "iv": null, "iv_source": null, "last_good_iv": null, "settlement": "PM", "data": "live",
                "broker": {"mark": 8.04, "iv": 0.158, "delta": -0.47, "gamma": 0.011, "vega": 0.52, "theta": -0.31},
                "as_of": "2026-07-28T19:58:58Z"}],
 "account": {"cash": 51000.0, "initial_margin": 88000.0, "maintenance_margin": 74000.0, "excess_liquidity": 176000.0},
 "events": [{"kind": "FOMC", "at": "2026-07-29T18:00:00Z", "confirmed": true, "impact": "high", "symbols": ["MARKET"]}]}
"""
LEAST = {
    "version": 1,
    "as_of": "2026-07-28T19:59:00Z",
    "base_currency": "USD",
    "underlyings": {"SPY": {"kind": "ETF", "spot": 640.0}},
    "positions": [
        {"id": "s", "symbol": "SPY", "kind": "ETF", "quantity": 1},
        {
            "id": "o", "symbol": "SPY", "kind": "OPT", "quantity": -1,
            "underlying": "SPY", "expiry": "2026-08-21", "strike": 640, "right": "P",
        },
    ],
}  # fmt: skip
MISSING = object()


def changed(path, value):
    """LEAST as text, with the value at `path` (keys and indices) replaced, or taken away."""
    document = json.loads(json.dumps(LEAST))
    node = document
    for part in path[:-1]:
        node = node[part]
    if value is MISSING:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return json.dumps(document)


def refusal(text):
    with pytest.raises(SnapshotError) as caught:
        load_snapshot(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e299, max_value=1e299)
POSITIVE = st.floats(1e-12, 1e12)
MAYBE = st.none() | NUMBERS
SIGMAS = st.none() | st.floats(1e-6, 50.0)
NAMES = st.text('ABC é😀<&"|.', min_size=1, max_size=8)
DAYS = st.dates(date(1990, 1, 1), date(2090, 1, 1))
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
SERIES = st.none() | st.lists(st.tuples(DAYS, NUMBERS), max_size=3).map(tuple)
VIEWS = st.builds(BrokerView, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE)
EVENTS = st.builds(
    Event,
    st.sampled_from(EventKind),
    TIMES,
    st.none() | st.booleans(),
    st.sampled_from(Impact),
    st.lists(NAMES, min_size=1, max_size=2).map(tuple),
)


def underlyings_of(symbols):
    return st.fixed_dictionaries(
        {
            symbol: st.builds(
                Underlying,
                st.just(symbol),
                st.sampled_from(Kind),
                MAYBE,
                st.none() | TIMES,
                st.sampled_from(DataMode),
                NUMBERS,
                st.lists(st.builds(Dividend, DAYS, st.floats(0, 1e9)), max_size=2).map(tuple),
                MAYBE,
                MAYBE,
                st.dictionaries(DAYS, POSITIVE, max_size=2),
                SERIES,
                SERIES,
            )
            for symbol in symbols
        }
    )


def contracts_on(symbols):
    on = st.sampled_from(sorted(symbols))
    currency, multiplier = st.sampled_from(["USD", "EUR"]), POSITIVE
    settled, exercised = st.sampled_from(Settlement), st.none() | st.sampled_from(Exercise)
    options = st.builds(
        Contract, NAMES, st.sampled_from([Kind.OPTION, Kind.FUTURE_OPTION]), on, currency, multiplier, DAYS, POSITIVE,
        st.sampled_from(Right), exercised, settled,
    )  # fmt: skip
    return options | st.builds(
        Contract,
        NAMES,
        st.sampled_from([Kind.STOCK, Kind.FUTURE]),
        on,
        currency,
        multiplier,
        st.none() | DAYS,
    )


@st.composite
def snapshots(draw):
    symbols = draw(st.sets(NAMES, min_size=1, max_size=2))
    facts = st.builds(
        Position, NAMES, contracts_on(symbols), NUMBERS, st.none() | NAMES, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, SIGMAS,
        st.none() | st.sampled_from(IvSource), SIGMAS, st.sampled_from(DataMode), VIEWS, st.none() | TIMES,
        st.none() | POSITIVE, st.none() | TIMES,
    )  # fmt: skip
    curve = st.dictionaries(st.floats(0, 30), NUMBERS, min_size=1, max_size=3).map(
        lambda c: tuple(sorted(c.items()))
    )
    return Snapshot(
        draw(TIMES), "USD", draw(underlyings_of(symbols)),
        tuple(draw(st.lists(facts, max_size=3, unique_by=lambda p: p.id))),
        draw(st.booleans()), draw(NAMES), draw(MAYBE), draw(st.dictionaries(NAMES, POSITIVE, max_size=2)),
        draw(st.dictionaries(NAMES, curve, max_size=2)), draw(st.builds(Account, MAYBE, MAYBE, MAYBE, MAYBE)),
        tuple(draw(st.lists(EVENTS, max_size=2))),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(snapshots())
def test_a_snapshot_comes_back_bit_for_bit(snapshot):
    text = dump_snapshot(snapshot)
    again = load_snapshot(text)
    assert again == snapshot
    assert dump_snapshot(again) == text


def test_the_example_of_the_design_is_read():
    snapshot = load_snapshot(OF_THE_DESIGN)
    (position,) = snapshot.positions
    assert snapshot.underlyings["SPY"].forwards == {date(2026, 8, 21): 641.2}
    assert position.contract.label == "SPY 2026-08-21 640 P"
    assert position.broker.iv == 0.158 and position.quantity == -10
    assert snapshot.events[0].impact is Impact.HIGH


def test_the_example_of_the_repository_is_read():
    assert len(load_snapshot((REPO / "examples" / "snapshot.json").read_text()).positions) > 10


def test_what_is_left_out_has_its_default():
    snapshot = load_snapshot(json.dumps(LEAST))
    stock, option = snapshot.positions
    assert (stock.contract.multiplier, option.contract.multiplier) == (1.0, 100.0)
    assert stock.contract.underlying == "SPY"
    assert option.contract.settlement is Settlement.PM and option.contract.exercise is None
    assert option.data is DataMode.LIVE and option.mark is None and option.broker == BrokerView()
    assert snapshot.complete and snapshot.source == "file" and snapshot.net_liquidation is None


def test_null_means_left_out():
    document = json.loads(OF_THE_DESIGN)
    for name in ("complete", "source", "net_liquidation", "fx", "rates", "account", "events"):
        document[name] = None
    snapshot = load_snapshot(json.dumps(document))
    assert snapshot.complete and snapshot.fx == {} and snapshot.account == Account()


REQUIRED = [
    ("version",), ("as_of",), ("base_currency",), ("underlyings",), ("positions",), ("underlyings", "SPY", "kind"),
    ("underlyings", "SPY", "spot"), ("positions", 1, "id"), ("positions", 1, "symbol"), ("positions", 1, "kind"),
    ("positions", 1, "quantity"), ("positions", 1, "underlying"), ("positions", 1, "expiry"), ("positions", 1, "strike"),
    ("positions", 1, "right"),
]  # fmt: skip


def as_text(path):
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


@pytest.mark.parametrize("path", REQUIRED, ids=as_text)
def test_a_required_key_that_is_missing_is_named(path):
    message = refusal(changed(path, MISSING))
    assert message.startswith(as_text(path) + ": ") and "is required" in message


@pytest.mark.parametrize(
    "path", [("versoin",), ("underlyings", "SPY", "spto"), ("positions", 0, "qty")], ids=as_text
)
def test_an_unknown_key_is_named(path):
    assert refusal(changed(path, 1)) == f"{as_text(path)}: is not a key of version 1"


@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_another_version_is_refused(version):
    assert refusal(changed(("version",), version)).startswith("version: ")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("positions", 1, "strike"), "640"),
        (("positions", 1, "strike"), True),
        (("positions", 1, "strike"), 0),
        (("positions", 1, "strike"), -5),
        (("positions", 1, "right"), "X"),
        (("positions", 1, "kind"), "WAR"),
        (("positions", 1, "expiry"), "21-08-2026"),
        (("positions", 1, "expiry"), "2026-02-30"),
        (("positions", 1, "expiry"), 20260821),
        (("positions", 1, "multiplier"), 0),
        (("positions", 1, "iv"), 0),
        (("positions", 1, "iv"), 60.0),
        (("positions", 1, "as_of"), "2026-07-28T19:59:00"),
        (("positions", 1, "as_of"), "2026-07-28"),
        (("positions", 1, "as_of"), 5),
        (("positions", 0, "quantity"), None),
        (("positions", 0, "id"), ""),
        (("underlyings", "SPY", "spot"), "640"),
        (("as_of",), "now"),
        (("base_currency",), "DOLLAR"),
        (("fx",), 5),
    ],
)
def test_a_value_that_can_t_be_is_refused_with_its_path(path, value):
    assert refusal(changed(path, value)).startswith(as_text(path) + ": ")


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("underlyings", "SPY", "forwards"), {"2026-08-21": 0}, "underlyings.SPY.forwards.2026-08-21: "),
        (("underlyings", "SPY", "closes"), [["2026-07-27", "x"]], "underlyings.SPY.closes[0][1]: "),
        (("underlyings", "SPY", "dividends"), [{"ex_date": "2026-09-18", "amount": -1}], "underlyings.SPY.dividends[0].amount: "),
        (("rates",), {"USD": []}, "rates.USD: "),
        (("rates",), {"USD": [[1.0, 0.04], [0.5, 0.04]]}, "rates.USD: "),
        (("fx",), {"EUR": -1}, "fx.EUR: "),
        (("events",), [{"kind": "FOMC", "at": "2026-07-29"}], "events[0].at: "),
        (("positions", 0, "broker"), {"iv": "x"}, "positions[0].broker.iv: "),
    ],
)  # fmt: skip
def test_a_value_deep_inside_is_refused_with_its_path(path, value, where):
    assert refusal(changed(path, value)).startswith(where)


def test_two_positions_with_one_id_are_refused():
    assert refusal(changed(("positions", 1, "id"), "s")) == "positions[1].id: 's' is already positions[0]"


def test_an_underlying_that_is_not_described_is_refused():
    assert refusal(changed(("positions", 1, "underlying"), "QQQ")) == (
        "positions[1].underlying: 'QQQ' is not in underlyings"
    )


def test_a_currency_needs_no_underlying():
    loaded = load_snapshot(
        changed(("positions", 0), {"id": "c", "symbol": "EUR", "kind": "CASH", "quantity": 5})
    )
    assert loaded.positions[0].contract.kind is Kind.CASH


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_nan_and_infinity_are_refused_with_their_path(name):
    assert refusal(json.dumps(LEAST).replace("640.0", name)).startswith(
        "underlyings.SPY.spot: must be a finite number"
    )


def test_a_key_that_stands_twice_is_refused():
    assert "'spot' stands twice" in refusal(json.dumps(LEAST).replace('"spot"', '"spot": 1, "spot"'))


@pytest.mark.parametrize("name", ["bid", "ask", "last", "mark", "entry_price"])
def test_the_broker_s_unset_marker_is_unknown(name):
    loaded = load_snapshot(changed(("positions", 1, name), 1.7976931348623157e308))
    assert getattr(loaded.positions[1], name) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("positions", 0, "quantity"), 1.797e308),
        (("fx",), {"EUR": 1.797e308}),
        (("underlyings", "SPY", "forwards"), {"2026-08-21": 1.797e308}),
    ],
)
def test_the_unset_marker_is_refused_where_a_number_is_needed(path, value):
    assert refusal(changed(path, value)).startswith(as_text(path))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("positions", 0, "quantity"), 10**400),
        (("as_of",), "0001-01-01T00:00:00+23:00"),
        (("positions", 1, "as_of"), "9999-12-31T23:59:59-23:00"),
    ],
    ids=["integer", "first day", "last day"],
)
def test_a_number_or_time_beyond_all_bounds_is_refused_with_its_path(path, value):
    assert refusal(changed(path, value)).startswith(as_text(path))


def test_an_integer_of_thousands_of_digits_is_refused():
    refusal(json.dumps(LEAST).replace("640.0", "9" * 5000))


@pytest.mark.parametrize("text", ["", "{", "[1,]", "\ufeff{}", "{'a': 1}"])
def test_what_is_not_json_is_refused_with_its_place(text):
    assert refusal(text).startswith("line 1, column ")


@pytest.mark.parametrize("text", ["[]", "5", "null", '"x"'])
def test_a_document_that_is_no_object_is_refused(text):
    assert "must be an object" in refusal(text)


def test_a_document_nested_without_end_is_refused():
    refusal("[" * 100_000)


def test_several_problems_are_counted():
    assert refusal('{"version": 1, "as_of": "2026-07-28T19:59:00Z"}').endswith("is required (and 2 more)")


def test_times_are_kept_in_utc_to_the_microsecond():
    at = datetime(2026, 7, 28, 15, 59, 0, 123456, timezone(timedelta(hours=-4)))
    again = load_snapshot(dump_snapshot(Snapshot(at, "USD", {}, ())))
    assert again.as_of == at and again.as_of.tzinfo is UTC
