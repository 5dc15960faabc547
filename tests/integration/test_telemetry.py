"""Traces of the platform: what is recorded of a request and its facts, what never is, and when nothing is."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from yarl import URL

from services.serving.providers.credentials import Credentials
from services.serving.providers.upstream import Target, UpstreamHttp, UpstreamLimits
from services.settings import Installation
from services.tracing import tracing_of
from shared.log.file import STORING_GROUP
from shared.log.record import TRACEPARENT, Effect, Fact, Record
from shared.server import http_app
from shared.telemetry.log import MAX_LINKS, TracedHandler, TracedOutbox
from shared.telemetry.otlp import OtlpTracing
from shared.telemetry.tracing import Tracing
from tests.builders import a_record
from tests.embedded import EmbeddedHarness
from tests.fakes import FakeOutbox
from tests.logs import Collecting, a_fact
from tests.traces import Traces, a_receiver, attributes
from tests.upstream import Upstream, served

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = f"00-{TRACE}-{SPAN}-01"
SECRET = "a word of the caller's"


@pytest.fixture
async def traces() -> AsyncIterator[Traces]:
    async with a_receiver() as receiver:
        yield receiver


@asynccontextmanager
async def tracing_to(traces: Traces, ratio: float = 1.0) -> AsyncIterator[Tracing]:
    """Tracing whose every span has been sent when the block ends."""
    tracing = OtlpTracing("edge-0", traces.url, ratio)
    yield tracing
    await tracing.close()


async def ask(tracing: Tracing, outbox: FakeOutbox, headers: dict[str, str]) -> None:
    """A request whose handler stores a fact; `x-break` makes it crash after that."""
    traced = TracedOutbox(outbox, tracing)

    async def take(request: Request) -> Response:
        await traced.append([a_fact(1)])
        if "x-break" in request.headers:
            raise ValueError(SECRET)
        return Response(b"taken")

    app = http_app([Route("/things/{name}", take, methods=["POST"])], lambda: True, tracing)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://leeway") as client:
        await client.post(f"/things/{SECRET}?q={SECRET}", content=SECRET, headers=headers)


async def test_a_request_goes_on_from_its_callers_trace_and_its_facts_from_it(
    traces: Traces,
) -> None:
    outbox = FakeOutbox()
    async with tracing_to(traces) as tracing:
        await ask(tracing, outbox, {"traceparent": CALLER})

    [request], [append] = traces.named("POST /things/{name}"), traces.named("outbox append")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, SPAN)
    assert (append.trace_id, append.parent_span_id) == (request.trace_id, request.span_id)
    assert outbox.facts[0].traceparent == f"00-{TRACE}-{append.span_id.hex()}-01"
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/things/{name}",
    }


async def test_no_word_of_a_caller_is_in_a_span_not_even_when_it_crashes(traces: Traces) -> None:
    async with tracing_to(traces) as tracing:
        await ask(tracing, FakeOutbox(), {"x-break": "yes", "authorization": f"Bearer {SECRET}"})

    [request] = traces.named("POST /things/{name}")
    assert request.status.code == request.status.STATUS_CODE_ERROR
    assert len(request.events) == 0
    assert SECRET.encode() not in b"".join(each.body for each in traces.server.requests)


@pytest.mark.parametrize(
    ("ratio", "caller"), [(0.0, CALLER), (0.0, ""), (1.0, f"00-{TRACE}-{SPAN}-00")]
)
async def test_what_is_not_sampled_leaves_no_trace(
    traces: Traces, ratio: float, caller: str
) -> None:
    outbox = FakeOutbox()
    async with tracing_to(traces, ratio) as tracing:
        await ask(tracing, outbox, {"traceparent": caller} if caller else {})

    assert (traces.spans, outbox.facts[0].headers) == ([], {})


async def test_a_batch_of_one_trace_is_a_part_of_it_whatever_the_ratio_here(
    traces: Traces, tmp_path: Path
) -> None:
    log, handler = EmbeddedHarness(tmp_path), Collecting(done=1)
    async with tracing_to(traces, 0.0) as tracing, log.outbox() as outbox:
        await outbox.append([_traced(1, CALLER)])
        await log.run(TracedHandler(STORING_GROUP, handler, tracing), handler.stop)

    [batch] = traces.named("warehouse batch")
    assert (batch.trace_id.hex(), batch.parent_span_id.hex()) == (TRACE, SPAN)
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in batch.links] == [(TRACE, SPAN)]
    assert attributes(batch) == {"leeway.group": "warehouse", "leeway.records": 1}


async def test_a_batch_of_many_traces_links_to_some_and_is_one_of_its_own(traces: Traces) -> None:
    spans = [f"00-{n:032x}-{n:016x}-01" for n in range(1, 2 * MAX_LINKS)]
    records = [_record(n, span) for n, span in enumerate(spans)]
    async with tracing_to(traces) as tracing:
        await TracedHandler("g", Collecting(done=1), tracing).handle(records)

    [batch] = traces.named("g batch")
    assert batch.parent_span_id == b""
    assert [int(link.span_id.hex(), 16) for link in batch.links] == [*range(1, MAX_LINKS + 1)]


async def test_the_parent_of_a_batch_is_the_span_of_what_was_accepted_first(traces: Traces) -> None:
    call, price = CALLER, f"00-{TRACE}-{7:016x}-01"
    records = [
        replace(_record(2, price), accepted_at_us=2),
        replace(_record(1, call), accepted_at_us=1),
    ]
    async with tracing_to(traces) as tracing:
        await TracedHandler("g", Collecting(done=1), tracing).handle(records)

    [batch] = traces.named("g batch")
    assert batch.parent_span_id.hex() == SPAN


async def test_what_a_traced_batch_leads_to_is_traced_too(traces: Traces) -> None:
    async with tracing_to(traces) as tracing:
        effect = await TracedHandler("g", _Rating(), tracing).handle([_record(1, CALLER)])

    [batch] = traces.named("g batch")
    assert effect.facts[0].headers == {TRACEPARENT: f"00-{TRACE}-{batch.span_id.hex()}-01"}


@pytest.mark.parametrize("own", ["", CALLER])
async def test_an_upstream_goes_on_from_the_callers_trace_or_else_from_ours(
    traces: Traces, own: str
) -> None:
    upstream = Upstream()
    headers = {"traceparent": own} if own else {}
    async with (
        tracing_to(traces) as tracing,
        served(upstream.app()) as urls,
        UpstreamHttp(UpstreamLimits(), tracing) as http,
    ):
        url = URL(f"{urls[0]}/v1/chat/completions")
        with tracing.request("POST", "") as span:
            body = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
            await http.post(Target("stub", url, headers, Credentials("", {}, ())), body)
            ours = span.traceparent

    assert upstream.received[0].headers["traceparent"] == (own or ours)


def test_tracing_is_off_unless_it_is_told_where_to_send(tmp_path: Path) -> None:
    assert tracing_of(Installation(data=tmp_path), "edge-0") is None


class _Rating:
    """A handler that answers each record with a fact."""

    async def handle(self, records: Sequence[Record]) -> Effect:
        return Effect(facts=[a_fact(int(record.seq)) for record in records])


def _traced(n: int, span: str) -> Fact:
    fact = a_fact(n)
    return Fact(fact.topic, fact.key, fact.event_id, fact.value, traceparent=span)


def _record(n: int, span: str) -> Record:
    return a_record(a_fact(n), seq=n, headers={TRACEPARENT: span})
