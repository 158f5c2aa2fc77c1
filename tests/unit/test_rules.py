"""The other rules: each breaks where it should, names who causes it, and never passes on what is unknown."""

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alert_cards import limits_text
from bot.alert_text import alert_replies
from engine.alerts import Manner, Rule, advance, judge, to_tell
from engine.analysis import analyse
from engine.calendar import detect
from engine.model import (
    Account,
    AlertState,
    BrokerView,
    Dividend,
    Event,
    EventKind,
    Kind,
    Severity,
    Underlying,
)
from engine.risk import model_gaps
from engine.settings import RiskLimits
from tests.unit.books import AS_OF, MARKET, SETTINGS, holding, option, snapshot
from tests.unit.histories import market

NET = 100_000.0


def a_report(held, underlyings=None, net_liquidation=NET, excess=80_000.0, **facts):
    of = snapshot(
        held, MARKET if underlyings is None else underlyings, net_liquidation=net_liquidation, **facts
    )
    return analyse(replace(of, account=Account(excess_liquidity=excess)), SETTINGS), of


def found(rule, held, underlyings=None, blind=None, limits=None, **facts):
    report, of = a_report(held, underlyings, **facts)
    verdict = judge(report, detect(of, report.positions), limits or RiskLimits(), blind)
    return {finding.subject: finding for finding in verdict.findings if finding.rule is rule}


def test_a_large_name_is_a_warning_and_a_very_large_one_critical():
    held = [
        holding("AAA", 300.0, mark=100.0),
        holding("BBB", 800.0, mark=50.0),
        holding("SPY", 1.0, mark=640.0),
    ]
    seen = found(Rule.CONCENTRATION, held)
    assert {name: one.severity for name, one in seen.items()} == {
        "AAA": Severity.WARNING, "BBB": Severity.CRITICAL, "SPY": None,
    }  # fmt: skip
    assert seen["BBB"].value == 0.4 and seen["BBB"].amount == 40_000.0 and seen["BBB"].limit == 0.375
    assert [row.id for row in seen["BBB"].causes] == ["BBB"] and seen["SPY"].recovered


@pytest.mark.parametrize(
    ("excess", "severity"), [(9_000.0, "critical"), (14_000.0, "warning"), (16_000.0, None)]
)
def test_a_thin_margin_cushion(excess, severity):
    (one,) = found(Rule.MARGIN_CUSHION, [holding("AAA", 1.0, mark=100.0)], excess=excess).values()
    assert (one.severity, one.value) == (severity, excess / NET) and not one.recovered


def test_a_margin_cushion_that_the_account_does_not_tell_is_unknown():
    (one,) = found(Rule.MARGIN_CUSHION, [holding("AAA", 1.0, mark=100.0)], excess=None).values()
    assert one.severity is None and one.unknown == "the account does not tell its margin"


def test_vega_is_judged_either_way_and_names_those_on_its_side():
    held = [
        option("SPY", 640, "P", -20.0, iv=0.18),
        option("SPY", 600, "P", 5.0, iv=0.2),
        option("AAA", 100, "C", -1.0, iv=0.3),
    ]
    report, _ = a_report(held)
    total = report.greeks.vega
    (one,) = found(Rule.VEGA, held, limits=RiskLimits(vega_limit=0.8 * abs(total))).values()
    assert one.severity is Severity.WARNING and one.value == pytest.approx(abs(total)) and total < 0.0
    assert [row.id for row in one.causes] == [held[0].id, held[2].id] and one.causes[0].pnl < 0.0
    flipped = [replace(position, quantity=-position.quantity) for position in held]
    (other,) = found(Rule.VEGA, flipped, limits=RiskLimits(vega_limit=0.8 * abs(total))).values()
    assert other.severity is Severity.WARNING and [row.id for row in other.causes] == [held[0].id, held[2].id]
    assert other.causes[0].pnl > 0.0


def test_short_gamma_is_the_loss_of_a_day_of_two_deviations():
    held = [option("AAA", 100, "C", -50.0, iv=0.3)]
    report, _ = a_report(held)
    move = 2.0 * (MARKET["AAA"].iv30 or 0.3) / math.sqrt(252.0)
    loss = -0.5 * report.positions[0].gamma * (100.0 * move) ** 2 * -50.0 * 100.0
    (one,) = found(Rule.SHORT_GAMMA, held).values()
    assert one.amount == pytest.approx(loss) and one.value == pytest.approx(loss / NET)
    (tight,) = found(Rule.SHORT_GAMMA, held, limits=RiskLimits(short_gamma_limit=0.9 * loss / NET)).values()
    assert tight.severity is Severity.WARNING and tight.causes[0].id == held[0].id
    (long,) = found(Rule.SHORT_GAMMA, [replace(held[0], quantity=50.0)]).values()
    assert long.severity is None and long.recovered and long.amount < 0.0


