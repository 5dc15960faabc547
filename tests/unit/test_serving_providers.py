"""What adapters ask of their servers: addresses, renamed fields, and refusals of what none could carry."""

import json
from typing import Any

import pytest

from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind, Request
from services.serving.providers.azure import AzureResource
from services.serving.providers.bedrock.asking import converse_request
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.gemini.asking import content_request
from services.serving.providers.gemini.embedding import embed_requests
from services.serving.providers.openai.servers import SERVERS, dialect_at, wording_of
from shared.errors import Invalid
from shared.live import Provider as ProviderEntry

HI = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f"}}
CALLED = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
ANSWERED = {"role": "tool", "tool_call_id": "c", "content": "1"}


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "public", "messages": [HI], **fields}


@pytest.mark.parametrize(
    ("base", "version", "kind", "url"),
    [
        ("", "2024-10-21", Kind.CHAT, "/deployments/d/chat/completions?api-version=2024-10-21"),
        (
            "/openai",
            "2024-10-21",
            Kind.EMBEDDING,
            "/deployments/d/embeddings?api-version=2024-10-21",
        ),
        (
            "/openai/v1/",
            "2025-03-01-preview",
            Kind.RESPONSE,
            "/responses?api-version=2025-03-01-preview",
        ),
        ("", "", Kind.CHAT, "/v1/chat/completions"),
        ("", "preview", Kind.RESPONSE, "/v1/responses?api-version=preview"),
    ],
)
def test_azure_has_a_url_for_each_deployment_and_one_for_all_in_v1(
    base: str, version: str, kind: Kind, url: str
) -> None:
    host = "https://acme.openai.azure.com"

    resource = AzureResource(f"{host}{base}", version, CAPABILITIES["azure"].paths)

    assert str(resource.url(kind, "d")) == f"{host}/openai{url}"


