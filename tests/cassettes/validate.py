"""Holds every cassette against the official SDKs' own types: `python -m tests.cassettes.validate`.

It runs in an environment with openai, anthropic, google-genai, mistralai and botocore, which Leeway itself
does not need. Each reply, event and request that an SDK has a type for is read by it.
"""

import base64
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from tests.tapes import CASSETTES, Json, cases, cassette, frame

Check = Callable[[Any], object]


def the_type(path: str) -> Any:
    """A name of a module, by its dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def adapter(path: str) -> Check:
    """The check of a reply against a model, or a union of them."""
    made: Any = import_module("pydantic").TypeAdapter(the_type(path))
    check: Check = made.validate_python
    return check


def request_adapter(path: str) -> Check:
    """The check of a request against its TypedDict, which leaves out what it does not name."""
    made: Any = import_module("pydantic").TypeAdapter(the_type(path))

    def check(value: Any) -> None:
        read = _plain(made.validate_python(value))
        assert read == value, f"{value} is read as {read}"

    return check


def _plain(value: Any) -> Any:
    """A value with its iterables read, which are validated as they are read."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(each) for each in value]
    return value


def openai_checks(kind: str) -> Mapping[str, Check]:
    """By what they check: `sent`, `reply` and `event`."""
    types = {
        "chat": (
            "openai.types.chat.completion_create_params.CompletionCreateParamsNonStreaming",
            "openai.types.chat.ChatCompletion",
            "openai.types.chat.ChatCompletionChunk",
        ),
        "completion": (
            "openai.types.completion_create_params.CompletionCreateParamsNonStreaming",
            "openai.types.Completion",
            "openai.types.Completion",
        ),
        "response": (
            "openai.types.responses.response_create_params.ResponseCreateParamsNonStreaming",
            "openai.types.responses.Response",
            "openai.types.responses.ResponseStreamEvent",
        ),
        "embedding": (
            "openai.types.embedding_create_params.EmbeddingCreateParams",
            "openai.types.CreateEmbeddingResponse",
            "openai.types.CreateEmbeddingResponse",
        ),
    }[kind]
    return {
        "sent": request_adapter(types[0]),
        "reply": adapter(types[1]),
        "event": adapter(types[2]),
    }


def mistral_checks(kind: str) -> Mapping[str, Check]:
    client = "mistralai.client.models"
    if kind == "embedding":
        names = ("EmbeddingRequest", "EmbeddingResponse", "EmbeddingResponse")
    else:
        names = ("ChatCompletionRequest", "ChatCompletionResponse", "CompletionChunk")
    checks = [the_type(f"{client}.{name}").model_validate for name in names]
    return dict(zip(("sent", "reply", "event"), checks, strict=True))


def anthropic_checks(_: str) -> Mapping[str, Check]:
    return {
        "sent": request_adapter(
            "anthropic.types.message_create_params.MessageCreateParamsNonStreaming"
        ),
        "reply": adapter("anthropic.types.Message"),
        "event": adapter("anthropic.types.RawMessageStreamEvent"),
    }


def gemini_checks(kind: str) -> Mapping[str, Check]:
    types: Any = import_module("google.genai.types")
    if kind == "embedding":
        return {"sent": _gemini_embedding_sent, "reply": _gemini_embedding_reply}
    return {
        "sent": _gemini_sent,
        "reply": types.GenerateContentResponse.model_validate,
        "event": types.GenerateContentResponse.model_validate,
    }


def _gemini_sent(sent: Json) -> None:
    types: Any = import_module("google.genai.types")
    readers = {
        "contents": lambda value: [types.Content.model_validate(each) for each in value],
        "systemInstruction": types.Content.model_validate,
        "tools": lambda value: [types.Tool.model_validate(each) for each in value],
        "toolConfig": types.ToolConfig.model_validate,
        "generationConfig": types.GenerationConfig.model_validate,
    }
    for name, value in sent.items():
        readers[name](value)


def _gemini_embedding_sent(sent: Json) -> None:
    types: Any = import_module("google.genai.types")
    for request in sent.get("requests", [sent]):
        types.Content.model_validate(request["content"])
        types.EmbedContentConfig.model_validate(
            {k: v for k, v in request.items() if k not in ("model", "content")}
        )


def _gemini_embedding_reply(reply: Json) -> None:
    types: Any = import_module("google.genai.types")
    for embedding in reply.get("embeddings", [reply.get("embedding")]):
        types.ContentEmbedding.model_validate(embedding)


