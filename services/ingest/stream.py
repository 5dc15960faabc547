"""What was read becomes facts, and the facts become durable: the one way in behind every door."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from leeway_pb.v1.ingest_rpc_pb2 import RecordRequest
from leeway_pb.v1.span_pb2 import SpanEnded

from services.ingest.domain.attributes import attributes_kept, events_kept, span_kept
from services.ingest.domain.genai import model_call
from services.ingest.domain.interactions import read_interaction
from services.ingest.domain.spans import Span, read_span
from services.ingest.drafts import drafted_items
from services.ingest.otlp import export_of, reply, shown_span, spans_of
from shared.batches import Draft, Refused, bounded, digest_of, drafts_of, items_of, store
from shared.clock import Clock, micros
from shared.fields import Fields
from shared.ids import derived_id, new_id
from shared.interactions import Interaction, interaction_fact, time_suspect
from shared.live import Caller, LiveView
from shared.log.record import Fact, Outbox
from shared.topics import SPAN_ENDED


class Intake:
    """Takes what comes through any door. When it answers, the accepted items are stored.

    Its methods raise `Invalid` for a request that is wrong as a whole, and `Unavailable` when
    nothing was stored.
    """

    def __init__(self, outbox: Outbox, live: LiveView, clock: Clock) -> None:
        self._outbox = outbox
        self._live = live
        self._clock = clock

    async def interactions(self, caller: Caller, body: bytes) -> Sequence[Draft | Refused]:
        """Store the interactions of a body of POST /v1/interactions."""
        return await self._interactions(caller, lambda: items_of(body, "interactions"), len(body))

    async def record(self, caller: Caller, request: RecordRequest) -> Sequence[Draft | Refused]:
        """Store the interactions of a `Record` call: the same items, told in protobuf."""
        return await self._interactions(caller, lambda: drafted_items(request), request.ByteSize())

    async def _interactions(
        self, caller: Caller, items: Callable[[], Sequence[object]], size: int
    ) -> Sequence[Draft | Refused]:
        now, policy = self._clock.now(), self._policy(caller)

        def read(item: Fields) -> Interaction:
            interaction = read_interaction(item, fresh_id=new_id(), now=now)
            self._check_place(item, caller, interaction.context.environment)
            return interaction

        def drafts() -> Sequence[Draft | Refused]:
            return drafts_of(
                items(),
                read,
                lambda interaction: interaction_fact(interaction, caller, policy, now),
            )

        return await store(drafts, size, self._outbox)

    async def spans(self, caller: Caller, body: bytes) -> Sequence[Draft | Refused]:
        """Store the spans of a body of POST /v1/spans."""
        now, policy = self._clock.now(), self._policy(caller)

        def read(item: Fields) -> Span:
            span = read_span(item, now=now)
            self._check_place(item, caller, span.environment)
            return span

        def drafts() -> Sequence[Draft | Refused]:
            return drafts_of(
                items_of(body, "spans"),
                read,
                lambda span: span_fact(span, caller, policy, now),
            )

        return await store(drafts, len(body), self._outbox)

    async def traces(
        self, caller: Caller, body: bytes, media_type: str
    ) -> ExportTraceServiceResponse:
        """Store the spans of an encoded OTLP export: those that call a model as interactions."""
        return await self._export(caller, lambda: export_of(body, media_type), len(body))

    async def export(
        self, caller: Caller, export: ExportTraceServiceRequest
    ) -> ExportTraceServiceResponse:
        """Store the spans of an OTLP export: those that call a model as interactions."""
        return await self._export(caller, lambda: export, export.ByteSize())

    async def _export(
        self, caller: Caller, decode: Callable[[], ExportTraceServiceRequest], size: int
    ) -> ExportTraceServiceResponse:
        now, policy = self._clock.now(), self._policy(caller)

        def drafts() -> Sequence[Draft | Refused]:
            return [
                span if isinstance(span, Refused) else self._exported(span, caller, policy, now)
                for span in spans_of(decode())
            ]

        stored = await store(drafts, size, self._outbox)
        return reply([item for item in stored if isinstance(item, Refused)])

    def _exported(self, span: Span, caller: Caller, policy: str, now: datetime) -> Draft | Refused:
        who = shown_span(span.name, span.span_id)
        misplaced = self._live.misplaced(caller, span.environment)
        if misplaced:
            return Refused((f"{who}: environment: {misplaced}",))
        # The same span sent again has the same id, and is counted once.
        interaction_id = derived_id("otlp", caller.tenant, span.trace_id, span.span_id)
        call = model_call(span, interaction_id)
        if call is None:
            fact = span_fact(span, caller, policy, now)
        else:
            fact = interaction_fact(call, caller, policy, now)
        return bounded(Draft(replace(fact, digest=digest_of(span)), name=who))

    def _check_place(self, item: Fields, caller: Caller, environment: str) -> None:
        fault = self._live.misplaced(caller, environment)
        if fault:
            item.fault("environment", fault)

    def _policy(self, caller: Caller) -> str:
        return self._live.content_policy(caller.tenant)


def span_fact(span: Span, caller: Caller, policy: str, now: datetime) -> Fact:
    """The fact of a span; the same span through any door has the same event id."""
    kept = span_kept(span, policy)
    message = SpanEnded(
        trace_id=kept.trace_id,
        span_id=kept.span_id,
        parent_span_id=kept.parent_span_id,
        tenant=caller.tenant,
        project=caller.project,
        environment=kept.environment or caller.environment,
        name=kept.name,
        kind=kept.kind,
        status=kept.status,
        status_message=kept.status_message,
        started_at_us=micros(kept.started_at),
        ended_at_us=micros(kept.ended_at),
        service_name=kept.service_name,
        session_id=kept.session_id,
        user_id=kept.user_id,
        attributes=attributes_kept(span, policy),
        events=events_kept(span, policy),
        time_suspect=time_suspect(kept.started_at, now),
    )
    return Fact(
        topic=SPAN_ENDED,
        key=caller.tenant,
        event_id=derived_id("span", caller.tenant, kept.trace_id, kept.span_id),
        value=message.SerializeToString(),
    )