def test_value_at_risk_is_judged_where_it_has_a_limit():
    held = [holding("AAA", 100.0, mark=100.0)]
    report, _ = a_report(held, market())
    var = report.tail.figure(0.99).var
    assert found(Rule.VAR, held, market()) == {}
    (one,) = found(Rule.VAR, held, market(), limits=RiskLimits(var_limit=0.9 * var)).values()
    assert (one.severity, one.value) == (Severity.WARNING, var) and [row.id for row in one.causes] == ["AAA"]
    (unknown,) = found(Rule.VAR, held, limits=RiskLimits(var_limit=1e9)).values()
    assert unknown.severity is None and "daily moves" in unknown.unknown


def test_iv_rank_says_what_one_might_consider():
    def standing(now):
        days = [AS_OF.date() - timedelta(days=i) for i in range(300, 0, -1)]
        series = tuple(zip(days, np.linspace(0.2, 0.4, 300).tolist(), strict=True))
        return {**MARKET, "AAA": replace(MARKET["AAA"], iv30=now, iv_history=series)}

    held = [option("AAA", 100, "C", 1.0, iv=0.3), holding("BBB", 1.0, mark=50.0)]
    for now, high, low in ((0.395, "warning", None), (0.24, None, "warning"), (0.3, None, None)):
        (above,) = found(Rule.IV_HIGH, held, standing(now)).values()
        (below,) = found(Rule.IV_LOW, held, standing(now)).values()
        assert (above.subject, above.severity, below.severity) == ("AAA", high, low)
        assert "consider selling" in above.why and "consider buying" in below.why
    assert found(Rule.IV_LOW, held)["AAA"].unknown == "less than 200 days of its volatility"


def test_the_calendar_s_findings_warn_of_the_position():
    expiry = AS_OF.date() + timedelta(days=30)
    report = Event(EventKind.EARNINGS, AS_OF + timedelta(days=10), True, symbols=("AAA",))
    dividend = replace(MARKET["AAA"], dividends=(Dividend(AS_OF.date() + timedelta(days=3), 3.0),))
    call = option("AAA", 90, "C", -1.0, expiry=expiry, iv=0.3, mark=10.05)
    held, at = [call], {**MARKET, "AAA": dividend}
    inside = found(Rule.EARNINGS_INSIDE, held, at, events=(report,))
    assert list(inside) == [call.id] and inside[call.id].severity is Severity.WARNING
    (assignment,) = found(Rule.ASSIGNMENT, held, at).values()
    assert "exceeds its time value" in assignment.why and assignment.limit is None
    today = option("AAA", 100, "C", -1.0, expiry=date(2026, 7, 28), iv=0.3)
    assert [list(found(rule, [today])) for rule in (Rule.EXPIRING, Rule.PIN)] == [[today.id]] * 2


@pytest.mark.parametrize("rule", [Rule.VEGA, Rule.SHORT_GAMMA, Rule.CONCENTRATION, Rule.MARGIN_CUSHION])
def test_nothing_passes_while_the_link_is_blind_and_a_breach_still_fires(rule):
    held = [option("AAA", 100, "C", -50.0, iv=0.3)]
    for one in found(rule, held, blind="the link is down").values():
        assert one.unknown == "the link is down"
    tight = RiskLimits(vega_limit=1.0, short_gamma_limit=1e-6, position_concentration=1e-6)
    broken = found(rule, held, blind="the link is down", limits=tight, excess=1.0)
    assert {one.severity for one in broken.values()} == {Severity.CRITICAL}


