"""The whole gateway on a free port, with a registry's facts for it and an outbox that a test can read."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.registry_pb2 import RegistryChanged

from services.serving.app import build
from services.serving.settings import Settings
from shared.clock import SystemClock
from shared.config import Config
from shared.lifecycle import App, ClickHouseAddress, Host, Running
from shared.live import LiveView, hash_secret, split_key
from shared.log.record import Fact
from shared.server import http_app
from shared.tokens import new_token
from tests.fakes import FakeOutbox
from tests.upstream import served

PEPPER = b"pepper"
KEY = new_token("production")
READER_KEY = new_token("production")


class WatchedOutbox(FakeOutbox):
    """An outbox that tells when a fact has come."""

    def __init__(self) -> None:
        super().__init__()
        self.stored = asyncio.Event()

    async def append(self, facts: Sequence[Fact], *, closes: Sequence[str] = ()) -> Sequence[Fact]:
        refused = await super().append(facts, closes=closes)
        self.stored.set()
        return refused


@dataclass
class Gateway:
    """A running gateway."""

    url: str
    outbox: FakeOutbox
    live: LiveView
    app: App
    key: str = KEY

    @property
    def interactions(self) -> list[InteractionCompleted]:
        """What was recorded, in order."""
        return [InteractionCompleted.FromString(fact.value) for fact in self.outbox.facts]

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


@dataclass
class Wiring:
    """Providers, models and tenants as a registry would tell them."""

    providers: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    content: str = "full"
    secrets: Mapping[str, str] = field(default_factory=dict)


def one_upstream(url: str, **options: Any) -> Wiring:
    """The model `gpt` at an OpenAI-compatible upstream, and `demo`."""
    upstream = {"kind": "openai", "base_url": f"{url}/v1", "api_key": "${STUB}", "options": options}
    return Wiring(
        providers={
            "stub": upstream,
            "demo": {"kind": "demo", "options": {"tokens_per_second": 0}},
        },
        models={
            "gpt": {"routes": [{"provider": "stub", "model": "gpt-4o-mini"}]},
            "demo": {"routes": [{"provider": "demo", "model": "demo"}]},
        },
        secrets={"STUB": "sk-stub-secret"},
    )


@asynccontextmanager
async def gateway(
    wiring: Wiring, outbox: FakeOutbox | None = None, settings: Settings | None = None
) -> AsyncIterator[Gateway]:
    """A gateway that serves until the block ends, and then drains."""
    live = _live(wiring)
    kept = outbox or FakeOutbox()
    with tempfile.TemporaryDirectory() as folder:
        app = build(settings or Settings(), _host(Path(folder), live, kept, wiring.secrets))
        running = Running([app])
        await running.start()
        async with served(http_app(app.routes, lambda: True)) as urls:
            yield Gateway(urls[0], kept, live, app)
        await running.stop(5)


def tell(live: LiveView, entity: str, entity_id: str, body: Mapping[str, Any]) -> None:
    """Fold one fact of the registry."""
    change = RegistryChanged(
        entity=entity,
        entity_id=entity_id,
        revision=live.revision + 1,
        body=json.dumps(body),
    )
    live.apply(change)


def _live(wiring: Wiring) -> LiveView:
    live = LiveView(PEPPER)
    tell(live, "tenant", "acme", {"content": wiring.content})
    for token, scopes in ((KEY, ["serve"]), (READER_KEY, ["read"])):
        key_id, secret = split_key(token)
        body = {
            "tenant": "acme",
            "project": "default",
            "environment": "production",
            "scopes": scopes,
            "secret_hash": hash_secret(PEPPER, secret),
        }
        tell(live, "key", key_id, body)
    for name, provider in wiring.providers.items():
        tell(live, "provider", name, provider)
    for name, model in wiring.models.items():
        tell(live, "model", name, model)
    return live


def _host(data: Path, live: LiveView, outbox: FakeOutbox, secrets: Mapping[str, str]) -> Host:
    def group(*_: object) -> Any:
        raise AssertionError("serving consumes nothing")

    return Host(
        data=data,
        config=Config(secrets=secrets),
        clock=SystemClock(),
        outbox=outbox,
        live=live,
        clickhouse=ClickHouseAddress("", "", ""),
        group=group,
    )
