"""The loss rule and its states: unknown never passes and never clears, and a crossing is told once (D10)."""

import math
from dataclasses import replace
from datetime import time, timedelta

import pytest

from bot.alarms import is_between
from bot.alert_text import alert_replies, ended_by_message, ended_text
from bot.replies import Reply
from engine.alerts import AlertStatus, Change, Manner, Patience, Rule, advance, badness, judge, to_tell
from engine.analysis import analyse
from engine.model import Account, AlertState, Kind, Severity, Underlying
from engine.settings import RiskLimits
from tests.unit.books import AS_OF, MARKET, SETTINGS, holding, option, snapshot

LIMITS = RiskLimits()
AT_ONCE = Patience()
DARK = Underlying("DARK", Kind.STOCK, None)
SWAN = ("portfolio_loss", "Black Swan")
LATER = AS_OF + timedelta(minutes=12)
CRITICAL, WARNING, BETWEEN, SAFE = 10_000.0, 16_000.0, 21_000.0, 25_000.0
"""Net liquidations at which a Black Swan (2000 lost) costs 20 %, 12.5 %, 9.5 % and 8 %."""


def report(net_liquidation=SAFE, *more, excess_liquidity=None, **facts):
    """100 AAA at 100; only a Black Swan comes near a limit, and AAA is the largest name."""
    market = MARKET | {"DARK": DARK}
    of = snapshot([holding("AAA", 100.0), *more], market, net_liquidation=net_liquidation, **facts)
    return analyse(replace(of, account=Account(excess_liquidity=excess_liquidity)), SETTINGS)


def dark():
    return holding("DARK", 1.0, Kind.STOCK)


def stale(net_liquidation):
    market = {"AAA": replace(MARKET["AAA"], spot_as_of=AS_OF - timedelta(minutes=10))}
    return analyse(snapshot([holding("AAA", 100.0)], market, net_liquidation=net_liquidation), SETTINGS)


def look(known, of, at, blind=None, dated=(), patience=AT_ONCE):
    verdict = judge(of, dated, LIMITS, blind)
    return advance(known, verdict.findings, at, sees=verdict.unknown is None, patience=patience)


def losses(of, **words):
    return [one for one in judge(of, (), LIMITS, **words).findings if one.rule is Rule.PORTFOLIO_LOSS]


def swan(of, **words):
    return next(finding for finding in losses(of, **words) if finding.subject == "Black Swan")


def told(*reports):
    """The changes of the Black Swan's status over the reports, in order; None where there is nothing to tell."""
    known, changes = {}, []
    for i, one in enumerate(reports):
        statuses, transitions = look(known, one, AS_OF + timedelta(minutes=i))
        known |= {(status.rule, status.subject): status for status in statuses}
        changes.append(next((t.change for t in transitions if t.after.subject == "Black Swan"), None))
    return changes, known[SWAN]


# The rule


@pytest.mark.parametrize(
    ("net_liquidation", "severity", "recovered"),
    [
        (CRITICAL, Severity.CRITICAL, False),
        (WARNING, Severity.WARNING, False),
        (BETWEEN, None, False),
        (SAFE, None, True),
    ],
)
def test_a_loss_is_judged_against_both_limits(net_liquidation, severity, recovered):
    finding = swan(report(net_liquidation))
    assert (finding.severity, finding.recovered, finding.unknown) == (severity, recovered, None)
    assert finding.amount == pytest.approx(2_000.0) and finding.value == pytest.approx(
        2_000 / net_liquidation
    )


def test_a_loss_of_the_limit_itself_does_not_break_it():
    assert swan(report(20_000.0)).severity is None


def test_a_finding_names_the_limit_it_broke():
    assert [swan(report(one)).limit for one in (CRITICAL, WARNING, SAFE)] == [0.15, 0.10, 0.10]


def test_a_finding_names_the_three_positions_that_lose_most():
    more = [holding("AAA", n, id=f"AAA{n:g}") for n in (1.0, 3.0, 2.0, -5.0)]
    assert [row.id for row in swan(report(CRITICAL, *more)).causes] == ["AAA", "AAA3", "AAA2"]


