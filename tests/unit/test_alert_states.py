"""The life of an alert, by a machine that tries everything: never two firings of one subject, never cleared by what is unknown,
every firing gets its end, and a restart in any state changes nothing."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.alarms import record_of, status_of
from engine.alerts import Change, Finding, Patience, Rule, advance
from engine.model import AlertState, Severity
from engine.store.rows import alert_record, alert_row
from tests.unit.books import AS_OF

SUBJECTS = ("Black Swan", "Market Panic")
PATIENCE = Patience(timedelta(seconds=4), timedelta(seconds=30))
severities = st.sampled_from([None, Severity.WARNING, Severity.CRITICAL])


class _At:
    """A clock that stands where it is put."""

    def __init__(self, now):
        self._now = now

    def now(self):
        return self._now

    def monotonic(self):
        return 0.0


class Alerts(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now, self.known = AS_OF, {}
        self.open, self.told = set(), []

    def look(self, findings, sees=True):
        statuses, transitions = advance(self.known, findings, self.now, sees=sees, patience=PATIENCE)
        for transition in transitions:
            subject, change = transition.after.subject, transition.change
            if change is Change.FIRED:
                assert subject not in self.open
                self.open.add(subject)
            if change is Change.ESCALATED:
                assert subject in self.open
            if change is Change.CLEARED:
                finding = transition.finding
                assert finding is None or (finding.unknown is None and finding.recovered)
                assert subject in self.open
                self.open.remove(subject)
            self.told.append((subject, change))
        self.known |= {(one.rule, one.subject): one for one in statuses}

    @rule(seconds=st.sampled_from([1, 2, 5, 31, 300]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(
        subject=st.sampled_from(SUBJECTS), severity=severities, unknown=st.booleans(), recovered=st.booleans()
    )
    def one_is_judged(self, subject, severity, unknown, recovered):
        why = "no price" if unknown else None
        over = recovered and severity is None
        others = [
            name for name in SUBJECTS if name != subject and (Rule.PORTFOLIO_LOSS.value, name) in self.known
        ]
        same = [
            Finding(Rule.PORTFOLIO_LOSS, name, None, unknown="elsewhere", recovered=False) for name in others
        ]
        self.look(
            [Finding(Rule.PORTFOLIO_LOSS, subject, severity, 0.1, 0.1, unknown=why, recovered=over), *same],
            not unknown,
        )

    @rule(sees=st.booleans())
    def none_is_judged(self, sees):
        before = set(self.open)
        self.look([], sees)
        assert self.open <= before and (sees or self.open == before)

    @rule()
    def restart(self):
        """The states go through their rows and back."""
        back = {}
        for key, status in self.known.items():
            row = alert_record(alert_row(record_of(status, _At(self.now))))
            back[key] = status_of(row)
        assert back == self.known
        self.known = back

    @precondition(lambda self: self.open)
    @rule()
    def everything_is_well_for_long(self):
        """Whatever happened, two calm looks a while apart end every firing."""
        for _ in range(2):
            self.look([Finding(Rule.PORTFOLIO_LOSS, name, None, 0.0, 0.1) for name in SUBJECTS])
            self.now += PATIENCE.recovering
        assert not self.open

    @invariant()
    def those_that_fire_are_those_told(self):
        assert self.open == {one.subject for one in self.known.values() if one.is_firing}
        for one in self.known.values():
            assert (one.severity is not None) == one.is_firing
            assert one.state is not AlertState.FIRING or one.fired_at is not None


Alerts.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAlerts = Alerts.TestCase
