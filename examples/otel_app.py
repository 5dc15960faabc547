"""An application that knows OpenTelemetry and not Leeway: its GenAI spans become interactions, the rest spans.

LEEWAY_URL and LEEWAY_API_KEY are what `make up` prints.
Needs: pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
"""

import json
import os
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

QUESTION = "What is the capital of France?"


def main() -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "travel-guide"}))
    exporter = OTLPSpanExporter(
        endpoint=f"{os.environ['LEEWAY_URL']}/v1/traces",
        headers={"authorization": f"Bearer {os.environ['LEEWAY_API_KEY']}"},
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("travel-guide")
    with tracer.start_as_current_span("answer", attributes={"session.id": "trip-1"}) as root:
        with tracer.start_as_current_span("search") as span:
            span.set_attribute("documents", 3)
        chat(tracer)
        print(f"trace {root.get_span_context().trace_id:032x}")
    provider.shutdown()  # sends what is left


def chat(tracer: trace.Tracer) -> None:
    """What an instrumented client of a provider records, by the semantic conventions for generative AI."""
    with tracer.start_as_current_span(
        "chat gpt-4o",
        kind=trace.SpanKind.CLIENT,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.conversation.id": "trip-1",
            "gen_ai.input.messages": messages("user", QUESTION),
        },
    ) as span:
        span.set_attribute("gen_ai.response.model", "gpt-4o-2024-08-06")
        span.set_attribute("gen_ai.response.finish_reasons", finish_reasons())
        span.set_attribute("gen_ai.usage.input_tokens", 14)
        span.set_attribute("gen_ai.usage.output_tokens", 3)
        span.set_attribute("gen_ai.output.messages", messages("assistant", "Paris."))


def messages(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def finish_reasons() -> Sequence[str]:
    return ["stop"]


if __name__ == "__main__":
    main()