def test_there_is_one_finding_for_each_scenario():
    assert len(losses(report())) == 16


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (report(SAFE, dark()), "1 position can't be valued: DARK"),
        (report(SAFE, complete=False), "the account has not arrived whole"),
        (stale(SAFE), "stale prices: AAA"),
        (
            analyse(snapshot([dark()], {"DARK": DARK}), SETTINGS),
            "neither net liquidation nor market value is known",
        ),
        (
            analyse(snapshot([dark()], {"DARK": DARK}, net_liquidation=SAFE), SETTINGS),
            "1 position can't be valued: DARK",
        ),
        (report(SAFE, holding("AAA", 1.0, currency="JPY", id="J")), "1 position can't be valued: J"),
    ],
    ids=["no price", "incomplete", "stale", "no basis", "nothing valued", "no rate"],
)
def test_what_is_unknown_never_passes(of, reason):
    changes, status = told(of)
    assert swan(of).unknown == reason
    assert changes == [Change.BLIND] and status.state is AlertState.UNKNOWN


def test_an_empty_account_that_is_not_whole_never_passes():
    changes, status = told(analyse(snapshot([], complete=False), SETTINGS))
    assert changes == [Change.BLIND] and status.state is AlertState.UNKNOWN


def test_a_link_that_is_down_never_passes():
    finding = swan(report(SAFE), blind="the link is down")
    assert finding.unknown == "the link is down"


def test_an_option_s_missing_spot_never_passes():
    finding = swan(report(SAFE, option("DARK", 10, "P", iv=0.3)))
    assert finding.unknown is not None


@pytest.mark.parametrize("of", [report(CRITICAL, dark()), report(CRITICAL, complete=False), stale(CRITICAL)])
def test_a_breach_that_the_known_inputs_show_fires_and_names_what_is_missing(of):
    changes, status = told(of)
    assert changes == [Change.FIRED] and status.state is AlertState.FIRING
    assert swan(of).severity is Severity.CRITICAL and swan(of).unknown


# The states


def test_an_alert_is_told_once_for_a_crossing():
    assert told(*[report(WARNING)] * 3)[0] == [Change.FIRED, None, None]


def test_a_worse_loss_escalates_once():
    changes, status = told(report(WARNING), report(CRITICAL), report(CRITICAL))
    assert changes == [Change.FIRED, Change.ESCALATED, None]
    assert status.severity is Severity.CRITICAL and status.episode == 1


def test_a_critical_alert_that_eases_to_a_warning_is_not_told_again_when_it_worsens():
    assert told(report(CRITICAL), report(WARNING), report(CRITICAL))[0] == [Change.FIRED, None, None]


def test_an_alert_ends_under_ninety_percent_of_the_lowest_limit():
    changes, status = told(report(CRITICAL), report(BETWEEN), report(SAFE), report(SAFE))
    assert changes == [Change.FIRED, None, Change.CLEARED, None]
    assert (status.state, status.severity, status.since) == (
        AlertState.OK,
        None,
        AS_OF + timedelta(minutes=2),
    )


def test_a_loss_that_hovers_at_the_limit_is_told_once():
    assert told(*[report(WARNING), report(BETWEEN)] * 4)[0] == [Change.FIRED, *[None] * 7]


def test_a_new_crossing_after_recovery_is_a_new_episode():
    changes, status = told(report(CRITICAL), report(SAFE), report(CRITICAL))
    assert changes == [Change.FIRED, Change.CLEARED, Change.FIRED] and status.episode == 2


@pytest.mark.parametrize("blind", [report(SAFE, dark()), report(SAFE, complete=False), stale(SAFE)])
def test_unknown_never_clears_a_firing_alert(blind):
    changes, status = told(report(CRITICAL), blind, blind)
    assert changes == [Change.FIRED, None, None] and status.state is AlertState.FIRING


def test_a_firing_alert_ends_when_everything_is_known_again():
    assert told(report(CRITICAL), report(SAFE, dark()), report(SAFE))[0] == [
        Change.FIRED,
        None,
        Change.CLEARED,
    ]


def test_unknown_is_said_once_and_so_is_its_end():
    changes, status = told(report(SAFE, dark()), report(SAFE, dark()), report(SAFE))
    assert changes == [Change.BLIND, None, Change.SEEING] and status.state is AlertState.OK


def test_unknown_can_turn_into_an_alert():
    assert told(report(SAFE, dark()), report(CRITICAL, dark()))[0] == [Change.BLIND, Change.FIRED]


