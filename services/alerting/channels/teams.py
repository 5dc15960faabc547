"""Microsoft Teams: an Adaptive Card to the URL of a workflow ("when a Teams webhook request is received")."""

from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.alerting.channels.channel import Request
from services.alerting.domain.alert import State
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.notification import Notification
from services.alerting.domain.rule import Severity

# Teams refuses a message of more than 28 KB; a text is cut as far as it takes, in characters.
MAX_MESSAGE_BYTES = 28_000
_TEXT_LIMITS = (8_000, 4_000, 2_000, 1_000, 250)

_COLOURS = {Severity.INFO: "Accent", Severity.WARNING: "Warning", Severity.CRITICAL: "Attention"}


@dataclass(frozen=True, slots=True)
class TeamsForm:
    """The URL is itself the secret."""

    url: str = field(repr=False)

    def request(self, delivery: Delivery, now: datetime) -> Request:
        del now
        messages = (_message(delivery.notification, limit) for limit in _TEXT_LIMITS)
        body = next(message for message in messages if len(message) <= MAX_MESSAGE_BYTES)
        return Request(self.url, body, {})


def _message(told: Notification, limit: int) -> bytes:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": _card(told, limit),
    }
    return orjson.dumps({"type": "message", "attachments": [attachment]})


def _card(told: Notification, limit: int) -> dict[str, object]:
    colour = "Good" if told.state is State.RESOLVED else _COLOURS[told.severity]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            _text(told.title, limit, weight="Bolder", size="Medium", color=colour),
            _text(told.body, limit),
            {"type": "FactSet", "facts": _facts(told, limit)},
            _text(told.sql, limit, fontType="Monospace", size="Small"),
        ],
    }


def _text(text: str, limit: int, **style: str) -> dict[str, object]:
    return {"type": "TextBlock", "text": _marked(text, limit), "wrap": True, **style}


def _marked(text: str, limit: int) -> str:
    """Cards read Markdown: a paragraph a line, and no name from outside may become a link."""
    return text[:limit].replace("](", "] (").replace("\n", "\n\n")


def _facts(told: Notification, limit: int) -> list[dict[str, str]]:
    facts = {**told.labels, "severity": told.severity, "rule": told.rule, "alert": told.alert_id}
    return [{"title": name, "value": _marked(value, limit)} for name, value in facts.items()]
