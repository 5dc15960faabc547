"""Microsoft Teams: an Adaptive Card to the URL of a workflow ("when a Teams webhook request is received")."""

from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.alerting.channels.channel import Request
from services.alerting.domain.alert import State
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.notification import Notification
from services.alerting.domain.rule import Severity

# Teams refuses a message of more than 28 KB.
MAX_TEXT = 8_000

_COLOURS = {Severity.INFO: "Accent", Severity.WARNING: "Warning", Severity.CRITICAL: "Attention"}


@dataclass(frozen=True, slots=True)
class TeamsForm:
    """The URL is itself the secret."""

    url: str = field(repr=False)

    def request(self, delivery: Delivery, now: datetime) -> Request:
        del now
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": _card(delivery.notification),
        }
        message = {"type": "message", "attachments": [attachment]}
        return Request(self.url, orjson.dumps(message), {})


def _card(told: Notification) -> dict[str, object]:
    colour = "Good" if told.state is State.RESOLVED else _COLOURS[told.severity]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            _text(told.title, weight="Bolder", size="Medium", color=colour),
            _text(told.body),
            {"type": "FactSet", "facts": _facts(told)},
            _text(told.sql, fontType="Monospace", size="Small"),
        ],
    }


def _text(text: str, **style: str) -> dict[str, object]:
    return {"type": "TextBlock", "text": _marked(text), "wrap": True, **style}


def _marked(text: str) -> str:
    """Cards read Markdown: a paragraph a line, and no name from outside may become a link."""
    return text[:MAX_TEXT].replace("](", "] (").replace("\n", "\n\n")


def _facts(told: Notification) -> list[dict[str, str]]:
    facts = {**told.labels, "severity": told.severity, "rule": told.rule, "alert": told.alert_id}
    return [{"title": name, "value": _marked(value)} for name, value in facts.items()]
