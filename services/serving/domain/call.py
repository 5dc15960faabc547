"""A call's record: what it was when it began, how it ended, and the interaction that this makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import orjson

from services.serving.domain.answer import Answer
from services.serving.domain.gate import Hold
from services.serving.domain.request import Kind, Request
from services.serving.domain.verdict import Verdict
from shared.interactions import AttemptMade, Content, Context, Interaction, Usage
from shared.live import Caller, Route


class Status(StrEnum):
    """How a call ended: answered, refused, cut off upstream (or by a kill), or left by its client."""

    OK = "ok"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that passed the gate, with the routes to try in order.

    `timeout_seconds`: what its client gives it from its start to its end; None: what holds for every call.
    `holds`, `headers` and `verdicts` are what the gate left with it. `asked` is the request's part of its content,
    which is recorded when it begins and when it ends.
    """

    interaction_id: str
    caller: Caller
    request: Request
    context: Context
    routes: Sequence[Route]
    started_at: datetime
    asked: Content
    timeout_seconds: float | None = None
    holds: Sequence[Hold] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    verdicts: Sequence[Verdict] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a call was not answered whole. `http_status` is what the client saw, 0 for nothing."""

    error_type: str
    message: str
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended. `usage` is None when the provider told none; `cache` says which one answered."""

    status: Status
    ended_at: datetime
    attempts: Sequence[AttemptMade] = ()
    answer: Answer = field(default_factory=Answer)
    usage: Usage | None = None
    first_token_at: datetime | None = None
    fault: Fault | None = None
    cache: str = ""
    cache_saved_usd: Decimal | None = None


class Journal(Protocol):
    """Where calls are accounted for."""

    async def begin(self, call: Call) -> None:
        """Store that an upstream will be asked; durable when it returns.

        Raises `Unavailable`: then no upstream may be asked.
        """
        ...

    async def end(
        self, call: Call, interaction: Interaction, verdicts: Sequence[Verdict] = ()
    ) -> None:
        """Store what the call came to, with what was judged of it, and close it, in one step.

        The client is answered after it.

        Raises `Unavailable`: then the call stays open, and the next start accounts for it.
        """
        ...


class Pricer(Protocol):
    """Says what an interaction costs."""

    def price(self, interaction: Interaction) -> Decimal | None:
        """The exact cost in USD, or None when it cannot be told exactly."""
        ...


def interaction_of(call: Call, ending: Ending) -> Interaction:
    """The interaction that a call came to."""
    answer, fault = ending.answer, ending.fault
    last = ending.attempts[-1] if ending.attempts else None
    return Interaction(
        interaction_id=call.interaction_id,
        kind=call.request.kind,
        source="serving",
        status=ending.status,
        request_model=call.request.model,
        started_at=call.started_at,
        ended_at=ending.ended_at,
        provider=last.provider if last else _provider(call),
        response_model=answer.model,
        streaming=call.request.streaming,
        first_token_at=ending.first_token_at,
        error_type=fault.error_type if fault else "",
        error_message=fault.message if fault else "",
        http_status=fault.http_status if fault else 200,
        finish_reasons=answer.finish_reasons,
        usage=_usage(call, ending),
        content=_content(call, answer),
        context=call.context,
        attempts=ending.attempts,
        cache=ending.cache,
        cache_saved_usd=ending.cache_saved_usd,
    )


def _provider(call: Call) -> str:
    return call.routes[0].provider if call.routes else ""


def opened(call: Call) -> Interaction:
    """The interaction that a call is when its process dies: begun, and never heard of again."""
    died = Fault("process_died", "The gateway's process died before the call ended.")
    return interaction_of(call, Ending(Status.INTERRUPTED, call.started_at, fault=died))


def _usage(call: Call, ending: Ending) -> Usage:
    """The provider's usage; where a stream never told its output, the deltas delivered are counted.

    Such an estimate is told by its raw usage, which is empty or that of an answer that did not end.
    """
    told = ending.usage or Usage()
    counted = call.request.streaming and ending.answer.deltas
    return replace(told, output_tokens=counted) if told.output_tokens is None and counted else told


def asked_of(request: Request) -> Content:
    """What of an interaction's content its request alone says."""
    return Content(
        input_messages=request.input_messages,
        input_text=request.input_text,
        options=request.options,
    )


def _content(call: Call, answer: Answer) -> Content:
    chat = call.request.kind in _CHATTY
    return Content(
        input_messages=call.asked.input_messages,
        output_messages=orjson.dumps(answer.messages).decode() if chat and answer.messages else "",
        input_text=call.asked.input_text,
        output_text=answer.text,
        options=call.asked.options,
    )


_CHATTY = frozenset((Kind.CHAT, Kind.COMPLETION, Kind.RESPONSE, Kind.MESSAGE))