def firing(subject):
    status = AlertStatus("portfolio_loss", subject, AlertState.FIRING, Severity.WARNING, AS_OF, 1, AS_OF)
    return {("portfolio_loss", subject): status}


def test_an_alert_on_a_scenario_that_is_run_no_more_ends():
    statuses, transitions = look(firing("Earnings Miss TSLA"), report(excess_liquidity=SAFE), AS_OF)
    assert [t.after.subject for t in transitions if t.change is Change.CLEARED] == ["Earnings Miss TSLA"]
    assert {s.state for s in statuses if s.rule == "portfolio_loss"} == {AlertState.OK}


def test_an_alert_on_a_scenario_that_is_run_no_more_stays_while_nothing_can_be_judged():
    _, transitions = look(firing("Earnings Miss TSLA"), report(SAFE, complete=False), AS_OF)
    assert not any(t.change is Change.CLEARED for t in transitions)


# How long


PATIENT = Patience(timedelta(seconds=5), timedelta(seconds=60))


def lived(*steps):
    """States and changes of the Black Swan over (seconds, report) steps, with patience."""
    known, states = {}, []
    for seconds, one in steps:
        statuses, transitions = look(known, one, AS_OF + timedelta(seconds=seconds), patience=PATIENT)
        known |= {(status.rule, status.subject): status for status in statuses}
        states.append(
            (
                known[SWAN].state,
                next((t.change for t in transitions if t.after.subject == "Black Swan"), None),
            )
        )
    return states


def test_a_breach_fires_once_it_has_lasted():
    assert lived((0, report(CRITICAL)), (3, report(CRITICAL)), (6, report(CRITICAL))) == [
        (AlertState.PENDING, None),
        (AlertState.PENDING, None),
        (AlertState.FIRING, Change.FIRED),
    ]


def test_a_breach_that_does_not_last_is_never_told():
    assert lived((0, report(CRITICAL)), (3, report(SAFE)), (4, report(CRITICAL)), (8, report(CRITICAL))) == [
        (AlertState.PENDING, None),
        (AlertState.OK, None),
        (AlertState.PENDING, None),
        (AlertState.PENDING, None),
    ]


def test_an_end_is_told_once_it_has_lasted_and_a_relapse_is_the_same_episode():
    steps = [(0, CRITICAL), (6, CRITICAL), (10, SAFE), (40, CRITICAL), (50, SAFE), (100, SAFE), (111, SAFE)]
    assert [state for state, _ in lived(*[(at, report(net)) for at, net in steps])] == [
        AlertState.PENDING, AlertState.FIRING, AlertState.RECOVERING, AlertState.FIRING, AlertState.RECOVERING,
        AlertState.RECOVERING, AlertState.OK,
    ]  # fmt: skip
    changes = [change for _, change in lived(*[(at, report(net)) for at, net in steps])]
    assert changes == [None, Change.FIRED, None, None, None, None, Change.CLEARED]


def test_an_alert_that_is_ending_fires_on_while_something_is_unknown():
    steps = (
        (0, report(CRITICAL)),
        (6, report(CRITICAL)),
        (10, report(SAFE)),
        (40, report(SAFE, dark())),
        (200, report(SAFE)),
    )
    assert [state for state, _ in lived(*steps)][-3:] == [
        AlertState.RECOVERING,
        AlertState.FIRING,
        AlertState.RECOVERING,
    ]


# The words


def telling(known, of, at, **manner):
    """The states after a look, with what is told of them."""
    verdict = judge(of, (), LIMITS)
    statuses, transitions = advance(known, verdict.findings, at, sees=verdict.unknown is None)
    found = {(one.rule.value, one.subject): one for one in verdict.findings}
    after, told = to_tell(statuses, transitions, found, at, Manner(**manner), f"alert:{at.isoformat()}")
    return {(one.rule, one.subject): one for one in after}, told


def words(before, now):
    known, _ = telling({}, before, AS_OF)
    _, told = telling(known, now, LATER)
    ended = [ended_text(group, now, LATER) for group in ended_by_message(told).values()]
    return [*alert_replies(told, now, LATER), *((None, Reply(text)) for text in ended)]