UNKNOWN_SPOT = {**MARKET, "AAA": Underlying("AAA", Kind.STOCK, None)}
STALE = {**MARKET, "AAA": replace(MARKET["AAA"], spot_as_of=AS_OF - timedelta(minutes=5))}
books = st.lists(
    st.sampled_from(
        [
            holding("AAA", 50.0),
            holding("BBB", -100.0),
            option("AAA", 95, "P", -9.0, iv=0.4),
            option("SPY", 640, "C", 2.0, iv=0.2),
        ]
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one.id,
)


@settings(deadline=None, max_examples=40)
@given(
    books, st.sampled_from([UNKNOWN_SPOT, STALE, MARKET]), st.sampled_from([None, math.nan, 0.0, -1.0, 30_000.0]),
    st.booleans(), st.sampled_from([None, 1.0, 1e6]),
)  # fmt: skip
def test_whatever_is_unknown_is_never_ok(held, underlyings, net, complete, excess):
    """A generated account: whatever of it is missing, no rule of the book is OK, and no number in a finding is NaN."""
    report, of = a_report(held, underlyings, net, excess, complete=complete)
    verdict = judge(report, detect(of, report.positions), RiskLimits())
    statuses, _ = advance({}, verdict.findings, AS_OF, sees=verdict.unknown is None)
    ruined = net is not None and net <= 0.0
    missing = not complete or bool(report.quality.left_out or report.quality.stale)
    missing = missing or (report.basis is None and not ruined)
    assert (verdict.unknown is not None) == missing
    if missing:
        assert all(one.state is not AlertState.OK for one in statuses)
    for finding in verdict.findings:
        assert all(x is None or math.isfinite(x) for x in (finding.value, finding.limit, finding.amount))


def test_a_message_has_each_rule_its_limit_its_causes_and_what_would_end_it():
    held = [holding("AAA", 300.0, mark=100.0), option("AAA", 100, "C", -50.0, iv=0.3)]
    report, of = a_report(held)
    limits = RiskLimits(vega_limit=100.0)
    verdict = judge(report, detect(of, report.positions), limits)
    statuses, transitions = advance({}, verdict.findings, AS_OF, sees=True)
    by_key = {(one.rule.value, one.subject): one for one in verdict.findings}
    _, told = to_tell(statuses, transitions, by_key, AS_OF, Manner(), "alert:now")
    replies = dict(alert_replies(told, report, AS_OF))
    text = replies[Severity.CRITICAL].html
    assert "a vol point is worth" in text and "limit 150 USD" in text and "caused by AAA 21Aug 100C" in text
    assert "without AAA 21Aug 100C it would be within the limit" in text
    texts = {button.text for row in replies[Severity.CRITICAL].keyboard for button in row}
    assert texts >= {"Greeks", "Got it", "Snooze 1 h", "Until close"}
    assert "!!vega" in limits_text(verdict, report, limits)


def test_a_cure_is_only_named_where_it_is_one():
    """Without the long side the short side is over the limit as well; and a Value at Risk is no sum."""
    held = [option("SPY", 640, "P", 40.0, iv=0.18), option("SPY", 600, "P", -30.0, iv=0.2)]
    report, _ = a_report(held)
    total, long = report.greeks.vega, report.positions[0].exposure.vega
    assert 0.0 < total < long
    limits = RiskLimits(vega_limit=0.5 * min(total, long - total))
    verdict = judge(report, (), limits)
    statuses, transitions = advance({}, verdict.findings, AS_OF, sees=True)
    by_key = {(one.rule.value, one.subject): one for one in verdict.findings}
    _, told = to_tell(statuses, transitions, by_key, AS_OF, Manner(), "alert:now")
    text = "".join(reply.html for _, reply in alert_replies(told, report, AS_OF))
    lines = text.partition("a vol point is worth")[2].split("\n")[:4]
    assert lines[2].startswith("caused by SPY 21Aug 640P +") and "less to be within the limit" in lines[3]


def test_the_causes_of_a_concentration_are_on_its_side():
    held = [holding("AAA", 900.0, mark=100.0), option("AAA", 100, "C", -5.0, iv=0.3, mark=12.0)]
    (one,) = found(Rule.CONCENTRATION, held).values()
    assert [row.id for row in one.causes] == ["AAA"] and one.causes[0].pnl == 90_000.0


def test_what_has_expired_moves_nothing_and_is_named():
    gone = option("SPX", 6300, "P", -1.0, expiry=AS_OF.date() - timedelta(days=1), iv=0.2)
    report, _ = a_report([gone, holding("AAA", 10.0, mark=100.0)], market())
    assert all(result.position_pnl[0] == 0.0 for result in report.scenarios)
    assert math.isnan(report.tail.component_es[0])
    assert [(one.id, one.reason) for one in report.tail.left_out] == [(gone.id, "it has expired")]
    (one,) = found(
        Rule.VAR, [gone, holding("AAA", 10.0, mark=100.0)], market(), limits=RiskLimits(var_limit=1e9)
    ).values()
    assert one.unknown is None and one.recovered


def test_a_rank_of_an_old_history_is_unknown():
    days = [AS_OF.date() - timedelta(days=i) for i in range(330, 30, -1)]
    series = tuple(zip(days, np.linspace(0.2, 0.4, 300).tolist(), strict=True))
    old = {**MARKET, "AAA": replace(MARKET["AAA"], iv30=None, iv_history=series)}
    report, _ = a_report([option("AAA", 100, "C", 1.0, iv=0.3)], old)
    assert report.positions[0].iv_rank is None


def test_a_delta_of_the_broker_s_that_is_far_from_ours_is_a_warning_with_its_likely_cause():
    call = option("AAA", 100, "C", -50.0, iv=0.3)
    ours = a_report([call])[0].positions[0]
    same = BrokerView(iv=ours.iv, delta=ours.delta, gamma=ours.gamma, vega=ours.vega, theta=ours.theta)
    for off, severity in ((0.0, None), (0.12, "warning"), (0.4, "critical")):
        held = [replace(call, broker=replace(same, delta=ours.delta - off))]
        report, of = a_report(held)
        verdict = judge(report, (), RiskLimits(), gaps=model_gaps(of, report.positions))
        (one,) = (finding for finding in verdict.findings if finding.rule is Rule.MODEL_GAP)
        assert (one.subject, one.severity) == (call.id, severity)
        assert one.amount == pytest.approx(off * 100.0 * 0.01 * 50.0 * 100.0, abs=1.0)
    assert "a 1 % move differs by 2,000 between the broker's delta and ours: " in one.why
