"""The usage of a stream from its events: counters are cumulative, so the last one wins and none is added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.prices.usage.counts import UsageDoubtful, UsageMissing

Event = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Folded:
    """The usage object that a stream amounts to, and whether the stream came to its end."""

    usage: Mapping[str, object]
    ended: bool


def chat_chunks(events: Sequence[Event]) -> Folded:
    """OpenAI chat: the last usage; the end is a finish reason or the chunk without choices."""
    usages = [usage for event in events if (usage := _object(event, "usage"))]
    usage = _last_of(usages, ("prompt_tokens", "completion_tokens", "total_tokens"))
    ended = any(_is_last_chunk(event) for event in events)
    return Folded(usage, ended)


def response_events(events: Sequence[Event]) -> Folded:
    """OpenAI Responses: only the event that ends the response carries its usage."""
    for event in reversed(events):
        if event.get("type") in _RESPONSE_ENDS:
            usage = _object(_object(event, "response"), "usage")
            if usage:
                return Folded(usage, ended=True)
    raise UsageMissing("stream_without_usage")


def message_events(events: Sequence[Event]) -> Folded:
    """Anthropic: each `message_delta` overwrites, with its non-null members, what `message_start` said.

    The start's `output_tokens` is a placeholder: without a delta the output is unknown.
    """
    usage: dict[str, object] = {}
    ended = False
    for event in events:
        if event.get("type") == "message_start":
            usage = dict(_object(_object(event, "message"), "usage"))
        elif event.get("type") == "message_delta" and (delta := _object(event, "usage")):
            before = usage if ended else {**usage, "output_tokens": 0}
            _require_growth(before, delta, _MESSAGE_COUNTERS)
            usage |= {name: value for name, value in delta.items() if value is not None}
            ended = ended or delta.get("output_tokens") is not None
    if not usage:
        raise UsageMissing("stream_without_usage")
    return Folded(usage, ended)


def content_chunks(events: Sequence[Event]) -> Folded:
    """Gemini: the last `usageMetadata`; the end is a finish reason."""
    usages = [usage for event in events if (usage := _object(event, "usageMetadata"))]
    usage = _last_of(usages, ("promptTokenCount", "candidatesTokenCount"))
    ended = any(candidate.get("finishReason") for e in events for candidate in _choices(e))
    return Folded(usage, ended)


def converse_events(events: Sequence[Event]) -> Folded:
    """Bedrock ConverseStream: the `metadata` event, which is the last, carries the usage."""
    usages = [u for event in events if (u := _object(_object(event, "metadata"), "usage"))]
    return Folded(_last_of(usages, ("inputTokens", "outputTokens")), ended=True)


def _is_last_chunk(event: Event) -> bool:
    choices = event.get("choices")
    closing = choices == [] and bool(_object(event, "usage"))
    return closing or any(choice.get("finish_reason") for choice in _choices(event))


def _choices(event: Event) -> list[Event]:
    value = event.get("choices") or event.get("candidates")
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]


def _last_of(usages: Sequence[Event], counters: Sequence[str]) -> Event:
    if not usages:
        raise UsageMissing("stream_without_usage")
    for earlier, later in pairwise(usages):
        _require_growth(earlier, later, counters)
    return usages[-1]


def _require_growth(earlier: Event, later: Event, counters: Sequence[str]) -> None:
    for name in counters:
        before, after = earlier.get(name), later.get(name)
        if isinstance(before, int) and isinstance(after, int) and after < before:
            raise UsageDoubtful("cumulative_decrease")


def _object(event: Event, name: str) -> Event:
    value = event.get(name)
    return value if isinstance(value, Mapping) else {}


_RESPONSE_ENDS = ("response.completed", "response.incomplete", "response.failed")
_MESSAGE_COUNTERS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
