"""How the command line names faults, and what it says to a person who got one wrong."""

import pytest

from simulator.gateway.faults import KINDS, Active, Fault, catalogue, parse_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("fin@10s", Fault("fin", ("0",), 10.0)),
        ("fin=2000@msg61", Fault("fin", ("2000",), 0.0, on=61)),
        ("black-hole@10s+20s", Fault("black-hole", (), 10.0, lasts_s=20.0)),
        ("line-cap=40@0s", Fault("line-cap", ("40",))),
        ("refuse@5s+10s", Fault("refuse", (), 5.0, lasts_s=10.0)),
        ("354=AAPL,SPX@500ms", Fault("354", ("AAPL", "SPX"), 0.5)),
        ("1100", Fault("1100", ("1102",))),
        ("1100=1101@1.5m+1h", Fault("1100", ("1101",), 90.0, lasts_s=3600.0)),
        ("restart+3m", Fault("restart", (), lasts_s=180.0)),
        ("leave-out=62,54", Fault("leave-out", ("62", "54"))),
        ("skew=-30", Fault("skew", ("-30",))),
    ],
)
def test_a_fault_is_read(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("boom@1s", "'boom' is not known"),
        ("fin@10", "is not understood"),
        ("", "is not understood"),
        ("fin@10s+5s", "happens at once"),
        ("line-cap@0s", "line-cap=N"),
        ("line-cap=0", "line-cap=N"),
        ("line-cap=many", "line-cap=N"),
        ("refuse=7", "is written refuse;"),
        ("leave-out", "leave-out=ID"),
        ("slow=", "slow=S"),
        ("162=never", "162=pacing|no-data|no-permission"),
        ("354=APPL", "no symbol APPL"),
        ("farm=eufarm", "farm[=usfarm|usopt]"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_an_example_that_works(text, says):
    with pytest.raises(ValueError) as refused:
        parse_fault(text)
    told = str(refused.value)
    assert says in told
    assert "\n" not in told
    parse_fault(told.rsplit("an example that works: ", 1)[1])


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_an_example_that_works(name):
    with pytest.raises(ValueError) as refused:
        parse_fault(f"{name}=?")
    assert parse_fault(str(refused.value).rsplit("works: ", 1)[1]).kind == name


def test_every_kind_has_one_line():
    assert len(catalogue().splitlines()) == len(KINDS)
    assert all(kind.line for kind in KINDS.values())


def test_a_fault_covers_the_symbols_it_names_or_all():
    assert parse_fault("354=AAPL").covers("AAPL")
    assert not parse_fault("354=AAPL").covers("KO")
    assert parse_fault("354").covers("KO")
    assert parse_fault("line-cap=40").covers("KO")


def test_the_newest_fault_of_a_kind_gives_the_number():
    active = Active()
    active.add(parse_fault("line-cap=40"))
    newer = parse_fault("line-cap=20")
    active.add(newer)
    assert active.number("line-cap", 100) == 20
    assert active.remove(newer) and not active.remove(newer)
    assert active.number("line-cap", 100) == 40
    assert active.number("slow", 0.0) == 0.0
