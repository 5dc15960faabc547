"""The rules in force: the configured ones, or the built-in ones, and alerting's own about its channels."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from services.alerting.domain.rule import PLACE_FIELDS, Rule, Severity, When
from services.alerting.settings import Settings
from shared.config import RuleConfig
from shared.errors import Invalid

DELIVERY_RULE = "delivery"

_BUILT_IN_ERROR_RATE = Decimal("0.1")
_A_WORKING_SHIFT = 8 * 3600


def rules_of(
    configured: Sequence[RuleConfig], channels: Sequence[str], settings: Settings
) -> Mapping[str, Rule]:
    """Every rule by its name. Raises `Invalid` with the faults of all that cannot be evaluated.

    With none configured, every detection and every place where a tenth of at least 20 calls in
    5 minutes fail is told to every channel.
    """
    faults = [fault for rule in configured for fault in _faults(rule)]
    if faults:
        raise Invalid("Rules cannot be evaluated.", faults=tuple(faults))
    everywhere = tuple(channels)
    rules = [_rule(rule, settings) for rule in configured or _built_in(everywhere)]
    own = Rule(
        name=DELIVERY_RULE,
        when=When.DELIVERY,
        channels=everywhere,
        severity=Severity.CRITICAL,
        group_by=("tenant", "channel"),
        quiet_seconds=settings.detection_quiet_seconds,
    )
    return {rule.name: rule for rule in (own, *rules)}


def _built_in(channels: tuple[str, ...]) -> Sequence[RuleConfig]:
    return (
        RuleConfig("drift", When.DETECTION, channels, renotify_seconds=_A_WORKING_SHIFT),
        RuleConfig("errors", When.ERROR_RATE, channels, threshold=_BUILT_IN_ERROR_RATE),
    )


def _rule(rule: RuleConfig, settings: Settings) -> Rule:
    """A detection is over when no other came for a while; a window when it is below its threshold."""
    detection = rule.when == When.DETECTION
    return Rule(
        name=rule.name,
        when=When(rule.when),
        channels=rule.channels,
        threshold=rule.threshold or Decimal(0),
        window_seconds=rule.window_seconds,
        minimum_count=rule.minimum_count,
        severity=Severity(rule.severity),
        group_by=rule.group_by,
        tenant=rule.tenant,
        renotify_seconds=rule.renotify_seconds,
        quiet_seconds=settings.detection_quiet_seconds if detection else rule.window_seconds,
        group_wait_seconds=settings.group_wait_seconds if detection else 0,
    )


def _faults(rule: RuleConfig) -> list[str]:
    faults = [
        f"rule '{rule.name}': cannot group by '{name}': expected one of {', '.join(PLACE_FIELDS)}"
        for name in rule.group_by
        if name not in PLACE_FIELDS
    ]
    if rule.name == DELIVERY_RULE:
        faults.append(f"rule '{rule.name}': the name is taken by the rule about dead deliveries")
    if rule.when != When.DETECTION and rule.window_seconds < 1:
        faults.append(f"rule '{rule.name}': window_seconds must be at least 1")
    if rule.when != When.DETECTION and not rule.threshold:
        faults.append(f"rule '{rule.name}': {rule.when} needs a threshold above 0")
    return faults
