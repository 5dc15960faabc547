"""A receiver of traces on loopback, and what it was sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.servers import LoopbackServer


async def _taken(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"", content_type="application/x-protobuf")


@dataclass(frozen=True, slots=True)
class Traces:
    """The spans that came, in the order in which they ended."""

    server: LoopbackServer

    @property
    def url(self) -> str:
        return self.server.url("")

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.server.requests
            for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Traces]:
    async with LoopbackServer(_taken) as server:
        yield Traces(server)


def attributes(span: Span) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
