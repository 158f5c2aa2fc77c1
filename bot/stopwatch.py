"""How long the phases of a cycle take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of one cycle: freeze and analyse; rules, with the wait for a look that is at it; the database."""

    analysis: float
    rules: float
    store: float

    def __str__(self) -> str:
        return f"analysis {ms(self.analysis)}, rules {ms(self.rules)}, store {ms(self.store)}"


def ms(seconds: float) -> str:
    return f"{1000.0 * seconds:.0f} ms"
