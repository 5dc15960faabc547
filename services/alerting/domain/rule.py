"""Rules: when somebody is told, and how the reasons to tell are put together."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum


class When(StrEnum):
    """What a rule looks at. `DELIVERY` is alerting's own: a channel does not take what it is sent."""

    DETECTION = "detection"
    ERROR_RATE = "error_rate"
    LATENCY_P95 = "latency_p95"
    SPEND = "spend"
    DELIVERY = "delivery"


class Severity(StrEnum):
    """How bad it is; PagerDuty and Opsgenie have words of their own for these."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something happened; a rule keeps the fields that it groups by, the rest are empty."""

    tenant: str
    project: str = ""
    environment: str = ""
    provider: str = ""
    model: str = ""
    feature: str = ""
    channel: str = ""

    def only(self, names: tuple[str, ...]) -> "Place":
        """The place with only these fields, and always its tenant."""
        dropped = {field.name: "" for field in fields(self) if field.name not in names}
        dropped.pop("tenant", None)
        return replace(self, **dropped)

    def labels(self) -> dict[str, str]:
        """The fields that say something, in their order."""
        return {name: value for name, value in asdict(self).items() if value}


PLACE_FIELDS = tuple(field.name for field in fields(Place))


@dataclass(frozen=True, slots=True)
class Rule:
    """When to alert, whom, and how patiently.

    `threshold` is a share of calls, seconds or USD, by `when`. A rule's alert resolves when nothing was
    seen for `quiet_seconds`. Reasons that come within `group_wait_seconds` of the first share the first
    notification; a `renotify_seconds` of 0 never repeats one.
    """

    name: str
    when: When
    channels: tuple[str, ...]
    threshold: Decimal = Decimal(0)
    window_seconds: int = 300
    minimum_count: int = 20
    severity: Severity = Severity.WARNING
    group_by: tuple[str, ...] = ("tenant", "model")
    tenant: str = ""  # empty: every tenant
    renotify_seconds: int = 3600
    quiet_seconds: int = 300
    group_wait_seconds: int = 0

    def watches(self, tenant: str) -> bool:
        """Whether the rule is about this tenant."""
        return self.tenant in {"", tenant}

    def dedupe_key(self, place: Place) -> str:
        """What all alerts of this rule at this place share, for ever; receivers group by it."""
        text = json.dumps([self.name, asdict(place)], sort_keys=True)
        return f"leeway-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
