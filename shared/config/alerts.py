"""Alerts in leeway.yaml: when to tell somebody, and where; each kind of channel has its own options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from shared.config import ChannelConfig, RuleConfig
from shared.config.kinds import (
    DECIMAL,
    DURATION,
    HOST,
    ID,
    LINE,
    MAILBOX,
    NAME,
    TOKEN,
    URL,
    WEBHOOK_SECRET,
    Kind,
    choice,
    outward,
    whole,
)
from shared.config.section import Section


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a channel: a scalar of a kind, a list of them, or a `${ENV}` reference to one."""

    kind: Kind[str] | Kind[int]
    required: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class SecretOption:
    """An option of a channel that is a `${ENV}` reference to a value of a kind."""

    kind: Kind[str]
    required: bool = False


_URL = Option(URL)
_SECRET_URL = SecretOption(URL, required=True)
_TOKEN = SecretOption(TOKEN, required=True)
_SIGNED_WITH = SecretOption(WEBHOOK_SECRET)

CHANNEL_OPTIONS: Mapping[str, Mapping[str, Option | SecretOption]] = {
    "webhook": {
        "url": Option(URL, required=True),
        "secret": _SIGNED_WITH,
        "previous_secret": _SIGNED_WITH,
    },
    "slack": {"url": _SECRET_URL},
    "teams": {"url": _SECRET_URL},
    "pagerduty": {"routing_key": _TOKEN, "url": _URL},
    "opsgenie": {"api_key": _TOKEN, "url": _URL},
    "email": {
        "host": Option(HOST, required=True),
        "port": Option(whole(1, 65_535)),
        "security": Option(choice("tls", "starttls", "none")),
        "username": Option(LINE),
        "password": SecretOption(LINE),
        "from": Option(MAILBOX, required=True),
        "to": Option(MAILBOX, required=True, many=True),
    },
    "log": {},
}

DELIVERY_RULE = "delivery"

_CHANNEL_KIND = choice(*CHANNEL_OPTIONS)
_WHEN = choice("detection", "error_rate", "latency_p95", "spend")
_PLACES = ("tenant", "project", "environment", "provider", "model")
_PLACE_OF_CALLS = choice(*_PLACES)
_PLACE_OF_DETECTIONS = choice(*_PLACES, "feature")
_SEVERITY = choice("info", "warning", "critical")
_COUNT = whole(1, 1_000_000_000)
_A_WORKING_SHIFT = 8 * 3600


def channel_of(section: Section, allow: Sequence[str]) -> ChannelConfig:
    """A channel; what is neither its name nor its kind is one of its options.

    `allow` are the private networks that its URL may lead to.
    """
    name = section.name("name", NAME, defines="channel")
    kind = section.required("kind", _CHANNEL_KIND, "")
    if not kind:
        section.options(besides=("name", "kind"))
        return ChannelConfig(name, kind)
    url = outward(allow)
    given = {
        key: _option(section, key, replace(of, kind=url) if of.kind is URL else of)
        for key, of in CHANNEL_OPTIONS[kind].items()
    }
    return ChannelConfig(
        name, kind, {key: value for key, value in given.items() if value is not None}
    )


def _option(section: Section, key: str, option: Option | SecretOption) -> object:
    if section.find(key) is None and not option.required:
        return None
    if isinstance(option, SecretOption):
        return section.required_secret(key, option.kind)
    if option.many:
        return list(section.required_many(key, option.kind))
    return section.required(key, option.kind, None)


def rule_of(section: Section) -> RuleConfig:
    """A rule; every kind but `detection` needs a threshold, and a detection has none."""
    section.refer("channels", "channel")
    section.refer("tenant", "tenant")
    when = section.required("when", _WHEN, "")
    name = section.name("name", NAME, defines="rule")
    if name == DELIVERY_RULE:
        section.fault("name", f"'{name}' is the rule about alerts that do not arrive.")
    places = _PLACE_OF_DETECTIONS if when == "detection" else _PLACE_OF_CALLS
    return RuleConfig(
        name=name,
        when=when,
        channels=section.required_many("channels", NAME),
        threshold=_threshold(section, when),
        window_seconds=section.optional("window_seconds", DURATION, 300),
        # A share or a percentile of few calls says little; a sum of money says all, from the first one.
        minimum_count=section.optional("minimum_count", _COUNT, 1 if when == "spend" else 20),
        severity=section.optional("severity", _SEVERITY, "warning"),
        renotify_seconds=section.optional(
            "renotify_seconds", DURATION, _A_WORKING_SHIFT if when == "detection" else 3600
        ),
        group_by=section.many("group_by", places, ("tenant", "model")),
        tenant=section.optional("tenant", ID, ""),
    )


def _threshold(section: Section, when: str) -> Decimal | None:
    if when == "detection":
        for key in ("threshold", "window_seconds", "minimum_count"):
            section.fault(key, "a detection is one already: its rule has no such key.")
    elif when:
        section.demand("threshold", f"the number that {when} must pass")
    threshold = section.optional("threshold", DECIMAL, None)
    if threshold == 0:
        section.fault("threshold", "expected a number above 0.")
    if when == "error_rate" and threshold is not None and threshold > 1:
        section.fault("threshold", "expected a share of calls, at most 1: 0.05 is one in twenty.")
    return threshold