@pytest.mark.parametrize(
    ("kind", "fields", "sent"),
    [
        ("mistral", {"seed": 7, "max_completion_tokens": 5}, {"random_seed": 7, "max_tokens": 5}),
        ("ollama", {"max_completion_tokens": 5, "n": 1, "tool_choice": "auto"}, {"max_tokens": 5}),
        ("deepseek", {"logit_bias": {}, "n": None}, {}),
        ("openai", {"seed": 7, "n": 3, "logit_bias": {"1": 1}}, {}),
        ("groq", {"seed": 7, "max_completion_tokens": 5}, {}),
    ],
)
def test_a_field_that_a_server_calls_otherwise_is_renamed(
    kind: str, fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert wording_of(kind, SERVERS[kind]).changes(Kind.CHAT, chat(**fields)) == sent


@pytest.mark.parametrize(
    ("kind", "fields", "param"),
    [
        ("mistral", {"logit_bias": {"1": 1}}, "logit_bias"),
        ("mistral", {"verbosity": "low"}, "verbosity"),
        ("deepseek", {"n": 2, "seed": 1}, "n"),
        ("deepseek", {"response_format": {"type": "json_schema"}}, "response_format"),
        (
            "deepseek",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages",
        ),
        ("groq", {"logprobs": True}, "logprobs"),
        ("ollama", {"tool_choice": "required"}, "tool_choice"),
    ],
)
def test_what_a_server_would_pass_over_is_refused(
    kind: str, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(Invalid) as refused:
        wording_of(kind, SERVERS[kind]).changes(Kind.CHAT, chat(**fields))

    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", param)


@pytest.mark.parametrize(
    ("kind", "url", "dialect"),
    [
        ("openai", "", "openai"),
        ("openai", "https://api.deepseek.com/v1", "deepseek"),
        ("openai", "http://127.0.0.1:9/v1", "openai"),
        ("compatible", "https://openrouter.ai/api/v1", "openrouter"),
        ("mistral", "http://proxy.example/v1", "mistral"),
        ("azure", "https://acme.openai.azure.com", "openai"),
    ],
)
def test_a_server_counts_as_its_owner_does(kind: str, url: str, dialect: str) -> None:
    assert dialect_at(ProviderEntry("up", kind, url)) == dialect


@pytest.mark.parametrize(
    "fields",
    [
        {"parallel_tool_calls": False},
        {"logit_bias": {"1": 1}},
        {"modalities": ["audio"]},
        {"something_new": 1},
        {"response_format": {"type": "grammar"}},
        {"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        {
            "messages": [
                CALLED,
                {**ANSWERED, "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            ]
        },
    ],
)
def test_gemini_is_not_asked_what_it_cannot_carry(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        content_request(chat(**fields), "gemini-3-pro")

    assert refused.value.code == "unsupported_parameter"


def test_gemini_wants_to_know_whose_answer_it_gets() -> None:
    with pytest.raises(Invalid, match="must be the id of a call before it"):
        content_request(chat(messages=[ANSWERED]), "gemini-3-pro")


def test_geminis_own_fields_and_choices_are_carried() -> None:
    request = content_request(
        chat(
            n=2,
            seed=3,
            logprobs=True,
            top_logprobs=4,
            presence_penalty=0.5,
            safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            service_tier="flex",
            reasoning_effort="low",
            user="u",
            metadata={"a": "b"},
        ),
        "gemini-2.5-flash",
    )

    assert request == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {
            "candidateCount": 2,
            "seed": 3,
            "presencePenalty": 0.5,
            "responseLogprobs": True,
            "logprobs": 4,
            "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True},
        },
        "serviceTier": "flex",
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }


def test_a_calls_signature_goes_back_to_gemini() -> None:
    signed = {"google": {"thought_signature": "c2ln"}}
    message = {**CALLED, "tool_calls": [{**CALLED["tool_calls"][0], "extra_content": signed}]}  # type: ignore[dict-item]

    request = content_request(chat(messages=[message, ANSWERED]), "gemini-3-pro")

    assert request["contents"][0]["parts"] == [
        {"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": "c2ln"}
    ]


def test_an_image_elsewhere_is_named_to_gemini_and_refused_by_bedrock() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    asked = chat(messages=[{"role": "user", "content": [image]}])

    part = content_request(asked, "gemini-3-pro")["contents"][0]["parts"][0]
    with pytest.raises(Invalid, match="must be a data URL"):
        converse_request(asked, "amazon.nova-pro-v1:0")

    assert part == {"fileData": {"fileUri": "https://example.com/a.png", "mimeType": "image/png"}}


@pytest.mark.parametrize("given", [[1, 2], [[1], [2]]])
def test_tokens_are_no_texts_to_gemini(given: list[Any]) -> None:
    with pytest.raises(Invalid, match="takes no tokens"):
        embed_requests({"model": "public", "input": given}, "gemini-embedding-001")


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"seed": 1},
        {"top_k": 4},
        {"frequency_penalty": 0.1},
        {"response_format": {"type": "json_object"}},
        {"reasoning_effort": "none"},
        {"tools": [TOOL], "tool_choice": "none", "messages": [CALLED, ANSWERED, HI]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
    ],
)
def test_bedrock_is_not_asked_what_it_cannot_carry(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        converse_request(chat(**fields), "amazon.nova-pro-v1:0")

    assert refused.value.code == "unsupported_parameter"


def test_claude_at_bedrock_takes_its_thoughts_back() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "redacted_thinking", "data": "AAAA"},
        {"type": "thinking", "thinking": "unsigned"},
    ]

    request = converse_request(
        chat(messages=[{**CALLED, "thinking_blocks": blocks}, ANSWERED], top_k=4),
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    )

    assert request["messages"][0]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "AAAA"}},
        {"toolUse": {"toolUseId": "c", "name": "f", "input": {}}},
    ]
    assert request["additionalModelRequestFields"] == {"top_k": 4}


def test_no_tool_is_shown_to_bedrock_where_none_may_be_called() -> None:
    request = converse_request(chat(tools=[TOOL], tool_choice="none"), "amazon.nova-pro-v1:0")

    assert "toolConfig" not in request


def test_a_request_as_it_is_read_has_everything_an_adapter_asks() -> None:
    body = parse_body(json.dumps(chat()).encode())

    assert Request(Kind.CHAT, "public", body, {}).body.rewritten({"model": "m"}) == (
        b'{"model":"m","messages":[{"role": "user", "content": "hi"}]}'
    )
