"""Alerts in leeway.yaml: when to tell somebody, and where; each kind of channel has its own options."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.config import ChannelConfig, RuleConfig
from shared.config.kinds import DECIMAL, DURATION, ID, LINE, NAME, URL, Kind, choice, whole
from shared.config.section import Section


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a channel: scalars of a kind, or a `${ENV}` reference when `kind` is None."""

    kind: Kind[str | int] | None
    required: bool = False
    many: bool = False


_SECRET = Option(None)
_REQUIRED_SECRET = Option(None, required=True)
_URL = Option(URL)

CHANNEL_OPTIONS: Mapping[str, Mapping[str, Option]] = {
    "webhook": {"url": Option(URL, required=True), "secret": _SECRET, "previous_secret": _SECRET},
    "slack": {"url": _REQUIRED_SECRET},
    "teams": {"url": _REQUIRED_SECRET},
    "pagerduty": {"routing_key": _REQUIRED_SECRET, "url": _URL},
    "opsgenie": {"api_key": _REQUIRED_SECRET, "url": _URL},
    "email": {
        "host": Option(LINE, required=True),
        "port": Option(whole(1, 65_535)),
        "security": Option(choice("tls", "starttls", "none")),
        "username": Option(LINE),
        "password": _SECRET,
        "from": Option(LINE, required=True),
        "to": Option(LINE, required=True, many=True),
    },
    "log": {},
}

_CHANNEL_KIND = choice(*CHANNEL_OPTIONS)
_WHEN = choice("detection", "error_rate", "latency_p95", "spend")
_PLACE = choice("tenant", "project", "environment", "provider", "model", "feature", "channel")
_SEVERITY = choice("info", "warning", "critical")
_COUNT = whole(1, 1_000_000_000)
_A_WORKING_SHIFT = 8 * 3600


def channel_of(section: Section) -> ChannelConfig:
    """A channel; what is neither its name nor its kind is one of its options."""
    name = section.name("name", NAME, defines="channel")
    kind = section.required("kind", _CHANNEL_KIND, "")
    if not kind:
        section.options(besides=("name", "kind"))
        return ChannelConfig(name, kind)
    given = {key: _option(section, key, of) for key, of in CHANNEL_OPTIONS[kind].items()}
    return ChannelConfig(
        name, kind, {key: value for key, value in given.items() if value is not None}
    )


def _option(section: Section, key: str, option: Option) -> object:
    if section.find(key) is None and not option.required:
        return None
    if option.kind is None:
        return section.required_secret(key)
    if option.many:
        return list(section.required_many(key, option.kind))
    return section.required(key, option.kind, None)


def rule_of(section: Section) -> RuleConfig:
    """A rule; every kind but `detection` needs a threshold."""
    section.refer("channels", "channel")
    section.refer("tenant", "tenant")
    when = section.required("when", _WHEN, "")
    if when not in {"", "detection"}:
        section.demand("threshold", f"the number that {when} must pass")
    threshold = section.optional("threshold", DECIMAL, None)
    if threshold == 0:
        section.fault("threshold", "expected a number above 0.")
    return RuleConfig(
        name=section.name("name", NAME, defines="rule"),
        when=when,
        channels=section.required_many("channels", NAME),
        threshold=threshold,
        window_seconds=section.optional("window_seconds", DURATION, 300),
        # A share or a percentile of few calls says little; a sum of money says all, from the first one.
        minimum_count=section.optional("minimum_count", _COUNT, 1 if when == "spend" else 20),
        severity=section.optional("severity", _SEVERITY, "warning"),
        renotify_seconds=section.optional(
            "renotify_seconds", DURATION, _A_WORKING_SHIFT if when == "detection" else 3600
        ),
        group_by=section.many("group_by", _PLACE, ("tenant", "model")),
        tenant=section.optional("tenant", ID, ""),
    )
