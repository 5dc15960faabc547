"""Guards on whole answers: what is redacted, what is asked for once more, and what is said of a blocked one."""

import asyncio
from typing import Any

import orjson
import pytest

from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind, Request
from services.serving.guards.answers import whole
from services.serving.providers.port import Reply
from tests.guards import (
    MAIL,
    PII,
    a_chat,
    a_guardrail,
    a_reply,
    a_request,
    answered,
    rails,
)


def test_a_whole_answer_is_redacted_in_its_body_and_in_its_account() -> None:
    judged = answered(a_chat("hi"), a_reply(f"Write to {MAIL}."), rails(PII))

    assert orjson.loads(judged.reply.body) == judged.reply.tree
    assert judged.reply.tree["choices"][0]["message"]["content"] == "Write to [EMAIL]."
    assert not judged.blocked


def test_an_answer_without_a_find_is_sent_byte_for_byte() -> None:
    reply = a_reply("All is well.")

    assert answered(a_chat("hi"), reply, rails(PII)).reply is reply


@pytest.mark.parametrize(
    ("kind", "body", "ended"),
    [
        (Kind.CHAT, None, lambda t: t["choices"][0]["finish_reason"] == "content_filter"),
        (Kind.COMPLETION, {"choices": [{"index": 0, "text": MAIL}]}, lambda t: t["choices"][0]["text"] == ""),
        (Kind.MESSAGE, {"content": [{"type": "text", "text": MAIL}], "usage": {"n": 1}}, lambda t: t["stop_reason"] == "refusal"),
        (Kind.RESPONSE, {"id": "r", "output": [{"content": [{"text": MAIL}]}]}, lambda t: t["incomplete_details"] == {"reason": "content_filter"}),
    ],
)  # fmt: skip
def test_a_blocked_answer_is_said_in_its_protocol_and_holds_nothing(
    kind: Kind, body: Any, ended: Any
) -> None:
    reply = a_reply(MAIL, kind=kind, body=body)

    judged = answered(a_request(kind), reply, rails(a_guardrail("pii", "block")))

    assert judged.blocked
    assert ended(orjson.loads(judged.reply.body))
    assert b"canary" not in judged.reply.body
    assert "canary" not in str(judged.reply.tree)
    assert judged.reply.tree["usage"] == {"n": 1}
    assert judged.replies == (reply,)


class Again:
    """A repair that answers once more, and keeps what it was asked."""

    def __init__(self, text: str) -> None:
        self.asked: list[Request] = []
        self._text = text

    async def again(self, request: Request) -> Reply:
        self.asked.append(request)
        return a_reply(self._text)


@pytest.mark.parametrize(("second", "blocked"), [('{"a": 1}', False), ('{"a": "x"}', True)])
def test_an_answer_that_is_not_of_its_schema_is_asked_for_once_more(
    second: str, *, blocked: bool
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    guard = a_guardrail("json_schema", "block", options={"schema": schema, "repair": True})
    repair = Again(second)

    judged = asyncio.run(whole(a_chat("hi"), a_reply('{"a": "y"}'), rails(guard), repair))

    assert len(repair.asked) == 1
    assert [m["role"] for m in repair.asked[0].body.tree["messages"]] == [
        "user",
        "assistant",
        "user",
    ]
    assert "fails /properties/a/type" in repair.asked[0].body.tree["messages"][2]["content"]
    assert judged.blocked is blocked
    assert len(judged.replies) == 2


def test_an_answer_that_is_too_deep_to_be_searched_is_none() -> None:
    deep = orjson.loads(b'{"a":' * 400 + b'"x"' + b"}" * 400)

    with pytest.raises(UpstreamFailed):
        answered(a_request(Kind.MESSAGE), a_reply("", body={"content": [deep]}), rails(PII))


def test_a_repair_that_was_needed_is_recorded() -> None:
    guard = a_guardrail(
        "json_schema", "block", options={"schema": {"type": "object"}, "repair": True}
    )

    judged = asyncio.run(whole(a_chat("hi"), a_reply("[]"), rails(guard), Again("{}")))

    assert [(v.action, v.category) for v in judged.verdicts] == [("flag", "repaired")]


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (Kind.AUDIO, f"Write to {MAIL}.".encode(), b"Write to [EMAIL]."),
        (Kind.AUDIO, b"\xff\xfb\x90canary", b"\xff\xfb\x90canary"),
        (
            Kind.MESSAGE,
            f'{{"content":[{{"text":"\\ud83d {MAIL}"}}]}}'.encode(),
            b'{"content":[{"text":"\\ud83d [EMAIL]"}]}',
        ),
    ],
)
def test_no_form_of_an_answer_gets_by(kind: Kind, body: bytes, told: bytes) -> None:
    reply = Reply(body, {}, None)

    assert answered(a_request(kind), reply, rails(PII)).reply.body == told
