"""Every generation of conventions that tells of a model call makes an interaction, and nothing else does."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from shared.topics import SPAN_ENDED
from tests.exports import a_span, an_export, interaction_of, post
from tests.fakes import FakeOutbox

Attributes = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What an interaction must say: the kind, who answered, and what was used."""

    kind: str = "chat"
    provider: str = "openai"
    model: str = "gpt-4o"
    input_tokens: int = 7
    output_tokens: int = 2


USED: Attributes = {"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 2}
USED_AS_OF_1_26: Attributes = {
    "gen_ai.usage.prompt_tokens": 7,
    "gen_ai.usage.completion_tokens": 2,
}
ASKED: Attributes = {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}
VERCEL: Attributes = {"ai.model.id": "gpt-4o", "ai.model.provider": "openai.chat"}

# The names: open-telemetry/semantic-conventions model/gen-ai at each tag, its successor semantic-conventions-genai,
# traceloop's semconv_ai, Arize's spec/semantic_conventions.md, and "Telemetry" in the AI SDK's own documentation.
CALLS: dict[str, tuple[Attributes, Told]] = {
    "otel 1.26, before operations had names": (ASKED | USED_AS_OF_1_26, Told()),
    "otel 1.26, an embedding": (
        {
            "gen_ai.system": "openai",
            "gen_ai.request.model": "text-embedding-3-small",
            "gen_ai.usage.prompt_tokens": 7,
        },
        Told(kind="embedding", model="text-embedding-3-small", output_tokens=0),
    ),
    "otel 1.27": (ASKED | USED | {"gen_ai.operation.name": "chat"}, Told()),
    "otel 1.28, without an operation": (ASKED | USED, Told()),
    "otel 1.29, an embedding by its format": (
        {
            "gen_ai.system": "openai",
            "gen_ai.request.model": "m1",
            "gen_ai.request.encoding_formats": ["float"],
            "gen_ai.usage.input_tokens": 7,
        },
        Told(kind="embedding", model="m1", output_tokens=0),
    ),
    "otel 1.37": (
        USED
        | {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.provider.name": "gcp.gemini",
            "gen_ai.request.model": "gemini-2.5-pro",
        },
        Told(provider="gcp.gemini", model="gemini-2.5-pro"),
    ),
    "otel 1.37, without an operation": (
        USED | {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"},
        Told(),
    ),
    "otel, only what answered is named": (
        USED | {"gen_ai.provider.name": "openai", "gen_ai.response.model": "gpt-4o"},
        Told(),
    ),
    "openllmetry": (ASKED | USED_AS_OF_1_26 | {"llm.request.type": "chat"}, Told()),
    "openllmetry, a completion": (
        ASKED | USED | {"llm.request.type": "completion"},
        Told(kind="completion"),
    ),
    "openllmetry, a type it does not know": (
        ASKED | USED | {"llm.request.type": "unknown"},
        Told(),
    ),
    "openllmetry, inside of a workflow": (
        ASKED
        | {
            "llm.usage.prompt_tokens": 7,
            "llm.usage.completion_tokens": 2,
            "traceloop.workflow.name": "answer",
            "traceloop.entity.path": "search",
        },
        Told(),
    ),
    "openinference": (
        {
            "openinference.span.kind": "LLM",
            "llm.system": "openai",
            "llm.model_name": "gpt-4o",
            "llm.token_count.prompt": 7,
            "llm.token_count.completion": 2,
        },
        Told(),
    ),
    "openinference, asked and answered by name": (
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.request.model_name": "gpt-4o",
            "llm.token_count.prompt": 7,
            "llm.token_count.completion": 2,
        },
        Told(),
    ),
    "openinference, an embedding": (
        {
            "openinference.span.kind": "EMBEDDING",
            "llm.system": "openai",
            "embedding.model_name": "text-embedding-3-small",
            "llm.token_count.prompt": 7,
        },
        Told(kind="embedding", model="text-embedding-3-small", output_tokens=0),
    ),
    "openinference, a kind left out": (
        {
            "llm.system": "openai",
            "llm.model_name": "gpt-4o",
            "llm.token_count.prompt": 7,
            "llm.token_count.completion": 2,
        },
        Told(),
    ),
    "vercel ai sdk 3": (
        VERCEL
        | USED_AS_OF_1_26
        | {
            "ai.operationId": "ai.generateText.doGenerate",
            "gen_ai.system": "openai.chat",
            "gen_ai.request.model": "gpt-4o",
        },
        Told(),
    ),
    "vercel ai sdk 4": (
        VERCEL
        | {
            "ai.operationId": "ai.streamText.doStream",
            "ai.usage.promptTokens": 7,
            "ai.usage.completionTokens": 2,
        },
        Told(),
    ),
    "vercel ai sdk 5": (
        {
            "ai.operationId": "ai.generateObject.doGenerate",
            "ai.model.id": "claude-sonnet-4-5",
            "ai.model.provider": "anthropic.messages",
            "ai.usage.inputTokens": 7,
            "ai.usage.outputTokens": 2,
            "ai.usage.totalTokens": 9,
        },
        Told(provider="anthropic", model="claude-sonnet-4-5"),
    ),
    "vercel ai sdk, an embedding": (
        {
            "ai.operationId": "ai.embedMany.doEmbed",
            "ai.model.id": "text-embedding-3-small",
            "ai.model.provider": "openai.embedding",
            "ai.usage.tokens": 7,
        },
        Told(kind="embedding", model="text-embedding-3-small", output_tokens=0),
    ),
    "vercel ai sdk on bedrock": (
        VERCEL
        | USED
        | {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "amazon-bedrock",
        },
        Told(provider="aws.bedrock"),
    ),
}

SPANS: dict[str, Attributes] = {
    "a model without usage": ASKED,
    "usage without a model": USED,
    "usage that counts nothing": ASKED | {"gen_ai.usage.cost": "?"},
    "an agent": ASKED | USED | {"gen_ai.operation.name": "invoke_agent"},
    "an agent before operations had names": ASKED | USED | {"gen_ai.agent.name": "planner"},
    "a tool": ASKED | USED | {"gen_ai.tool.name": "search"},
    "a workflow of openllmetry": ASKED | USED | {"traceloop.span.kind": "workflow"},
    "a rerank of openllmetry": ASKED | USED | {"llm.request.type": "rerank"},
    "a chain of openinference": ASKED | USED | {"openinference.span.kind": "CHAIN"},
    "the whole call of the vercel ai sdk, around those to the provider": VERCEL
    | {
        "ai.operationId": "ai.generateText",
        "ai.usage.promptTokens": 7,
        "ai.usage.completionTokens": 2,
    },
    "a tool call of the vercel ai sdk": {
        "ai.operationId": "ai.toolCall",
        "ai.toolCall.name": "search",
    },
}


@pytest.mark.parametrize(("attributes", "expected"), CALLS.values(), ids=CALLS)
async def test_a_call_of_every_convention_is_an_interaction(
    attributes: Attributes, expected: Told
) -> None:
    call = await interaction_of(attributes)

    told = Told(call.kind, call.provider, call.request_model, call.input_tokens, call.output_tokens)
    assert told == expected


@pytest.mark.parametrize("attributes", SPANS.values(), ids=SPANS)
async def test_what_is_no_call_of_a_model_stays_a_span(attributes: Attributes) -> None:
    outbox = FakeOutbox()

    await post(json.dumps(an_export(a_span(attributes))).encode(), outbox)

    assert [fact.topic for fact in outbox.facts] == [SPAN_ENDED]


@pytest.mark.parametrize(
    ("tiers", "tier"),
    [
        ({"openai.response.service_tier": "flex"}, "flex"),
        ({"gen_ai.openai.response.service_tier": "priority"}, "priority"),
        ({"openai.request.service_tier": "flex"}, "flex"),
        ({"gen_ai.openai.request.service_tier": "flex"}, "flex"),
        (
            {
                "gen_ai.openai.request.service_tier": "flex",
                "gen_ai.openai.response.service_tier": "default",
            },
            "default",
        ),
        ({"gen_ai.openai.request.service_tier": "auto"}, ""),
    ],
)
async def test_the_tier_that_served_is_told_else_the_one_asked_for(
    tiers: Attributes, tier: str
) -> None:
    call = await interaction_of(ASKED | USED | tiers)

    assert call.service_tier == tier


async def test_a_call_of_the_vercel_ai_sdk_is_read_whole() -> None:
    call = await interaction_of(
        VERCEL
        | {
            "ai.operationId": "ai.streamText.doStream",
            "ai.prompt.messages": '[{"role":"user","content":[{"type":"text","text":"Weather?"}]}]',
            "ai.response.text": "Let me look.",
            "ai.response.toolCalls": '[{"toolCallId":"c1","toolName":"weather","input":"{}"}]',
            "ai.response.model": "gpt-4o-2024-08-06",
            "ai.response.finishReason": "tool-calls",
            "ai.response.msToFirstChunk": 500.0,
            "ai.telemetry.metadata.sessionId": "s1",
            "ai.telemetry.metadata.userId": "u1",
            "ai.telemetry.metadata.plan": "free",
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 20,
            "ai.usage.totalTokens": 120,
            "ai.usage.inputTokenDetails.cacheReadTokens": 60,
            "ai.usage.inputTokenDetails.cacheWriteTokens": 30,
            "ai.usage.outputTokenDetails.reasoningTokens": 5,
        }
    )

    assert (call.input_text, call.output_text) == ("Weather?", "Let me look.")
    assert json.loads(call.output_messages)[0]["tool_calls"][0]["toolName"] == "weather"
    assert (call.response_model, call.streaming) == ("gpt-4o-2024-08-06", True)
    assert call.first_token_at_us - call.started_at_us == 500_000
    assert list(call.finish_reasons) == ["tool-calls"]
    assert (call.session_id, call.user_id) == ("s1", "u1")
    assert dict(call.tags) == {"service": "shop", "plan": "free"}
    assert (call.cache_read_tokens, call.cache_write_tokens, call.reasoning_tokens) == (60, 30, 5)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"ai.response.object": '{"role":"cook"}'}, '{"role":"cook"}'),
        ({"ai.result.object": '{"a":1}'}, '{"a":1}'),
        ({"ai.result.text": "Four."}, "Four."),
    ],
)
async def test_what_the_vercel_ai_sdk_generated_is_the_answer(said: Attributes, text: str) -> None:
    call = await interaction_of(VERCEL | {"ai.operationId": "ai.generateObject.doGenerate"} | said)

    assert call.output_text == text


async def test_what_the_vercel_ai_sdk_embedded_is_the_question() -> None:
    call = await interaction_of(
        VERCEL | {"ai.operationId": "ai.embed.doEmbed", "ai.values": ['"Two and two?"']}
    )

    assert call.input_text == "Two and two?"
