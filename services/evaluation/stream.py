"""Interactions in, scores out: decode, judge what is sampled, and tell what was found."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import orjson
from google.protobuf.message import DecodeError

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.evaluation.domain import (
    READABLE_POLICIES,
    TEXT_KINDS,
    Evaluator,
    Interaction,
    Judgement,
    is_sampled,
)
from shared.clock import Clock
from shared.log.record import DeadLetter, Effect, Fact, Record
from shared.scores import Score, score_fact

_TOOL_TYPES = frozenset({"tool_use", "tool_call", "function_call", "custom_tool_call"})
_TEXT_TYPES = frozenset({"text", "input_text", "output_text"})


class EvaluationHandler:
    """Has every evaluator judge its share of the answers that ended well.

    It keeps nothing: a batch that comes again leads to the same scores with the same event ids.
    """

    def __init__(
        self, evaluators: Sequence[Evaluator], rates: Mapping[str, float], clock: Clock
    ) -> None:
        self._evaluators = evaluators
        self._rates = rates
        self._clock = clock

    async def handle(self, records: Sequence[Record]) -> Effect:
        return await asyncio.to_thread(self._judge_all, records)

    def _judge_all(self, records: Sequence[Record]) -> Effect:
        facts: list[Fact] = []
        dead_letters: list[DeadLetter] = []
        for record in records:
            try:
                message = InteractionCompleted.FromString(record.value)
            except DecodeError as fault:
                dead_letters.append(DeadLetter(record, f"no InteractionCompleted: {fault}"))
                continue
            facts += self._scores(message)
        return Effect(facts, dead_letters)

    def _scores(self, message: InteractionCompleted) -> Iterator[Fact]:
        if not _is_readable(message):
            return
        interaction = interaction_of(message)
        for evaluator in self._evaluators:
            rate = self._rates[evaluator.name]
            if not is_sampled(interaction.interaction_id, evaluator.name, rate):
                continue
            judgement = evaluator.judge(interaction)
            if judgement is not None:
                yield self._fact(message, evaluator, judgement)

    def _fact(
        self, message: InteractionCompleted, evaluator: Evaluator, judgement: Judgement
    ) -> Fact:
        score = Score(
            evaluator.name,
            evaluator.version,
            judgement.value,
            judgement.label,
            judgement.passed,
            judgement.explanation,
        )
        return score_fact(message, score, self._clock.now())


def interaction_of(message: InteractionCompleted) -> Interaction:
    """What evaluators see of an interaction."""
    said = _messages(message.output_messages)
    return Interaction(
        interaction_id=message.interaction_id,
        output_text=message.output_text,
        input_text=message.input_text,
        input_messages=message.input_messages,
        options=_object(message.request_options),
        finish_reasons=tuple(message.finish_reasons),
        output_tokens=message.output_tokens if message.HasField("output_tokens") else None,
        calls_tools=any(map(_is_call, said)),
        text_known=bool(message.output_text) or any(map(_tells_text, said)),
        redacted=message.content_policy == "redacted",
    )


def _is_readable(message: InteractionCompleted) -> bool:
    return (
        message.kind in TEXT_KINDS
        and message.status == "ok"
        and message.content_policy in READABLE_POLICIES
    )


def _messages(text: str) -> list[Mapping[str, object]]:
    told = _json(text)
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _is_call(message: Mapping[str, object]) -> bool:
    """Whether a message calls a tool: a field of its own, its type, or the type of one of its parts."""
    own = [message, *_parts(message)]
    typed = any(isinstance(part, dict) and part.get("type") in _TOOL_TYPES for part in own)
    return typed or bool(message.get("tool_calls") or message.get("function_call"))


def _tells_text(message: Mapping[str, object]) -> bool:
    """Whether a message holds its text, be it empty: some are recorded by their role alone."""
    parts = _parts(message)
    texts = [
        part for part in parts if not isinstance(part, dict) or part.get("type") in _TEXT_TYPES
    ]
    return not message.keys().isdisjoint({"content", "parts"}) and len(texts) == len(parts)


def _parts(message: Mapping[str, object]) -> Sequence[object]:
    parts = message.get("content") or message.get("parts")
    return parts if isinstance(parts, list) else ()


def _object(text: str) -> Mapping[str, object]:
    value = _json(text)
    return value if isinstance(value, dict) else {}


def _json(text: str) -> object:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None  # redaction may have left something behind that is no JSON
