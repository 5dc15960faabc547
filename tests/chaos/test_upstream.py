"""Upstreams fail in every way they know, and the edge is killed meanwhile: every call to one is accounted for."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.chaos.ledger import Verdict
from tests.chaos.report import Trial
from tests.chaos.upstreams import Callers, Recorded, Stub, callers

CALLS, KILLS, SETTLED = 160, 3, {"ok", "error", "interrupted", "cancelled"}
IDLE_SECONDS = "1"
# Here the upstream shall be asked, however often it fails.
NEVER_LEFT_ALONE = {
    "LEEWAY_SERVING_BREAKER_CONSECUTIVE": "1000000",
    "LEEWAY_SERVING_BREAKER_MIN_CALLS": "1000000",
}

KINDS: dict[str, tuple[Stub, bool]] = {
    "answer": ({}, False),
    "stream": ({"pause": 0.01}, True),
    "429": ({"status": 429, "headers": {"retry-after": "1"}, "body": '{"error": {}}'}, False),
    "500": ({"status": 500, "body": "oops"}, False),
    "hang": ({"hang": True}, False),
    "hang of a stream": ({"hang": True}, True),
    "stream cut off": ({"cut_after": 3}, True),
    "stream that says an error": ({"error_after": 2}, True),
    "no UTF-8": ({"body": '{"choices": [\xff\xfe]}'}, False),
    "stream of no UTF-8": (
        {"body": "data: \xff\xfe\n\n", "content_type": "text/event-stream"},
        True,
    ),
    "200 with an error": ({"body": '{"error": {"message": "overloaded"}}'}, False),
    "200 without an answer": ({"body": ""}, False),
}


@pytest.mark.fault(22)
@pytest.mark.chaos
async def test_every_call_of_a_failing_upstream_is_recorded_once_through_kills(
    trial: Trial, tmp_path: Path
) -> None:
    names = [trial.random.choice(list(KINDS)) for _ in range(CALLS)]
    for name in names:
        trial.inject(name)
    settings = {"LEEWAY_SERVING_UPSTREAM_IDLE_SECONDS": IDLE_SECONDS, **NEVER_LEFT_ALONE}
    async with callers(tmp_path, trial, **settings) as clients:
        calling = asyncio.create_task(clients.call([KINDS[name] for name in names]))
        await _kill_meanwhile(clients, calling, trial.random)
        await calling
        asked, recorded = clients.asked(), await clients.all_recorded()
        assert await clients.house.books_add_up()

    answers = clients.answers
    whole = {name for name, answer in answers.items() if answer.status == 200 and answer.body}
    settle(trial, set(asked), recorded)
    assert all(recorded[name].status == "ok" for name in whole)
    assert all(
        one.attempts == asked[name] or one.status == "interrupted"
        for name, one in recorded.items()
        if answers[name].status
    )
    assert {answer.status for answer in answers.values()} <= {0, 200, 429, 500, 502, 503, 504}


@pytest.mark.fault(27)
@pytest.mark.chaos
async def test_every_call_that_reached_the_upstream_is_settled_or_interrupted_after_kills(
    trial: Trial, tmp_path: Path
) -> None:
    kinds = [trial.random.choice((({}, False), ({"pause": 0.02}, True))) for _ in range(2 * CALLS)]
    async with callers(tmp_path, trial) as clients:
        calling = asyncio.create_task(clients.call(kinds))
        await _kill_meanwhile(clients, calling, trial.random)
        await calling
        asked, recorded = clients.asked(), await clients.all_recorded()
        rated = {one for one in recorded.values() if one.status == "ok"}
        assert await clients.house.books_add_up()

    settle(trial, set(asked), recorded)
    assert rated
    assert {one.status for one in recorded.values()} <= {"ok", "interrupted", "cancelled"}


def settle(trial: Trial, asked: set[str], recorded: dict[str, Recorded]) -> None:
    """Each call that the upstream was asked is recorded, once, with what became of it."""
    assert {one.status for one in recorded.values()} <= SETTLED
    trial.settle(
        Verdict(
            accepted=len(asked),
            stored=len(asked & set(recorded)),
            lost=len(asked - set(recorded)),
            duplicated=sum(one.copies > 1 for one in recorded.values()),
        )
    )


async def _kill_meanwhile(
    clients: Callers, calling: "asyncio.Task[None]", draw: random.Random
) -> None:
    """Kill the edge at random moments, until it was often enough or everything was called."""
    for kill in range(1, KILLS + 1):
        enough = kill * CALLS // (KILLS + 1) - draw.randrange(10)
        while len(clients.answers) < enough and not calling.done():
            await asyncio.sleep(0.01)
        await clients.house.end("edge-0")
