"""The question by which a model repairs an answer: what it said, what was wrong with it, and to answer again."""

from dataclasses import replace
from typing import Any

from services.serving.domain.answer import Answer
from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind, Request
from services.serving.providers.port import Reply

_TEMPLATE = (
    "Your answer cannot be used: {fault}. Answer again with the JSON alone, "
    "complete and in the format that was asked for."
)


def asked_again(request: Request, reply: Reply, fault: str) -> Request:
    """The request with the answer that was not good and what was wrong with it behind it."""
    answer = Answer()
    answer.add(reply.tree)
    more = [
        {"role": "assistant", "content": answer.text},
        {"role": "user", "content": _TEMPLATE.format(fault=fault)},
    ]
    name = "input" if request.kind is Kind.RESPONSE else "messages"
    body = request.body.changed({name: [*_before(request.body.tree, name), *more]})
    return replace(request, body=body)


def _before(tree: JsonObject, name: str) -> list[Any]:
    given = tree.get(name)
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return list(given) if isinstance(given, list) else []
