"""A receiver of alerts on loopback, which takes only what is signed as Standard Webhooks 1.0 says."""

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from services.alerting.channels.webhook import signature
from services.cli.demo.report import Alert
from shared.clock import Clock

CHANNEL = "demo-receiver"
TOLERANCE_SECONDS = 300


def written(secret: bytes) -> str:
    """A secret as the configuration of both sides writes it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def is_signed(secret: bytes, headers: Mapping[str, str], content: bytes, now: datetime) -> bool:
    """Whether one of the signatures is ours, over this id, time and content, and the time is about now."""
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    expected = signature(secret, message_id, int(stamp), content).encode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected, one.encode()) for one in given)


class Receiver:
    """An HTTP server on a free port. It keeps the alerts that fired, each delivery once by its id."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock
        self._alerts: dict[str, Alert] = {}

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/alerts", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where alerts are to be posted."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/alerts"

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that were told to fire, signed well or not, in the order in which they came."""
        return tuple(self._alerts.values())

    async def _take(self, request: web.Request) -> web.Response:
        content, now = await request.read(), self._clock.now()
        verified = is_signed(self._secret, request.headers, content, now)
        told = orjson.loads(content)
        if told["type"] == "alert.fired":
            alert = Alert(told["data"]["rule"], told["data"]["title"], CHANNEL, verified, now)
            self._alerts[request.headers.get("webhook-id", "")] = alert
        return web.Response(status=204 if verified else 401)