def bedrock_checks(_: str) -> Mapping[str, Check]:
    model: Any = (
        import_module("botocore.session").get_session().get_service_model("bedrock-runtime")
    )
    return {
        "sent": lambda sent: _bedrock_sent(model.operation_model("Converse"), sent),
        "reply": lambda reply: _known(model.operation_model("Converse").output_shape, reply, ""),
        "event": lambda event: _bedrock_event(model, event),
    }


def _bedrock_sent(operation: Any, sent: Json) -> None:
    """botocore takes the request, and would send the same JSON."""
    given = {**_with_bytes(sent), "modelId": "model"}
    report = (
        import_module("botocore.validate").ParamValidator().validate(given, operation.input_shape)
    )
    assert not report.has_errors(), report.generate_report()
    serializer = import_module("botocore.serialize").create_serializer("rest-json")
    made = serializer.serialize_to_request(given, operation)
    assert json.loads(made["body"]) == sent, made["body"]


def _with_bytes(value: Any) -> Any:
    """Blobs as botocore takes them: bytes, where the wire has base64."""
    if isinstance(value, list):
        return [_with_bytes(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64decode(each) if name == "bytes" else _with_bytes(each)
        for name, each in value.items()
    }


def _known(shape: Any, value: Any, where: str) -> None:
    """Every member is one of the service's model, and none that it requires is missing."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        missing = set(shape.required_members) - value.keys()
        assert not missing, f"{where}: {missing}"
        for name, each in value.items():
            if name != "p":  # padding, which no model names
                _known(shape.members[name], each, f"{where}.{name}")
    elif shape.type_name == "list":
        for each in value:
            _known(shape.member, each, f"{where}[]")
    elif getattr(shape, "enum", None):
        assert value in shape.enum, f"{where}: {value}"


def _bedrock_event(model: Any, event: list[Any]) -> None:
    """botocore reads the frame, its checksums too, and the service's model has the event."""
    kind, payload = event
    buffer: Any = import_module("botocore.eventstream").EventStreamBuffer()
    buffer.add_data(frame(kind, payload))
    read = next(iter(buffer)).to_response_dict()
    assert json.loads(read["body"]) == payload
    stream = model.operation_model("ConverseStream").get_event_stream_output()
    _known(stream.members[kind.removeprefix("!")], payload, kind)


CHECKS: Mapping[str, Callable[[str], Mapping[str, Check]]] = {
    "anthropic": anthropic_checks,
    "gemini": gemini_checks,
    "bedrock": bedrock_checks,
    "mistral": mistral_checks,
}
# What no type has, and why it is there all the same.
BEYOND: Mapping[tuple[str, str], str] = {
    ("anthropic", "message:sent"): "a field that is unknown on purpose",
    ("anthropic", "schema:sent"): "temperature and top_p, which the types of 2.13 have no more",
}


def _has_a_type(event: Any) -> bool:
    """Whether the SDK has a type for it: not for ends and pings, nor for what Azure says of the prompt.

    Nor for a completion's chunks before the last: their finish reason is null, and the type is the reply's.
    """
    if event in ("[DONE]", {"type": "ping"}) or "prompt_filter_results" in event:
        return False
    legacy = isinstance(event, dict) and event.get("object") == "text_completion"
    return not legacy or all(choice["finish_reason"] for choice in event["choices"])


def main() -> None:
    """Check everything, and say how much of what there was."""
    checked: Counter[str] = Counter()
    for folder in sorted(path.name for path in CASSETTES.iterdir() if path.is_dir()):
        if folder.startswith("_"):
            continue
        for case in cases(folder):
            recording = cassette(folder, case)
            checks = CHECKS.get(folder, openai_checks)(recording.get("kind", "chat"))
            parts = [("sent", recording["sent"]), ("reply", recording["reply"])]
            parts += [("event", each) for each in recording.get("stream", ()) if _has_a_type(each)]
            for what, value in parts:
                if (folder, f"{case}:{what}") not in BEYOND:
                    checks[what](value)
                    checked[f"{folder} {what}"] += 1
    for what, count in sorted(checked.items()):
        sys.stdout.write(f"{count:4d} {what}\n")
    sys.stdout.write(f"{checked.total():4d} in all\n")


if __name__ == "__main__":
    main()
