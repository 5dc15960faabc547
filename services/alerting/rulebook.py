"""The rules in force: the configured ones, or the built-in ones, and alerting's own about its channels."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from services.alerting.domain.rule import Rule, Severity, When
from services.alerting.settings import Settings
from shared.config import RuleConfig
from shared.config.alerts import DELIVERY_RULE

_BUILT_IN_ERROR_RATE = Decimal("0.1")
_A_WORKING_SHIFT = 8 * 3600


def rules_of(
    configured: Sequence[RuleConfig], channels: Sequence[str], settings: Settings
) -> Mapping[str, Rule]:
    """Every rule by its name.

    With none configured, every detection and every place where a tenth of at least 20 calls in
    5 minutes fail is told to every channel.
    """
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
