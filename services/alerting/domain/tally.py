"""What a rule counts: failed calls, latencies, or money, each as sums that add up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, Self

from services.alerting.domain.rule import Place, When
from services.alerting.domain.sketch import Sketch

MAX_ERROR_TYPES = 20
OTHER = "other"
NINETY_FIFTH = 0.95


@dataclass(frozen=True, slots=True)
class Call:
    """A call that ended: whether it failed, and how long it took when it did not."""

    at_us: int
    place: Place
    failed: bool
    error_type: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one interaction cost."""

    at_us: int
    place: Place
    usd: Decimal


Sample = Call | Cost


class Tally(Protocol):
    """Sums over a stretch of time; what it cannot use of a sample's kind, it passes by."""

    count: int

    def add(self, sample: Sample) -> None:
        """Count one sample."""
        ...

    def merge(self, other: Any) -> None:
        """Count all that another tally of the same class counted."""
        ...

    def value(self) -> Decimal:
        """The number that a threshold is compared with; 0 when nothing was counted."""
        ...

    def evidence(self) -> dict[str, object]:
        """What a person wants to see beside the number."""
        ...

    def dump(self) -> dict[str, Any]:
        """The tally as JSON values, for `load`."""
        ...

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Self:
        """The tally that `dump` wrote down."""
        ...


@dataclass(slots=True)
class Failures:
    """The share of calls that failed, and how."""

    count: int = 0
    failed: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        if isinstance(sample, Cost):
            return
        self.count += 1
        if sample.failed:
            self.failed += 1
            self._add_error(sample.error_type or "unknown", 1)

    def _add_error(self, name: str, count: int) -> None:
        known = name in self.errors or len(self.errors) < MAX_ERROR_TYPES
        name = name if known else OTHER
        self.errors[name] = self.errors.get(name, 0) + count

    def merge(self, other: "Failures") -> None:
        self.count += other.count
        self.failed += other.failed
        for name, count in other.errors.items():
            self._add_error(name, count)

    def value(self) -> Decimal:
        return Decimal(self.failed) / Decimal(max(self.count, 1))

    def evidence(self) -> dict[str, object]:
        worst = dict(sorted(self.errors.items(), key=lambda item: (-item[1], item[0]))[:5])
        return {"count": self.count, "failed": self.failed, "errors": worst}

    def dump(self) -> dict[str, Any]:
        return {"count": self.count, "failed": self.failed, "errors": self.errors}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["count"], values["failed"], dict(values["errors"]))


@dataclass(slots=True)
class Latencies:
    """The 95th percentile of how long calls took that did not fail, in seconds."""

    count: int = 0
    sketch: Sketch = field(default_factory=Sketch)

    def add(self, sample: Sample) -> None:
        if isinstance(sample, Cost) or sample.failed:
            return
        self.count += 1
        self.sketch.add(sample.seconds)

    def merge(self, other: "Latencies") -> None:
        self.count += other.count
        self.sketch.merge(other.sketch)

    def value(self) -> Decimal:
        return Decimal(f"{self.sketch.quantile(NINETY_FIFTH):.3f}")

    def evidence(self) -> dict[str, object]:
        return {"count": self.count, "p50_seconds": round(self.sketch.quantile(0.5), 3)}

    def dump(self) -> dict[str, Any]:
        return {"count": self.count, "bins": list(self.sketch.bins.items())}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["count"], Sketch(dict(values["bins"])))


@dataclass(slots=True)
class Spending:
    """What was spent, in USD, exactly."""

    count: int = 0
    usd: Decimal = Decimal(0)

    def add(self, sample: Sample) -> None:
        if isinstance(sample, Call):
            return
        self.count += 1
        self.usd += sample.usd

    def merge(self, other: "Spending") -> None:
        self.count += other.count
        self.usd += other.usd

    def value(self) -> Decimal:
        return self.usd

    def evidence(self) -> dict[str, object]:
        return {"count": self.count}

    def dump(self) -> dict[str, Any]:
        return {"count": self.count, "usd": str(self.usd)}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["count"], Decimal(values["usd"]))


TALLIES: Mapping[When, type[Tally]] = {
    When.ERROR_RATE: Failures,
    When.LATENCY_P95: Latencies,
    When.SPEND: Spending,
}
