"""Slack: an incoming webhook with Block Kit blocks (docs.slack.dev/reference/block-kit)."""

from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.alerting.channels.channel import Request
from services.alerting.domain.alert import State
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.rule import Severity

MAX_HEADER = 150
MAX_SECTION = 3000

_SIGNS = {
    Severity.INFO: ":large_blue_circle:",
    Severity.WARNING: ":large_orange_circle:",
    Severity.CRITICAL: ":red_circle:",
}
_RESOLVED_SIGN = ":large_green_circle:"


@dataclass(frozen=True, slots=True)
class SlackForm:
    """The URL is itself the secret."""

    url: str = field(repr=False)

    def request(self, delivery: Delivery, now: datetime) -> Request:
        del now
        told = delivery.notification
        resolved = told.state is State.RESOLVED
        sign = _RESOLVED_SIGN if resolved else _SIGNS[told.severity]
        code = told.sql.replace("```", "'''")
        message = {
            "text": f"{sign} {_escaped(told.title)}",
            "blocks": [
                {"type": "header", "text": _plain(f"{sign} {told.title}")},
                {"type": "section", "text": _marked(_escaped(told.body), "")},
                {"type": "section", "text": _marked(_escaped(code), "```")},
                {
                    "type": "context",
                    "elements": [
                        _marked(
                            f"{told.severity} · rule {_escaped(told.rule)} · {told.alert_id}", ""
                        )
                    ],
                },
            ],
        }
        return Request(self.url, orjson.dumps(message), {})


def _plain(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text[:MAX_HEADER], "emoji": True}


def _marked(text: str, fence: str) -> dict[str, object]:
    return {"type": "mrkdwn", "text": f"{fence}{text[: MAX_SECTION - 2 * len(fence)]}{fence}"}


def _escaped(text: str) -> str:
    """Slack's three markup characters: without this, a model named `<!channel>` would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
