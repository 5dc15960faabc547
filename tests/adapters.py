"""Every adapter of serving, asked for the recordings in tests/cassettes over a real socket."""

import json
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.serving.domain.account import Event
from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind, Request
from services.serving.providers.catalogue import Catalogue
from services.serving.providers.port import Ask, Provider
from services.serving.providers.upstream import UpstreamHttp
from shared.clock import SimulatedClock
from shared.live import LiveView
from shared.live import Provider as ProviderEntry
from tests.tapes import Json, Player, Recording, cases, cassette, frame, sse

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SECRETS = {"${KEY}": "sk-secret", "${ID}": "AKIDEXAMPLE", "": ""}
BEARER = {"authorization": "Bearer sk-secret"}


@dataclass(frozen=True)
class Adapter:
    """An adapter under test: the path of its base URL, its options, and the headers of its key."""

    kind: str
    path: str = "/v1"
    options: Json = field(default_factory=dict)
    headers: Json = field(default_factory=lambda: BEARER)
    named: bool = False
    framed: bool = False

    def entry(self, url: str) -> ProviderEntry:
        return ProviderEntry("up", self.kind, f"{url}{self.path}", "${KEY}", self.options)

    def pieces(self, stream: list[Any]) -> list[bytes]:
        if self.framed:
            return [frame(kind, payload) for kind, payload in stream]
        return [sse(event, named=self.named or "sequence_number" in event) for event in stream]

    def recorded(self, stream: list[Any], **how: Any) -> Recording:
        kind = "application/vnd.amazon.eventstream" if self.framed else "text/event-stream"
        return Recording(headers={"content-type": kind}, pieces=self.pieces(stream), **how)


ADAPTERS = {
    tested.kind: tested
    for tested in (
        *(
            Adapter(kind)
            for kind in ("openai", "compatible", "mistral", "deepseek", "groq", "together")
        ),
        *(Adapter(kind) for kind in ("openrouter", "xai", "ollama", "vllm")),
        Adapter("azure", "", {"api_version": "2024-10-21"}, {"api-key": "sk-secret"}),
        Adapter("anthropic", "", headers={"x-api-key": "sk-secret"}, named=True),
        Adapter("gemini", "/v1beta", headers={"x-goog-api-key": "sk-secret"}),
        Adapter(
            "bedrock",
            "",
            {
                "region": "eu-west-1",
                "access_key_id": "${ID}",
                "secret_access_key": "${KEY}",
            },
            {},
            framed=True,
        ),
    )
}
CASES = [(kind, case) for kind in ADAPTERS for case in cases(kind)]
STREAMED = [(kind, case) for kind, case in CASES if "stream" in cassette(kind, case)]


def is_native(kind: str, case: str) -> bool:
    """Whether a case is answered in the protocol in which it is asked."""
    if kind == "anthropic":
        return case == "message"
    return kind not in ("gemini", "bedrock") and (kind, case) != ("mistral", "thinking")


def told(how: str) -> list[tuple[str, int]]:
    """The errors that are told one way (`replies`, `inside` of a 200, in `streams`), by kind and place."""
    return [
        (kind, place)
        for kind in ADAPTERS
        for place in range(len(cassette(kind, "errors").get(how, ())))
    ]


def the_provider(kind: str, player: Player, http: UpstreamHttp) -> Provider:
    live = LiveView(b"pepper")
    live.providers["up"] = ADAPTERS[kind].entry(player.url)
    return Catalogue(live, http, SimulatedClock(NOW), SECRETS.__getitem__).provider("up")


def an_ask(recording: Json, *, streaming: bool = False, wants_usage: bool = False) -> Ask:
    body = dict(recording["request"])
    if streaming:
        body["stream"] = True
    request = Request(
        kind=Kind(recording.get("kind", "chat")),
        model="public",
        body=parse_body(json.dumps(body).encode()),
        metadata={},
        streaming=streaming,
        wants_usage=wants_usage,
    )
    return Ask(request, recording.get("model", "upstream"))


def replied(recording: Json) -> Recording:
    body = json.dumps(recording["reply"]).encode()
    return Recording(headers={"content-type": "application/json"}, pieces=[body])


async def gather(provider: Provider, ask: Ask, came: list[Event]) -> None:
    """Take in what comes of a stream, until it ends or fails."""
    async with aclosing(provider.stream(ask)) as stream:
        async for batch in stream:
            came += batch


async def the_events(provider: Provider, ask: Ask) -> list[Event]:
    events: list[Event] = []
    await gather(provider, ask, events)
    return events
