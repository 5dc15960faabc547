"""Every door over a real outbox: what an earlier life accepted is compared with what is sent under its id."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from leeway_pb.v1.ingest_rpc_pb2 import InteractionDraft, RecordRequest
from leeway_pb.v1.ingest_rpc_pb2_grpc import IngestStub

from services.feedback.app import build as build_feedback
from services.feedback.settings import Settings as FeedbackSettings
from services.ingest.app import build as build_ingest
from services.ingest.otlp import JSON, export_of
from services.ingest.rpc import SCOPE, door_of, services_of
from services.ingest.settings import Settings as IngestSettings
from services.ingest.stream import Intake
from shared.clock import SystemClock
from shared.lifecycle import App
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Outbox
from shared.rpc.callers import admission
from shared.rpc.server import RpcServer
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED, SPAN_ENDED
from tests.builders import FEEDBACK_ID, INTERACTION_ID
from tests.doors import TOKEN, a_client, a_host, a_live_view
from tests.exports import CHAT, SPAN_ID, TRACE_ID, a_span, an_export

TOPICS = [topic.name for topic in (INTERACTION_COMPLETED, SPAN_ENDED, FEEDBACK_RECEIVED)]
KEY = (("x-api-key", TOKEN),)

Send = Callable[[Outbox, str], Awaitable[int]]
"""Sends an item of that name under an id that is always the same; how many items were refused."""


async def over_interactions(outbox: Outbox, name: str) -> int:
    item = {"id": INTERACTION_ID, "model": name}
    return await _posted(_ingest(outbox), "/v1/interactions", {"interactions": [item]})


async def over_spans(outbox: Outbox, name: str) -> int:
    times = {"started_at": 1_795_507_200, "ended_at": 1_795_507_201}
    item = {"trace_id": TRACE_ID, "span_id": SPAN_ID, "name": name, **times}
    return await _posted(_ingest(outbox), "/v1/spans", {"spans": [item]})


async def over_feedback(outbox: Outbox, name: str) -> int:
    item = {"id": FEEDBACK_ID, "kind": "comment", "text": name, "session_id": "s"}
    app = build_feedback(FeedbackSettings(), a_host(outbox))
    return await _posted(app, "/v1/feedback", item)


async def over_otlp(outbox: Outbox, name: str) -> int:
    async with a_client(_ingest(outbox)) as client:
        response = await client.post("/v1/traces", json=_an_export(name))
    return int(response.json().get("partialSuccess", {}).get("rejectedSpans", 0))


async def over_grpc(outbox: Outbox, name: str) -> int:
    async with _rpc(outbox) as server, _channel(server) as channel:
        request = RecordRequest(interactions=[InteractionDraft(id=INTERACTION_ID, model=name)])
        reply = await IngestStub(channel).Record(request, metadata=KEY)  # type: ignore[no-untyped-call]
    return int(reply.rejected)


async def over_otlp_grpc(outbox: Outbox, name: str) -> int:
    async with _rpc(outbox) as server, _channel(server) as channel:
        export = export_of(json.dumps(_an_export(name)).encode(), JSON)
        reply = await TraceServiceStub(channel).Export(export, metadata=KEY)  # type: ignore[no-untyped-call]
    return int(reply.partial_success.rejected_spans)


@pytest.mark.parametrize(
    "send",
    [over_interactions, over_spans, over_feedback, over_otlp, over_grpc, over_otlp_grpc],
    ids=lambda send: send.__name__,
)
async def test_a_repeat_is_accepted_and_other_content_is_refused_by_the_next_life(
    send: Send, tmp_path: Path
) -> None:
    async with SqliteOutbox(tmp_path / "edge-0.db", SystemClock()) as outbox:
        refused = [await send(outbox, "first")]
    async with SqliteOutbox(tmp_path / "edge-0.db", SystemClock()) as outbox:
        refused += [await send(outbox, name) for name in ("first", "other", "first")]

    log = FolderLog(tmp_path)
    [record] = log.readers()[0].read(TOPICS, 0, 10)[0]
    log.close()
    assert refused == [0, 0, 1, 0]
    assert b"first" in record.value


def _ingest(outbox: Outbox) -> App:
    return build_ingest(IngestSettings(), a_host(outbox))


async def _posted(app: App, path: str, body: Mapping[str, Any]) -> int:
    async with a_client(app) as client:
        response = await client.post(path, json=body)
    answer = response.json()
    assert response.status_code == (409 if answer["rejected"] else 200)
    return int(answer["rejected"])


def _an_export(name: str) -> dict[str, Any]:
    return an_export(a_span(CHAT | {"gen_ai.conversation.id": name}))


def _rpc(outbox: Outbox) -> RpcServer:
    view, clock = a_live_view(), SystemClock()
    services = services_of(Intake(outbox, view, clock), view, clock)
    door = door_of(IngestSettings(), None, admission(view, clock, SCOPE))
    return RpcServer(door, services, clock)


def _channel(server: RpcServer) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
