"""The rules over thousands of broken reports, and a storm of alerts that must not become a storm of messages."""

import math
import os
from dataclasses import replace
from datetime import timedelta
from random import Random

import numpy as np

from bot.alert_text import alert_replies, ended_by_message, ended_text
from engine.alerts import QUIETLY_UNKNOWN, Finding, Manner, Patience, Rule, advance, judge, to_tell
from engine.analysis import analyse
from engine.model import Account, AlertState, Severity
from engine.results import Remark
from engine.settings import RiskLimits
from tests.unit.books import AS_OF, SETTINGS, holding, option, snapshot
from tests.unit.histories import market

STATES = int(os.environ.get("RISKBOT_ALERT_STATES", "10000"))
LIMITS = RiskLimits(var_limit=1e9)
BAD = (math.nan, math.inf, 1.797e308)


def a_report():
    held = [
        holding("AAA", 50.0),
        holding("BBB", -100.0),
        option("AAA", 95, "P", -1.0, iv=0.4),
        option("SPY", 640, "C", 1.0, iv=0.2),
    ]
    of = snapshot(held, market(), net_liquidation=1e6)
    return analyse(replace(of, account=Account(excess_liquidity=9e5)), SETTINGS)


WHOLE = a_report()


def broken(random):
    """The report with something missing, and the rules that may then not be OK; None stands for all of them."""
    remark = (Remark("AAA", "no price"),)
    result = random.randrange(len(WHOLE.scenarios))
    worse = random.choice([None, *BAD, -math.inf])

    def without(i):
        scenarios = list(WHOLE.scenarios)
        scenarios[i] = replace(scenarios[i], pnl=worse)
        return replace(WHOLE, scenarios=tuple(scenarios))

    rank = random.randrange(len(WHOLE.concentration))
    shares = list(WHOLE.concentration)
    shares[rank] = replace(shares[rank], value=random.choice([None, math.nan]))
    gamma = WHOLE.standing.gamma_pnl.copy()
    gamma[random.randrange(len(gamma))] = random.choice([math.nan, math.inf])
    cushion = replace(WHOLE.standing, margin_cushion=random.choice([None, math.nan]))
    return random.choice(
        [
            lambda: (replace(WHOLE, complete=False), None),
            lambda: (replace(WHOLE, basis=None), None),
            lambda: (replace(WHOLE, quality=replace(WHOLE.quality, stale=remark)), None),
            lambda: (replace(WHOLE, quality=replace(WHOLE.quality, left_out=remark)), None),
            lambda: (without(result), {(Rule.PORTFOLIO_LOSS, WHOLE.scenarios[result].name)}),
            lambda: (replace(WHOLE, concentration=tuple(shares)), {(Rule.CONCENTRATION, shares[rank].name)}),
            lambda: (
                replace(WHOLE, standing=replace(WHOLE.standing, gamma_pnl=gamma)),
                {(Rule.SHORT_GAMMA, "book")},
            ),
            lambda: (replace(WHOLE, standing=cushion), {(Rule.MARGIN_CUSHION, "book")}),
            lambda: (
                replace(WHOLE, greeks=replace(WHOLE.greeks, vega=random.choice(BAD[:2]))),
                {(Rule.VEGA, "book")},
            ),
            lambda: (
                replace(WHOLE, tail=replace(WHOLE.tail, figures=(), unknown="no days")),
                {(Rule.VAR, "book")},
            ),
            lambda: (replace(WHOLE, tail=replace(WHOLE.tail, left_out=remark)), {(Rule.VAR, "book")}),
        ]
    )()


def states(report, limits=LIMITS):
    verdict = judge(report, (), limits)
    statuses, _ = advance({}, verdict.findings, AS_OF, sees=verdict.unknown is None)
    return {
        (Rule(one.rule), one.subject): one.state for one in statuses if Rule(one.rule) not in QUIETLY_UNKNOWN
    }


def test_a_whole_report_is_ok_in_everything():
    assert set(states(WHOLE).values()) == {AlertState.OK} and len(states(WHOLE)) == len(WHOLE.scenarios) + 7


def test_whatever_is_missing_is_never_ok():
    """RISKBOT_ALERT_STATES=100000 for more."""
    random = Random(1)
    for _ in range(STATES):
        report, missing = broken(random)
        found = states(report)
        for key in found if missing is None else missing:
            assert found[key] is not AlertState.OK, (key, missing)


def test_a_breach_on_what_is_known_fires_whatever_is_missing():
    random = Random(2)
    tight = RiskLimits(
        warn_portfolio_loss=1e-6, max_portfolio_loss=1e-6, position_concentration=1e-6, vega_limit=1e-6,
        short_gamma_limit=1e-9, margin_cushion=1.0, var_limit=1e-6,
    )  # fmt: skip
    fires = {key for key, state in states(WHOLE, tight).items() if state is AlertState.FIRING}
    assert {rule for rule, _ in fires} >= {
        Rule.PORTFOLIO_LOSS,
        Rule.CONCENTRATION,
        Rule.VEGA,
        Rule.MARGIN_CUSHION,
        Rule.VAR,
    }
    for _ in range(STATES // 10):
        report, missing = broken(random)
        found = states(report, tight)
        # without a basis a share of it is unknown; an amount is not
        sure = (
            {key for key in fires if key[0] in {Rule.VEGA, Rule.VAR, Rule.MARGIN_CUSHION}}
            if report.basis is None
            else fires
        )
        for key in sure - (missing or set()):
            if key in found:
                assert found[key] is AlertState.FIRING, (key, missing)


def test_five_hundred_positions_flapping_for_an_hour_are_few_messages_that_name_them_all():
    random, manner = np.random.default_rng(1), Manner(repeat_after=timedelta(hours=1))
    patience, known, texts = Patience(recovering=timedelta(seconds=60)), {}, []
    names = [f"DU1:X{i:03d}" for i in range(500)]
    for second in range(3600):
        now = AS_OF + timedelta(seconds=second)
        over = random.random(500) < 0.5
        findings = [
            Finding(Rule.CONCENTRATION, name, Severity.WARNING if hit else None, 0.3 if hit else 0.1, 0.25)
            for name, hit in zip(names, over.tolist(), strict=True)
        ]
        statuses, transitions = advance(known, findings, now, sees=True, patience=patience)
        by_key = {(one.rule.value, one.subject): one for one in findings}
        after, told = to_tell(statuses, transitions, by_key, now, manner, f"alert:{second}")
        known = {(one.rule, one.subject): one for one in after}
        if told:
            texts += [reply.html for _, reply in alert_replies(told, WHOLE, now)]
            texts += [ended_text(group, WHOLE, now) for group in ended_by_message(told).values()]
    assert 1 <= len(texts) <= 60
    assert all(any(name in text for text in texts) for name in names)
