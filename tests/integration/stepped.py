"""Time that only pauses move, for parts that look again and again."""

from datetime import timedelta


class Ended(Exception):
    """The part has paused as often as the test wanted."""


class Time:
    """A clock, and the pauses that move it; after the last one the part ends."""

    def __init__(self, start):
        self.start = start
        self.seconds = 0.0
        self.left = 10**9

    def now(self):
        return self.start + timedelta(seconds=self.seconds)

    def monotonic(self):
        return self.seconds

    async def pause(self, seconds):
        self.seconds += seconds
        self.left -= 1
        if self.left <= 0:
            raise Ended
