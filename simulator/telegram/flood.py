"""Flood control: token buckets for each chat and for the bot as a whole. Time is passed in, in monotonic
seconds.
"""

import math
from dataclasses import dataclass

from simulator.telegram.config import FloodLimits


@dataclass(slots=True)
class Bucket:
    """Holds up to `burst` tokens and gains `per_second`."""

    burst: int
    per_second: float
    tokens: float
    filled_at: float

    def wait_for(self, cost: int, now: float) -> float:
        """Seconds until `cost` tokens are there; 0 when they are there now. A cost above the burst waits for
        a full bucket.
        """
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.per_second)
        self.filled_at = now
        missing = min(cost, self.burst) - self.tokens
        return max(0.0, missing / self.per_second)


class FloodGate:
    """Lets a message through or says how long to wait; refused requests cost nothing."""

    def __init__(self, limits: FloodLimits | None) -> None:
        self._limits = limits
        self._chats: dict[int, Bucket] = {}
        self._overall: Bucket | None = None

    def admit(self, chat_id: int, cost: int, now: float) -> int:
        """Take `cost` messages out of the chat's and the bot's buckets, or none.

        Args:
            chat_id: the chat written to; negative for groups.
            cost: messages, 1 for a send or an edit, the number of items for an album.
            now: monotonic seconds.
        Returns:
            0 when admitted, else the whole seconds to wait (at least 1), as `retry_after` says it.
        """
        if self._limits is None:
            return 0
        buckets = (self._chat_bucket(self._limits, chat_id, now), self._overall_bucket(self._limits, now))
        wait = max(bucket.wait_for(cost, now) for bucket in buckets)
        if wait > 1e-9:
            return max(1, math.ceil(wait))
        for bucket in buckets:
            bucket.tokens -= min(cost, bucket.burst)
        return 0

    def _chat_bucket(self, limits: FloodLimits, chat_id: int, now: float) -> Bucket:
        if chat_id not in self._chats:
            burst = limits.private_burst if chat_id > 0 else limits.group_burst
            rate = limits.private_per_second if chat_id > 0 else limits.group_per_second
            self._chats[chat_id] = Bucket(burst, rate, float(burst), now)
        return self._chats[chat_id]

    def _overall_bucket(self, limits: FloodLimits, now: float) -> Bucket:
        if self._overall is None:
            burst = limits.overall_burst
            self._overall = Bucket(burst, limits.overall_per_second, float(burst), now)
        return self._overall
