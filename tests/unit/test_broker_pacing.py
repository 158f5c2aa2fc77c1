"""No second, however it is laid, sees more messages leave than the gateway takes."""

import heapq
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.broker.pacing import Pacer

LIMIT = 45


class Loop:
    """A loop whose time stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._calls, (when, len(self._calls), callback))

    def run_until(self, when: float, stall: float = 0.0) -> None:
        """Time goes on to `when`; each wake-up comes `stall` late."""
        while self._calls and self._calls[0][0] + stall <= when:
            at, _, callback = heapq.heappop(self._calls)
            self.now = max(self.now, at + stall)
            callback()
        self.now = max(self.now, when)


def busiest_second(times: list[float]) -> int:
    return max((sum(at <= other < at + 1.0 for other in times) for at in times), default=0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(1, 120), st.booleans()), min_size=1, max_size=8),
    st.sampled_from([0.0, 0.004, 0.08]),
)
def test_no_second_has_more_than_the_limit(bursts: list[tuple[float, int, bool]], stall: float) -> None:
    loop, sent = Loop(), []
    pacer = Pacer(lambda _: sent.append(loop.now), loop)
    for wait, size, urgent in bursts:
        loop.run_until(loop.now + wait, stall)
        for _ in range(size):
            pacer.offer("1", urgent=urgent)
    loop.run_until(loop.now + 60.0, stall)
    assert len(sent) == sum(size for _, size, _ in bursts)
    assert busiest_second(sent) <= LIMIT


def test_a_single_message_leaves_at_once() -> None:
    loop, sent = Loop(), []
    Pacer(sent.append, loop).offer("49", urgent=True)
    assert sent == ["49"]


def test_urgent_messages_pass_the_others_and_keep_their_order() -> None:
    loop, sent = Loop(), []
    pacer = Pacer(sent.append, loop)
    for number in range(20):
        pacer.offer(f"line {number}", urgent=False)
    for number in range(3):
        pacer.offer(f"urgent {number}", urgent=True)
    before = len(sent)
    loop.run_until(loop.now + 5.0)
    assert sent[before : before + 3] == ["urgent 0", "urgent 1", "urgent 2"]
    assert [text for text in sent if text.startswith("line")] == [f"line {number}" for number in range(20)]


def test_a_long_queue_leaves_nearly_as_fast_as_allowed() -> None:
    loop, sent = Loop(), []
    pacer = Pacer(sent.append, loop)
    for _ in range(400):
        pacer.offer("1", urgent=False)
    loop.run_until(loop.now + 5.0)
    assert len(sent) >= 5 * 34


def test_a_closed_pacer_sends_nothing_more() -> None:
    loop, sent = Loop(), []
    pacer = Pacer(sent.append, loop)
    for _ in range(10):
        pacer.offer("1", urgent=False)
    left = len(sent)
    pacer.close()
    pacer.offer("1", urgent=True)
    loop.run_until(loop.now + 5.0)
    assert len(sent) == left and len(pacer) == 0
