"""More options than lines: who is seen how often."""

import random
from collections import Counter

import pytest

from engine.broker.rotation import RISKIEST, Rotation, Turn

STEP_S = 0.25


class Market:
    """Answers each open line `quote_after` seconds after it opened, and the model `model_after`; None for never."""

    def __init__(
        self, rotation: Rotation, room: int, quote_after: float | None, model_after: float | None
    ) -> None:
        self.rotation, self.room = rotation, room
        self.quote_after, self.model_after = quote_after, model_after
        self.open: dict[int, float] = {}
        self.now = 0.0
        self.most_open = 0
        self.opened: Counter[int] = Counter()
        self.messages: list[float] = []

    def step(self) -> None:
        plan = self.rotation.plan(self.room, self.now)
        for con_id in plan.close:
            del self.open[con_id]
        for con_id in plan.open:
            assert con_id not in self.open
            self.open[con_id] = self.now
            self.opened[con_id] += 1
        self.messages += [self.now] * (len(plan.close) + len(plan.open))
        self.most_open = max(self.most_open, len(self.open))
        for con_id, since in self.open.items():
            if self.quote_after is not None and self.now - since >= self.quote_after:
                self.rotation.quoted(con_id, self.now)
            if self.model_after is not None and self.now - since >= self.model_after:
                self.rotation.modelled(con_id)
        self.now += STEP_S

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds / STEP_S)):
            self.step()


def options(count: int) -> list[Turn]:
    chance = random.Random(3)
    return [Turn(number, chance.paretovariate(1.0), chance.randrange(0, 400)) for number in range(count)]


def worst_ages(market: Market, turns: list[Turn], seconds: float) -> tuple[float, float]:
    """The longest that any of the riskiest, and any at all, went unseen."""
    riskiest = {turn.con_id for turn in sorted(turns, key=lambda turn: -turn.risk)[:RISKIEST]}
    worst_risky = worst = 0.0
    for _ in range(int(seconds / STEP_S)):
        market.step()
        ages = market.rotation.unseen_for(market.now)
        worst = max(worst, *ages.values())
        worst_risky = max(worst_risky, *(ages[con_id] for con_id in riskiest))
    return worst_risky, worst


@pytest.mark.parametrize(("count", "room"), [(500, 80), (500, 30), (800, 80)])
def test_all_are_seen_in_time_and_the_riskiest_oftener(count: int, room: int) -> None:
    rotation, turns = Rotation(), options(count)
    rotation.want(turns)
    market = Market(rotation, room, quote_after=0.8, model_after=1.2)
    market.run(120.0)
    worst_risky, worst = worst_ages(market, turns, 600.0)
    assert market.most_open <= room
    assert worst_risky <= 60.0
    assert worst <= 300.0


def test_with_lines_for_all_every_line_stays_open() -> None:
    rotation = Rotation()
    rotation.want(options(60))
    market = Market(rotation, 60, quote_after=0.5, model_after=0.5)
    market.run(60.0)
    assert len(market.open) == 60 and set(market.opened.values()) == {1}


def test_silent_options_do_not_keep_the_others_from_their_turn() -> None:
    rotation = Rotation()
    rotation.want([Turn(number) for number in range(200)])
    market = Market(rotation, 40, quote_after=None, model_after=None)
    market.run(120.0)
    assert len(market.opened) == 200
    assert max(market.opened.values()) - min(market.opened.values()) <= 2


def test_the_turns_leave_room_in_the_pace_for_everything_else() -> None:
    rotation = Rotation()
    rotation.want(options(500))
    market = Market(rotation, 80, quote_after=0.0, model_after=0.0)
    market.run(60.0)
    later = [at for at in market.messages if at >= 5.0]
    assert max(sum(at <= other < at + 1.0 for other in later) for at in set(later)) <= 34


def test_fewer_lines_than_before_close_those_that_matter_least() -> None:
    rotation, turns = Rotation(), options(50)
    rotation.want(turns)
    market = Market(rotation, 50, quote_after=0.5, model_after=0.5)
    market.run(5.0)
    market.room = 20
    market.step()
    assert len(market.open) == 20
    best = {turn.con_id for turn in sorted(turns, key=lambda turn: -turn.risk)[:10]}
    assert best <= market.open.keys()


def test_what_is_no_longer_held_gives_its_line_back() -> None:
    rotation, turns = Rotation(), options(30)
    rotation.want(turns)
    market = Market(rotation, 30, quote_after=0.5, model_after=0.5)
    market.run(2.0)
    rotation.want(turns[:10])
    market.step()
    assert market.open.keys() == {turn.con_id for turn in turns[:10]}


def test_a_month_of_turns_leaves_nothing_behind() -> None:
    rotation = Rotation()
    sizes = []
    for day in range(30):
        rotation.want([Turn(1000 * day + number) for number in range(120)])
        market = Market(rotation, 20, quote_after=0.5, model_after=None)
        market.open = dict.fromkeys(rotation._visits, 0.0)
        market.now = day * 86_400.0
        market.run(300.0)
        sizes.append(len(rotation._seen) + len(rotation._tried) + len(rotation._visits))
    assert max(sizes) <= 2 * 120 + 20
