"""Whether a call may be answered from what is kept: the strictest of what its policies say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shared.policy import CachePolicy

T = TypeVar("T", bound=float)
D = TypeVar("D")

DISTANCE = 0.05
SEMANTIC_MAX_TEMPERATURE = 0.2
DEFAULT_TEMPERATURE = 1.0  # of every provider, where a request says none


@dataclass(frozen=True, slots=True)
class Terms:
    """For how many seconds an answer serves the same request, and a near question; 0 is not at all."""

    exact_seconds: float = 0.0
    exact_max_temperature: float | None = None
    semantic_seconds: float = 0.0
    semantic_distance: float = DISTANCE
    semantic_max_temperature: float = SEMANTIC_MAX_TEMPERATURE
    semantic_tools: bool = False

    @property
    def seconds(self) -> float:
        """How long an answer is kept."""
        return max(self.exact_seconds, self.semantic_seconds)

    def exact_at(self, temperature: float) -> bool:
        """Whether the same request at this temperature may be answered again."""
        most = self.exact_max_temperature
        return self.exact_seconds > 0 and (most is None or temperature <= most)

    def semantic_at(self, temperature: float, *, tools: bool) -> bool:
        """Whether a near question at this temperature, with tools or without, may be."""
        within = temperature <= self.semantic_max_temperature
        return self.semantic_seconds > 0 and within and (self.semantic_tools or not tools)


def terms_of(policies: Sequence[CachePolicy]) -> Terms:
    """What holds where several policies speak: of each thing that is said, the least.

    >>> terms_of([CachePolicy(exact_seconds=3600), CachePolicy(exact_seconds=60)]).exact_seconds
    60
    >>> terms_of([CachePolicy(exact_seconds=3600), CachePolicy(exact_seconds=0)]).exact_seconds
    0
    """
    if all(policy.exact_seconds is None and policy.semantic_seconds is None for policy in policies):
        return OFF
    return Terms(
        exact_seconds=_least((p.exact_seconds for p in policies), 0.0),
        exact_max_temperature=_least((p.exact_max_temperature for p in policies), None),
        semantic_seconds=_least((p.semantic_seconds for p in policies), 0.0),
        semantic_distance=_least((p.semantic_distance for p in policies), DISTANCE),
        semantic_max_temperature=_least(
            (p.semantic_max_temperature for p in policies), SEMANTIC_MAX_TEMPERATURE
        ),
        semantic_tools=_least((p.semantic_tools for p in policies), False),  # noqa: FBT003 - of flags, the least
    )


def _least(said: Iterable[T | None], unsaid: D) -> T | D:
    return min((one for one in said if one is not None), default=unsaid)


OFF = Terms()
