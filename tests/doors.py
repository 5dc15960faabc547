"""A host for services with doors: one key, an outbox that a test can read, and a client in process."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx

from shared.clock import Clock, SimulatedClock
from shared.config import Config
from shared.lifecycle import App, ClickHouseAddress, Host
from shared.live import Key, LiveView, hash_secret, split_key
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.record import Handler, Outbox
from shared.server import http_app
from shared.tokens import new_token
from shared.topics import Topic
from tests.builders import NOW

PEPPER = b"pepper"
TOKEN = new_token("production")


def a_live_view(
    *, scopes: Iterable[str] = ("ingest", "feedback"), content: str = "full"
) -> LiveView:
    """A view in which `TOKEN` is a key of tenant `acme`, which has two environments more."""
    live = LiveView(PEPPER)
    key_id, secret = split_key(TOKEN)
    live.keys[key_id] = Key(
        key_id, "acme", "default", "production", frozenset(scopes), hash_secret(PEPPER, secret)
    )
    live.content_policies["acme"] = content
    live.environments["acme"] = frozenset({"production", "qa", "staging"})
    return live


def a_host(outbox: Outbox, live: LiveView | None = None, clock: Clock | None = None) -> Host:
    """A host whose clock stands still at `NOW`; it has no groups."""
    return Host(
        data=Path("/nowhere"),
        config=Config(),
        clock=clock or SimulatedClock(NOW),
        outbox=outbox,
        live=live or a_live_view(),
        clickhouse=ClickHouseAddress("http://127.0.0.1:9", "nobody", ""),
        group=_no_group,
    )


def a_client(app: App) -> httpx.AsyncClient:
    """A client of the app's routes that sends `TOKEN`."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(http_app(app.routes, app.ready)),
        base_url="http://leeway",
        headers={"authorization": f"Bearer {TOKEN}"},
    )


def _no_group(
    name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
) -> Consumer:
    raise NotImplementedError(f"no group {name} here")
