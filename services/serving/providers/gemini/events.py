"""A stream of generateContent as a chat completion's chunks, event by event."""

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import errored
from services.serving.providers.chunks import Chunks
from services.serving.providers.credentials import Credentials
from services.serving.providers.gemini.answering import (
    blocked_choice,
    delta_of,
    error_in,
    finish_reason,
    logprobs_of,
    usage_of,
)
from services.serving.providers.reading import cut_off, read_json, whole_shapes
from shared.interactions import Usage


class ContentEvents:
    """Reads one answer; satisfies `EventReader`.

    Nothing marks the end of such a stream: it is whole when it ends and every candidate has said why.
    """

    ended = False

    def __init__(
        self, provider: str, credentials: Credentials, *, created: int, tells_usage: bool
    ) -> None:
        self._provider = provider
        self._credentials = credentials
        self._chunks = Chunks(created)
        self._tells_usage = tells_usage
        self._calls: dict[int, int] = {}  # how many a candidate has made
        self._open: set[int] = set()
        self._finished = False
        self._usage: Usage | None = None

    def read(self, raw: bytes, data: bytes | None, events: list[Event]) -> None:
        if data is None:
            events.append(Event(raw))
            return
        reply = read_json(data, self._provider)
        if reply.get("error"):
            told = error_in(self._credentials.hidden_in(data))
            raise errored(self._provider, "ended a stream with an error", told)
        with whole_shapes(self._provider):
            self._usage = usage_of(reply, data) or self._usage
            self._chunks.name(reply.get("responseId"), reply.get("modelVersion"))
            events.append(self._chunks.chunk(self._choices(reply), self._usage))

    def close(self, events: list[Event]) -> None:
        if self._open or not self._finished:
            raise cut_off(self._provider)
        events += self._chunks.ending(self._usage, told=self._tells_usage)

    def _choices(self, reply: JsonObject) -> list[JsonObject]:
        if reply.get("candidates"):
            return [self._choice(each, place) for place, each in enumerate(reply["candidates"])]
        if "promptFeedback" not in reply:
            return []
        self._finished = True
        return [blocked_choice(reply, self._provider, "delta")]

    def _choice(self, candidate: JsonObject, place: int) -> JsonObject:
        index = candidate.get("index", place)
        begun, made = index in self._calls, self._calls.get(index, 0)
        delta = delta_of((candidate.get("content") or {}).get("parts") or [], made)
        self._calls[index] = made + len(delta.get("tool_calls", ()))
        reason = finish_reason(candidate, self._provider, called=bool(self._calls[index]))
        if reason is None:
            self._open.add(index)
        else:
            self._open.discard(index)
            self._finished = True
        return {
            "index": index,
            "delta": delta if begun else {"role": "assistant", "content": "", **delta},
            "logprobs": logprobs_of(candidate),
            "finish_reason": reason,
        }
