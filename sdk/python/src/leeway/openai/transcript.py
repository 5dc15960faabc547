"""What a reply of OpenAI's API says, read from completed replies and gathered from streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Message = Mapping[str, object]


@dataclass(frozen=True)
class Transcript:
    """A reply: the model that answered, its messages, the usage as the provider tells it."""

    response_model: str = ""
    output: Sequence[Message] = ()
    usage: Mapping[str, object] | None = None
    finish_reasons: Sequence[str] = ()
    status: str = "ok"


class Gathering(Protocol):
    """Gathers a stream's chunks into a transcript."""

    def add(self, chunk: Any) -> bool:
        """Take a chunk; whether it held something the model wrote."""
        ...

    def transcript(self) -> Transcript:
        """What was gathered so far."""
        ...


def read(kind: str, reply: Any) -> Transcript:
    """The transcript of a completed reply; fields that are not there are left out."""
    readers = {"chat": _chat, "completion": _completion, "response": _response}
    reader = readers.get(kind, _embedding)
    return reader(reply)


def gathering(kind: str) -> Gathering:
    """Something that gathers a stream of that kind."""
    return GatheredResponse() if kind == "response" else GatheredChoices()


@dataclass
class _Choice:
    """One answer of a stream, as far as it has come."""

    text: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    tool_calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    finish_reason: str = ""

    def message(self) -> Message:
        said: dict[str, object] = {"role": "assistant", "content": "".join(self.text)}
        if self.refusal:
            said["refusal"] = "".join(self.refusal)
        if self.tool_calls:
            said["tool_calls"] = [self.tool_calls[index] for index in sorted(self.tool_calls)]
        return said


class GatheredChoices:
    """Chunks of chat completions and of legacy completions: deltas, by the index of their choice."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._model = ""
        self._usage: Mapping[str, object] | None = None

    def add(self, chunk: Any) -> bool:
        self._model = getattr(chunk, "model", None) or self._model
        self._usage = _dumped(getattr(chunk, "usage", None)) or self._usage
        written = [self._add_choice(one) for one in getattr(chunk, "choices", None) or ()]
        return any(written)

    def transcript(self) -> Transcript:
        choices = [self._choices[index] for index in sorted(self._choices)]
        return Transcript(
            response_model=self._model,
            output=[choice.message() for choice in choices],
            usage=self._usage,
            finish_reasons=[choice.finish_reason for choice in choices if choice.finish_reason],
        )

    def _add_choice(self, told: Any) -> bool:
        choice = self._choices.setdefault(told.index, _Choice())
        choice.finish_reason = getattr(told, "finish_reason", None) or choice.finish_reason
        delta = getattr(told, "delta", None)
        text = getattr(told, "text", None) if delta is None else getattr(delta, "content", None)
        refusal = getattr(delta, "refusal", None)
        calls = getattr(delta, "tool_calls", None) or ()
        choice.text.extend([text] if text else ())
        choice.refusal.extend([refusal] if refusal else ())
        for call in calls:
            _add_call(choice.tool_calls, call)
        return bool(text or refusal or calls)


class GatheredResponse:
    """Events of the Responses API: the last one of a stream holds the whole response."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._response: Any = None

    def add(self, event: Any) -> bool:
        kind = getattr(event, "type", "")
        self._response = getattr(event, "response", None) or self._response
        if kind == "response.output_text.delta":
            self._text.append(str(event.delta))
        return kind.endswith(".delta")

    def transcript(self) -> Transcript:
        whole = read("response", self._response) if self._response is not None else Transcript()
        if whole.output:
            return whole
        said = "".join(self._text)
        output = [{"role": "assistant", "content": said}] if said else []
        return Transcript(whole.response_model, output, whole.usage, whole.finish_reasons)


def _chat(reply: Any) -> Transcript:
    choices = getattr(reply, "choices", None) or ()
    return Transcript(
        response_model=getattr(reply, "model", None) or "",
        output=[_dumped(choice.message) or {} for choice in choices],
        usage=_dumped(getattr(reply, "usage", None)),
        finish_reasons=[choice.finish_reason for choice in choices if choice.finish_reason],
    )


def _completion(reply: Any) -> Transcript:
    choices = getattr(reply, "choices", None) or ()
    return Transcript(
        response_model=getattr(reply, "model", None) or "",
        output=[{"role": "assistant", "content": choice.text} for choice in choices],
        usage=_dumped(getattr(reply, "usage", None)),
        finish_reasons=[choice.finish_reason for choice in choices if choice.finish_reason],
    )


def _response(reply: Any) -> Transcript:
    output = [_dumped(item) for item in getattr(reply, "output", None) or ()]
    status = getattr(reply, "status", None) or ""
    return Transcript(
        response_model=getattr(reply, "model", None) or "",
        output=[item for item in output if item],
        usage=_dumped(getattr(reply, "usage", None)),
        finish_reasons=[status] if status else (),
        status="error" if status == "failed" else "ok",
    )


def _embedding(reply: Any) -> Transcript:
    return Transcript(
        response_model=getattr(reply, "model", None) or "",
        usage=_dumped(getattr(reply, "usage", None)),
    )


def _add_call(calls: dict[int, dict[str, Any]], delta: Any) -> None:
    """A piece of a tool call: the name comes once, the arguments in fragments."""
    call = calls.setdefault(
        delta.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
    )
    call["id"] = delta.id or call["id"]
    function = delta.function
    if function is not None:
        call["function"]["name"] += function.name or ""
        call["function"]["arguments"] += function.arguments or ""


def _dumped(model: Any) -> dict[str, object] | None:
    if model is None:
        return None
    dumped: dict[str, object] = model.model_dump(mode="json", exclude_none=True)
    return dumped