def test_an_alert_says_the_scenario_the_loss_the_limit_and_the_cause():
    ((severity, reply),) = words(report(SAFE), report(CRITICAL))
    assert severity is Severity.CRITICAL
    assert "CRITICAL: Black Swan would lose 2,000 USD (20.0 %)" in reply.html
    assert "limit 15.0 % of net liquidation: 1,500" in reply.html
    assert "caused by AAA -2.0k" in reply.html


def test_an_alert_on_part_of_the_book_says_that_it_may_be_worse():
    ((_, reply),) = words(report(SAFE, dark()), report(CRITICAL, dark()))
    assert "it may be worse: 1 position can&#x27;t be valued: DARK" in reply.html


def test_everything_of_one_severity_goes_into_one_message():
    replies = words(report(SAFE), report(1_000.0))
    assert [severity for severity, _ in replies] == [Severity.CRITICAL]
    assert "and too: " in replies[0][1].html


def test_blindness_is_one_message_for_all_scenarios():
    ((severity, reply),) = words(report(SAFE), report(SAFE, dark()))
    assert severity is None and "Can't be judged: the loss limit" in reply.html and "DARK" in reply.html


def test_recovery_is_told_without_alarm():
    ((severity, reply),) = words(report(CRITICAL), report(SAFE))
    assert severity is None and "Black Swan" in reply.html


def test_the_end_of_a_scenario_that_is_run_no_more_is_not_called_a_recovery():
    ((key, status),) = firing("Earnings Miss TSLA").items()
    told = replace(status, told_at=AS_OF, told_key="alert:x:warning")
    _, transitions = telling({key: told}, report(), LATER)
    (ended,) = ended_by_message(transitions).values()
    assert ended_text(ended, report(), LATER) == (
        "🟢 <b>not run any more, after 12 min</b>: the loss limit, Earnings Miss TSLA"
    )


def test_nothing_to_tell_is_no_message():
    assert words(report(CRITICAL), report(CRITICAL)) == []


def test_names_in_an_alert_are_escaped():
    bad = holding("AAA", 1_000.0, id="<b>&", underlying="AAA")
    bad = replace(bad, contract=replace(bad.contract, symbol="<b>&"))
    ((_, reply),) = words(report(1e9), report(SAFE, bad))
    assert "&lt;b&gt;&amp;" in reply.html and "<b>&" not in reply.html


def test_an_unknown_share_is_never_a_pass():
    finding = replace(
        swan(report(SAFE)), value=None, amount=None, severity=None, unknown="x", recovered=False
    )
    (status,), _ = advance(firing("Black Swan"), [finding], AS_OF, sees=False)
    assert status.state is AlertState.FIRING


def test_a_loss_is_never_nan():
    for finding in losses(report(SAFE, dark())):
        assert finding.amount is None or not math.isnan(finding.amount)


# When it is told


def lived_telling(*steps):
    """The changes of the Black Swan that are told over (minutes, report, manner) steps."""
    known, changes = {}, []
    for minutes, one, manner in steps:
        after, told = telling(known, one, AS_OF + timedelta(minutes=minutes), **manner)
        known |= after
        changes.append([t.change for t in told if t.after.subject == "Black Swan"])
    return known, changes


HOURLY = {"repeat_after": timedelta(hours=1)}
MUTED = {"muted": frozenset({"portfolio_loss"})}


def test_a_critical_alert_is_told_again_while_nobody_has_taken_note():
    bad = report(CRITICAL)
    _, changes = lived_telling((0, bad, HOURLY), (59, bad, HOURLY), (60, bad, HOURLY), (61, bad, HOURLY))
    assert changes == [[Change.FIRED], [], [Change.REMINDED], []]
    _, warnings = lived_telling((0, report(WARNING), HOURLY), (300, report(WARNING), HOURLY))
    assert warnings == [[Change.FIRED], []]


def test_what_is_noted_is_not_told_again_but_when_it_gets_critical_and_when_it_ends():
    known, _ = lived_telling((0, report(WARNING), HOURLY))
    known[SWAN] = replace(known[SWAN], acked=True)
    after, told = telling(known, report(CRITICAL), AS_OF + timedelta(hours=2), **HOURLY)
    assert [t.change for t in told if t.after.subject == "Black Swan"] == [Change.ESCALATED]
    _, told = telling(after, report(SAFE), AS_OF + timedelta(hours=3), **HOURLY)
    assert Change.CLEARED in [t.change for t in told]


