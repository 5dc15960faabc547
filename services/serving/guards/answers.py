"""The guards of a whole answer: what is redacted in it, what is asked once more, and what is said of a blocked one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind, Request
from services.serving.domain.verdict import Verdict, blocking, merged
from services.serving.guards.admission import MAX_CHARS_ON_THE_LOOP
from services.serving.guards.answer_schema import AnswerSchema
from services.serving.guards.inspection import Findings, inspected, judged, reviewed
from services.serving.guards.rails import Rails
from services.serving.guards.redaction import json_of
from services.serving.guards.refusal import refused
from services.serving.guards.repair import asked_again
from services.serving.guards.rewriting import read_leniently, with_texts, without_logprobs
from services.serving.guards.utterances import Utterance, answered
from services.serving.providers.port import Reply


class Repair(Protocol):
    """One more question to the upstream that answered."""

    async def again(self, request: Request) -> Reply:
        """Its answer, recorded as an attempt of the same call. Raises `UpstreamFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer as the client is sent it, and what guards found. `blocked`: it says that, and no more.

    `replies` are all the answers that upstreams gave, as they gave them: each was paid for.
    """

    reply: Reply
    verdicts: Sequence[Verdict]
    replies: Sequence[Reply]

    @property
    def blocked(self) -> bool:
        return bool(blocking(self.verdicts))


@dataclass(frozen=True, slots=True)
class _Look:
    """One answer looked at: as it becomes, what was found, and whether a schema wants it asked again."""

    reply: Reply
    findings: Findings
    fault: str = ""


async def whole(
    request: Request, reply: Reply, rails: Rails, repair: Repair | None = None
) -> Judged:
    """What guards make of a whole answer; of vectors, pictures and sounds they make nothing.

    An answer that is not of its schema is asked for once more, where its guard says so and `repair` is
    given. A blocked answer is one that the protocol has words for (`refusal.py`), with its usage: it was
    paid for. Raises `UpstreamFailed` of the repair.
    """
    if not rails or request.kind is Kind.EMBEDDING:
        return Judged(reply, (), (reply,))
    look = await _looked(request, reply, rails)
    if look.fault and repair is not None:
        second = await repair.again(asked_again(request, reply, look.fault))
        again = await _looked(request, second, rails)
        again.findings.join(look.findings.repaired())
        return _judged(request, again, (reply, second))
    return _judged(request, look, (reply,))


def _judged(request: Request, look: _Look, replies: Sequence[Reply]) -> Judged:
    verdicts = merged(look.findings.verdicts())
    if blocking(verdicts):
        return Judged(refused(request.kind, look.reply, verdicts), verdicts, replies)
    return Judged(look.reply, verdicts, replies)


async def _looked(request: Request, reply: Reply, rails: Rails) -> _Look:
    tree = _tree(request.kind, reply)
    if tree is None:
        return _Look(reply, Findings("output"))
    if len(reply.body) > MAX_CHARS_ON_THE_LOOP:
        return await asyncio.to_thread(_look, request, reply, tree, rails)
    return _look(request, reply, tree, rails)


def _look(request: Request, reply: Reply, tree: JsonObject, rails: Rails) -> _Look:
    findings = Findings("output")
    utterances = list(answered(tree))
    judged(utterances, rails, findings)
    changed = inspected(utterances, rails, findings)
    fault = _reviewed(request, reply, rails, findings)
    if not changed:
        return _Look(reply, findings, fault)
    told = without_logprobs(with_texts(tree, changed))
    account = told if request.kind is Kind.CHAT else _account(reply.tree, rails)
    return _Look(replace(reply, body=_body(told), tree=account), findings, fault)


def _reviewed(request: Request, reply: Reply, rails: Rails, findings: Findings) -> str:
    """What is wrong with an answer that can be repaired; empty for nothing."""
    text = _said(reply.tree)
    if text is None:
        return ""
    reviewed(request.body.tree, text, rails, findings)
    for rail, referee in rails.referees:
        if isinstance(referee, AnswerSchema) and referee.repair:
            opinion = referee.review(request.body.tree, text)
            if opinion is not None:
                return f"{rail.kind}: {opinion.detail}"
    return ""


def _said(tree: Mapping[str, Any]) -> str | None:
    """The text of the first choice of a chat's answer; None where it calls tools, or says nothing."""
    choices = tree.get("choices")
    message = choices[0].get("message") if isinstance(choices, list) and choices else None
    if not isinstance(message, dict) or message.get("tool_calls"):
        return None
    content = message.get("content")
    return content if isinstance(content, str) and content else None


def _account(tree: JsonObject, rails: Rails) -> JsonObject:
    """The answer in a chat's shape without what the client's shape was sent without."""
    changed: Mapping[Utterance, str] = inspected(list(answered(tree)), rails, Findings("output"))
    kept: JsonObject = without_logprobs(with_texts(tree, changed))
    return kept


def _tree(kind: Kind, reply: Reply) -> JsonObject | None:
    """What a client reads: JSON, or a text that is none (a transcript); None for pictures and sounds."""
    if kind is Kind.CHAT:
        return reply.tree
    tree = read_leniently(reply.body)
    if tree is not None:
        return tree
    try:
        return {_PLAIN: reply.body.decode()}
    except UnicodeDecodeError:
        return None


def _body(tree: JsonObject) -> bytes:
    plain = tree.get(_PLAIN)
    return plain.encode() if isinstance(plain, str) else json_of(tree)


# Where a body that is no JSON stands in a tree; no answer has a member without a name.
_PLAIN = ""
