"""What a run came to."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: its facts, how long until the last was found, and the CPU seconds of each part of the path."""

    facts: int
    seconds: float
    cpu_seconds: Mapping[str, float]
    stored_once: bool

    @property
    def facts_per_second(self) -> float:
        return self.facts / self.seconds

    def figures(self) -> dict[str, object]:
        return {
            "facts_per_second": round(self.facts_per_second),
            "facts_per_cpu_second": round(self.facts / sum(self.cpu_seconds.values())),
            "cpu_seconds": {name: round(value, 2) for name, value in self.cpu_seconds.items()},
            "stored_once": self.stored_once,
        }