def test_a_snoozed_alert_is_silent_for_its_time_or_until_it_is_that_much_worse():
    known, _ = lived_telling((0, report(WARNING), {}))
    until = AS_OF + timedelta(hours=1)
    timed = {SWAN: replace(known[SWAN], snoozed_until=until)}
    for minutes, expected in ((30, []), (60, [Change.REMINDED]), (61, [])):
        after, told = telling(timed, report(WARNING), AS_OF + timedelta(minutes=minutes))
        assert [t.change for t in told if t.after.subject == "Black Swan"] == expected
        timed = {SWAN: after[SWAN]}
    much = badness(swan(report(WARNING)))
    worse = {SWAN: replace(known[SWAN], snoozed_until=AS_OF + timedelta(days=9), snoozed_above=1.1 * much)}
    same, told = telling(worse, report(WARNING), LATER)
    assert "Black Swan" not in [t.after.subject for t in told] and same[SWAN].snoozed_above is not None
    after, told = telling(worse, report(WARNING / 1.12), LATER)
    assert [t.change for t in told if t.after.subject == "Black Swan"] == [Change.REMINDED]
    assert after[SWAN].snoozed_until is None


def test_a_muted_rule_and_quiet_hours_put_off_and_forget_nothing():
    bad, worse = report(WARNING), report(CRITICAL)
    _, changes = lived_telling((0, bad, MUTED), (5, bad, MUTED), (10, bad, {}))
    assert changes == [[], [], [Change.FIRED]]
    _, changes = lived_telling((0, bad, {"quiet": True}), (5, bad, {}))
    assert changes == [[], [Change.FIRED]]
    _, changes = lived_telling((0, bad, {"quiet": True}), (5, worse, {"quiet": True}))
    assert changes == [[], [Change.FIRED]]  # critical is told at any hour


def test_the_end_of_what_was_never_told_is_not_told():
    _, changes = lived_telling((0, report(WARNING), MUTED), (5, report(SAFE), MUTED), (9, report(SAFE), {}))
    assert changes == [[], [], []]


@pytest.mark.parametrize(
    ("at", "inside"), [("21:59", False), ("22:00", True), ("03:00", True), ("06:59", True), ("07:00", False)]
)
def test_quiet_hours_reach_over_midnight(at, inside):
    assert is_between(time.fromisoformat(at), "22:00-07:00") is inside
    assert is_between(time.fromisoformat(at), "07:00-22:00") is not inside


MINUTE = {"blind_after": timedelta(seconds=60)}


def test_what_can_t_be_judged_is_told_once_it_has_lasted_and_so_is_its_end():
    dim, clear = report(SAFE, dark()), report(SAFE)
    _, changes = lived_telling(
        (0, dim, MINUTE), (0.5, clear, MINUTE), (0.6, dim, MINUTE), (1.0, clear, MINUTE)
    )
    assert changes == [[], [], [], []]
    _, changes = lived_telling((0, dim, MINUTE), (1, dim, MINUTE), (2, dim, MINUTE), (3, clear, MINUTE))
    assert changes == [[], [Change.BLIND], [], [Change.SEEING]]


def test_a_blind_link_is_told_by_its_own_watch():
    dim = report(SAFE, complete=False)
    _, changes = lived_telling((0, dim, {"blind_after": None}), (90, dim, {"blind_after": None}))
    assert changes == [[], []]


def test_any_loss_of_an_account_that_is_worth_nothing_is_critical():
    of = report(-5_000.0)
    assert swan(of).severity is Severity.CRITICAL and swan(of).amount == pytest.approx(2_000.0)
    assert of.standing.leverage is None and of.standing.margin_cushion == 0.0
    verdict = judge(of, (), LIMITS)
    assert verdict.unknown is None
    (cushion,) = (one for one in verdict.findings if one.rule is Rule.MARGIN_CUSHION)
    assert cushion.severity is Severity.CRITICAL
    _, told = telling({}, of, AS_OF)
    ((_, reply),) = [pair for pair in alert_replies(told, of, AS_OF) if pair[0] is Severity.CRITICAL]
    assert "would lose" in reply.html and "nan" not in reply.html
