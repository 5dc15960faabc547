"""What tests of guards are made of: rails, events of every protocol, and how a client reads them."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import parse_body
from services.serving.domain.gate import Entry
from services.serving.domain.request import Kind, Request
from services.serving.domain.sse import data_event, event_data, named_event
from services.serving.guards.admission import admission
from services.serving.guards.answers import Judged, whole
from services.serving.guards.catalogue import Catalogue
from services.serving.guards.rails import Rails, rails_of
from services.serving.providers.port import Reply
from shared.embedding import Floats
from shared.interactions import Context
from shared.live import Key, LiveView, Model
from shared.policy import Guardrail, Policy
from tests.builders import INTERACTION_ID, a_caller

_WORD = re.compile(r"[a-z]+")


class WordEmbedder:
    """A text as its words, each at a place of its own: texts are near that share words."""

    name = "words"
    dimensions = 512

    def embed(self, texts: Sequence[str]) -> Floats:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            for word in _WORD.findall(text.lower()):
                vectors[row, sum(word.encode()) * 31 % self.dimensions] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def a_guardrail(kind: str, action: str = "redact", **changes: Any) -> Guardrail:
    """A guardrail on what is asked and answered."""
    return Guardrail(kind=kind, action=action, **changes)  # type: ignore[arg-type]


def rails(*guardrails: Guardrail, stage: str = "output") -> Rails:
    """The rails of one direction."""
    catalogue = Catalogue(WordEmbedder())
    return rails_of(stage, [(each, catalogue.rail(each)) for each in guardrails])  # type: ignore[arg-type]


def a_request(kind: Kind = Kind.CHAT, **fields: Any) -> Request:
    """A request of a kind, as its door would read it."""
    tree = {"model": "m", **fields} if fields else {"model": "m", "messages": []}
    return Request(kind, "m", parse_body(orjson.dumps(tree)), {}, streaming=True)


def a_chat(*said: str, role: str = "user") -> Request:
    """A chat in which one says some things."""
    return a_request(messages=[{"role": role, "content": text} for text in said])


MAIL = "canary@example.org"
PII = a_guardrail("pii")


def a_live_view(**policies: Policy) -> LiveView:
    """What is live: policies of the tenant, the project, the key and the model."""
    live = LiveView(b"pepper")
    caller = a_caller()
    none = Policy()
    live.tenant_policies[caller.tenant] = policies.get("tenant", none)
    live.project_policies[f"{caller.tenant}/{caller.project}"] = policies.get("project", none)
    live.keys[caller.key_id] = Key(
        caller.key_id, caller.tenant, caller.project, caller.environment, caller.scopes, "",
        policy=policies.get("key", none),
    )  # fmt: skip
    live.models["m"] = Model("m", (), policy=policies.get("model", none))
    return live


def a_policy(*guardrails: Guardrail) -> Policy:
    return Policy(guardrails=guardrails)


def an_entry(request: Request) -> Entry:
    return Entry(INTERACTION_ID, a_caller(), request, Context())


def admitted(request: Request, *guardrails: Guardrail) -> Request:
    """The request as guards let it leave."""
    return asyncio.run(admission(request, rails(*guardrails, stage="input"))).request


def a_reply(text: str, *, kind: Kind = Kind.CHAT, body: Any = None) -> Reply:
    message = {"role": "assistant", "content": text}
    tree = {
        "id": "c",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"n": 1},
    }
    return Reply(json.dumps(tree if body is None else body).encode(), tree, None)


def answered(request: Request, reply: Reply, over: Rails) -> Judged:
    return asyncio.run(whole(request, reply, over))


def chat_events(pieces: Sequence[str], *, tool: bool = False) -> list[Event]:
    """A whole chat stream that says a text, or a tool's arguments, in pieces."""
    deltas: list[Mapping[str, Any]] = [{"role": "assistant", "content": ""}]
    for piece in pieces:
        call = {"index": 0, "function": {"arguments": piece}}
        deltas.append({"tool_calls": [call]} if tool else {"content": piece})
    chunks = [_chunk({"delta": delta, "finish_reason": None}) for delta in deltas]
    chunks.append(_chunk({"delta": {}, "finish_reason": "stop"}))
    events = [Event(data_event(orjson.dumps(chunk)), chunk) for chunk in chunks]
    return [*events, Event(data_event(b"[DONE]"), final=True)]


def message_events(pieces: Sequence[str], *, tool: bool = False) -> list[Event]:
    """A whole message stream (Anthropic); each event with the chat chunk that it is accounted as."""
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    events = [_named(start, {})]
    for piece in pieces:
        delta = (
            {"type": "input_json_delta", "partial_json": piece}
            if tool
            else {"type": "text_delta", "text": piece}
        )
        call = {"index": 0, "function": {"arguments": piece}}
        told = {"tool_calls": [call]} if tool else {"content": piece}
        events.append(_named({"type": "content_block_delta", "index": 0, "delta": delta}, told))
    events.append(_named({"type": "content_block_stop", "index": 0}, {}))
    events.append(_named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {}))
    return [*events, Event(named_event("message_stop", b'{"type":"message_stop"}'), final=True)]


def response_events(pieces: Sequence[str], *, tool: bool = False) -> list[Event]:
    """A whole stream of a response (OpenAI Responses)."""
    kind = "response.function_call_arguments" if tool else "response.output_text"
    at = {"output_index": 0} if tool else {"output_index": 0, "content_index": 0}
    events = []
    for piece in pieces:
        call = {"index": 0, "function": {"arguments": piece}}
        told = {"tool_calls": [call]} if tool else {"content": piece}
        events.append(
            _named(
                {"type": f"{kind}.delta", **at, "delta": piece, "logprobs": [{"token": piece}]},
                told,
            )
        )
    text = "".join(pieces)
    name = "arguments" if tool else "text"
    part = (
        {"type": "function_call", "arguments": text}
        if tool
        else {"type": "message", "content": [{"text": text}]}
    )
    events.append(_named({"type": f"{kind}.done", **at, name: text}, {}))
    done = {"type": "response.completed", "response": {"status": "completed", "output": [part]}}
    return [*events, Event(named_event("response.completed", orjson.dumps(done)), final=True)]


def said_in(events: Sequence[Event], kind: Kind) -> str:
    """What a client puts together of the events that it was sent."""
    return "".join(_said(data, kind) for data in datas(events))


def datas(events: Sequence[Event]) -> list[Any]:
    """The JSON of every event that was sent."""
    raws = b"".join(event.raw for event in events).split(b"\n\n")
    texts = [event_data(raw + b"\n\n") for raw in raws if raw]
    return [orjson.loads(text) for text in texts if text and text.startswith(b"{")]


def _said(data: Any, kind: Kind) -> str:
    if kind is Kind.CHAT:
        delta = data["choices"][0]["delta"]
        calls = delta.get("tool_calls") or []
        return (delta.get("content") or "") + "".join(c["function"]["arguments"] for c in calls)
    delta = data.get("delta")
    if isinstance(delta, str):
        return delta
    return "" if delta is None else delta.get("text", "") + delta.get("partial_json", "")


def _chunk(choice: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}


def _named(data: Mapping[str, Any], told: Mapping[str, Any]) -> Event:
    tree = {"choices": [{"index": 0, "delta": told}]} if told else None
    return Event(named_event(str(data["type"]), orjson.dumps(data)), tree)
