"""What was asked and answered in a span, in the ways instrumentations have written it down.

In order: the current OpenTelemetry GenAI attributes (on the span or on its details event), the
earlier events of one message each, indexed attributes (OpenLLMetry, OpenInference), those of the
AI SDK, plain values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from services.ingest.domain.messages import Message, messages_of
from services.ingest.domain.spans import Span
from shared.fields import json_flaw

MAX_MESSAGES = 1_000

_DETAILS_EVENT = "gen_ai.client.inference.operation.details"
_MESSAGE_EVENTS: Mapping[str, str] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_MESSAGE_KEYS = frozenset({"role", "content", "tool_calls", "id", "name", "parts"})

_GENERATED = ("ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")

Attributes = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages before the model answered, and its answers."""

    asked: Sequence[Message] = ()
    said: Sequence[Message] = ()


def conversation_of(span: Span) -> Conversation:
    """The messages of a span; empty where its instrumentation kept them to itself."""
    return Conversation(
        asked=_first_found(
            span, (_current_input, _event_input, _indexed_input, _ai_sdk_input, _plain_input)
        ),
        said=_first_found(
            span, (_current_output, _event_output, _indexed_output, _ai_sdk_output, _plain_output)
        ),
    )


def parsed(value: object) -> object:
    """A value that may be JSON in a string, as JSON; other strings stay strings."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        found: object = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    return value if json_flaw(found) else found


def _first_found(
    span: Span, readers: Sequence[Callable[[Span], Sequence[Message]]]
) -> Sequence[Message]:
    return next((found for found in (read(span) for read in readers) if found), ())


def _current_input(span: Span) -> Sequence[Message]:
    for attributes in (span.attributes, _event_attributes(span, _DETAILS_EVENT)):
        system = parsed(attributes.get("gen_ai.system_instructions"))
        asked = _read(attributes, "gen_ai.input.messages", "user")
        if system or asked:
            return [*_instructions(system), *asked]
    return ()


def _current_output(span: Span) -> Sequence[Message]:
    for attributes in (span.attributes, _event_attributes(span, _DETAILS_EVENT)):
        said = _read(attributes, "gen_ai.output.messages", "assistant")
        if said:
            return said
    return ()


def _instructions(value: object) -> Sequence[Message]:
    if isinstance(value, str):
        return [{"role": "system", "content": value}]
    return [{"role": "system", "parts": value}] if isinstance(value, list) and value else ()


def _event_input(span: Span) -> Sequence[Message]:
    named = [
        _event_message(event, _MESSAGE_EVENTS[str(event.get("name"))])
        for event in span.events
        if str(event.get("name")) in _MESSAGE_EVENTS
    ]
    prompt = _event_attributes(span, "gen_ai.content.prompt")
    return named or _read(prompt, "gen_ai.prompt", "user")


def _event_output(span: Span) -> Sequence[Message]:
    choices = [
        _event_message(event, "assistant")
        for event in span.events
        if event.get("name") == "gen_ai.choice"
    ]
    completion = _event_attributes(span, "gen_ai.content.completion")
    return choices or _read(completion, "gen_ai.completion", "assistant")


def _event_message(event: Mapping[str, object], role: str) -> Message:
    attributes = _attributes_of(event)
    inner = parsed(attributes.get("message"))
    told = inner if isinstance(inner, dict) else attributes
    extra = {"content": inner} if isinstance(inner, str) else {}
    finish = attributes.get("finish_reason")
    return {
        "role": role,
        **{key: parsed(value) for key, value in told.items() if key in _MESSAGE_KEYS},
        **extra,
        **({"finish_reason": finish} if isinstance(finish, str) else {}),
    }


def _indexed_input(span: Span) -> Sequence[Message]:
    return _indexed(span.attributes, "gen_ai.prompt.", "user") or _indexed(
        span.attributes, "llm.input_messages.", "user"
    )


def _indexed_output(span: Span) -> Sequence[Message]:
    return _indexed(span.attributes, "gen_ai.completion.", "assistant") or _indexed(
        span.attributes, "llm.output_messages.", "assistant"
    )


def _indexed(attributes: Attributes, prefix: str, role: str) -> Sequence[Message]:
    """Messages from flattened names: `<prefix>0.role`, or `<prefix>0.message.content`."""
    found: dict[int, dict[str, object]] = {}
    for name, value in attributes.items():
        index, _, key = name.removeprefix(prefix).partition(".")
        if not name.startswith(prefix) or not (index.isascii() and index.isdigit() and key):
            continue
        if len(index) > 4 or int(index) >= MAX_MESSAGES:
            continue
        message = found.setdefault(int(index), {"role": role})
        _put(message, key.removeprefix("message."), value)
    return [found[index] for index in sorted(found)]


def _put(message: dict[str, object], key: str, value: object) -> None:
    if key.endswith("message_content.text"):
        parts = message.setdefault("parts", [])
        assert isinstance(parts, list)
        parts.append({"type": "text", "content": value})
    else:
        message[key] = parsed(value) if key in {"content", "tool_calls"} else value


def _ai_sdk_input(span: Span) -> Sequence[Message]:
    """The messages, or what is to be embedded: a list of texts, each written as JSON."""
    values = span.attributes.get("ai.values")
    texts = [_unquoted(value) for value in values] if isinstance(values, list) else []
    return _read(span.attributes, "ai.prompt.messages", "user") or [
        {"role": "user", "content": text} for text in texts[:MAX_MESSAGES]
    ]


def _ai_sdk_output(span: Span) -> Sequence[Message]:
    text = next((told for told in map(span.attributes.get, _GENERATED) if told), "")
    calls = parsed(span.attributes.get("ai.response.toolCalls"))
    if not text and not calls:
        return ()
    message: dict[str, object] = {"role": "assistant", "content": _plain(text)}
    return [{**message, "tool_calls": calls} if calls else message]


def _unquoted(value: object) -> str:
    try:
        text = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        text = value
    return _plain(text)


def _plain_input(span: Span) -> Sequence[Message]:
    return _read(span.attributes, "gen_ai.prompt", "user") or _read(
        span.attributes, "input.value", "user"
    )


def _plain_output(span: Span) -> Sequence[Message]:
    return _read(span.attributes, "gen_ai.completion", "assistant") or _read(
        span.attributes, "output.value", "assistant"
    )


def _read(attributes: Attributes, name: str, role: str) -> Sequence[Message]:
    value = attributes.get(name)
    inner = parsed(value)
    if inner is None or inner in ("", [], {}):
        return ()
    wrapped = inner.get("messages") if isinstance(inner, dict) else None
    # JSON that is no list of messages is itself what was said.
    return messages_of(wrapped or inner, role) or [{"role": role, "content": _plain(value)}]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _event_attributes(span: Span, name: str) -> Attributes:
    named = (event for event in span.events if event.get("name") == name)
    return next((_attributes_of(event) for event in named), {})


def _attributes_of(event: Mapping[str, object]) -> Attributes:
    attributes = event.get("attributes")
    return attributes if isinstance(attributes, dict) else {}
