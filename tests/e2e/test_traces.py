"""One call is one trace: from its request through the outbox and the log to the insert that made it queryable."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.stack import Stack, a_stack
from tests.traces import Traces, a_receiver
from tests.waiting import until

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SPANS_SECONDS = 30


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the cluster's PostgreSQL may enter too, which root runs as another user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("words", [(), ("--cluster",)])
async def test_one_call_is_one_trace_from_the_request_to_the_insert(
    folder: Path, words: tuple[str, ...]
) -> None:
    async with a_receiver() as traces:
        settings = {"LEEWAY_OTLP_ENDPOINT": traces.url, "LEEWAY_TRACE_RATIO": "1"}
        async with a_stack(folder, *words, **settings) as stack:
            await _call(stack)
            await until(lambda: bool(traces.named("insert usage")), seconds=SPANS_SECONDS)

    assert _path(traces, "insert interactions") == [
        "insert interactions",
        "warehouse batch",
        "outbox append",
        "POST /v1/chat/completions",
    ]
    # What is made of the call is in its trace too: the batch that holds the price links to who made it.
    assert "billing batch" in _linked_from(traces, "insert usage")


async def _call(stack: Stack) -> None:
    headers = {
        "Authorization": f"Bearer {stack.ready['api_key']}",
        "traceparent": f"00-{TRACE}-{CALLER}-01",
    }
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
    url = f"{stack.ready['url']}/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as sent:
        assert sent.status == 200


def _linked_from(traces: Traces, name: str) -> set[str]:
    """The names of the spans that the batch of an insert links to."""
    spans = _spans(traces)
    [insert] = [span for span in spans.values() if span.name == name]
    return {spans[link.span_id].name for link in spans[insert.parent_span_id].links}


def _path(traces: Traces, name: str) -> list[str]:
    """The names from a span up to where its trace came in."""
    spans = _spans(traces)
    [at] = [span for span in spans.values() if span.name == name]
    path = [at.name]
    while at.parent_span_id.hex() != CALLER:
        at = spans[at.parent_span_id]
        path.append(at.name)
    return path


def _spans(traces: Traces) -> dict[bytes, Span]:
    return {span.span_id: span for span in traces.spans if span.trace_id.hex() == TRACE}
