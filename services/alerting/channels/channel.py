"""The port of every channel, and the one sender of those that speak HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from services.alerting.domain.delivery import Delivered, Delivery, Failed, Outcome, Refused
from shared.egress import Egress, Reply
from shared.errors import Denied, Invalid, Unavailable

# The receiver has read the request and will say the same to the next one just like it.
_FINAL = frozenset({400, 401, 403, 405, 410, 411, 413, 414, 415, 422})
_SHOWN_BYTES = 200


class Channel(Protocol):
    """Somewhere to send alerts."""

    async def send(self, delivery: Delivery, now: datetime) -> Outcome:
        """Make one attempt, within seconds, and say how it went; it never raises a `LeewayError`.

        An attempt that seems to have failed may have arrived: receivers tell repeats by the
        delivery's id or by the alert's dedupe key.
        """
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """A POST of JSON, complete."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class Form(Protocol):
    """How one kind of receiver wants to be told."""

    @property
    def url(self) -> str:
        """Where the kind's requests begin."""
        ...

    def request(self, delivery: Delivery, now: datetime) -> Request:
        """The request for a delivery; the same for the same delivery and time."""
        ...


class HttpChannel:
    """Posts what a form makes of a delivery."""

    def __init__(self, form: Form, egress: Egress) -> None:
        self._form = form
        self._egress = egress

    async def send(self, delivery: Delivery, now: datetime) -> Outcome:
        request = self._form.request(delivery, now)
        headers = {"Content-Type": "application/json", **request.headers}
        try:
            reply = await self._egress.post(request.url, request.body, headers)
        except (Invalid, Denied) as forbidden:
            return Refused(forbidden.message)
        except Unavailable as fault:
            return Failed(fault.message)
        return outcome_of(reply, now)


def outcome_of(reply: Reply, now: datetime) -> Outcome:
    """What an answer means: 2xx is taken, a redirect is not followed, a final refusal is not retried."""
    if 200 <= reply.status < 300:
        return Delivered()
    shown = reply.body[:_SHOWN_BYTES].decode("utf-8", "replace")
    reason = f"The receiver answered {reply.status}: {shown}"
    if reply.status in _FINAL:
        return Refused(reason)
    return Failed(reason, _retry_after(reply.headers.get("retry-after", ""), now))


def _retry_after(text: str, now: datetime) -> float:
    """Seconds, or a date (RFC 9110 section 10.2.3); 0 for none, and for one that is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a zone of any number of digits overflows
        return 0.0
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)
