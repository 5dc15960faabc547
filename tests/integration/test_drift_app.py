"""Drift as it runs: real texts through WordLlama, the shelf on disk, and no network."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from leeway_pb.v1.detection_pb2 import DriftDetected

from services.drift.app import build
from services.drift.settings import Settings
from services.drift.store import Shelf, StoredPlaces
from services.drift.stream import DriftHandler
from services.drift.whereabouts import Place, Subject
from shared.clickhouse import ClickHouse
from shared.clock import SimulatedClock
from shared.config import Config
from shared.errors import Unavailable
from shared.lifecycle import ClickHouseAddress, Host
from shared.live import LiveView
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.record import Handler, Record
from shared.topics import Topic
from tests.builders import NOW, a_fact, a_record, an_interaction_completed
from tests.fakes import FakeOutbox
from tests.stores import a_record as stored_record
from tests.stores import a_sink, a_store, an_interaction

SUBJECTS = [
    "invoice",
    "refund",
    "password",
    "delivery",
    "card",
    "account",
    "address",
    "order",
    "receipt",
    "balance",
]
VERBS = ["find", "change", "cancel", "check", "update", "open", "close", "print", "move", "explain"]
DETAILS = [
    "today",
    "quickly",
    "please",
    "online",
    "again",
    "myself",
    "safely",
    "by_phone",
    "tomorrow",
    "abroad",
]

NO_SOCKETS = """
import asyncio, sys
def refuse(event, args):
    if event.startswith("socket."):
        raise RuntimeError(f"the embedder used the network: {event}")
from shared.embedding import WordLlamaEmbedder
async def main():
    async with WordLlamaEmbedder() as embedder:
        print(embedder.embed(["hello", "", "goodbye"]).shape)
loop = asyncio.new_event_loop()
sys.addaudithook(refuse)
loop.run_until_complete(main())
"""


class FakeConsumer(Consumer):
    """A consumer that only keeps what it was built of."""

    def __init__(self, group: str, topics: Sequence[Topic], handler: Handler) -> None:
        self.group, self.topics, self.handler = group, topics, handler


def a_host(data: Path, built: list[FakeConsumer]) -> Host:
    def group(name: str, topics: Sequence[Topic], handler: Handler, _: ConsumerLimits) -> Consumer:
        built.append(FakeConsumer(name, topics, handler))
        return built[-1]

    return Host(
        data=data,
        config=Config(),
        clock=SimulatedClock(NOW),
        outbox=FakeOutbox(),
        live=LiveView(b"pepper"),
        clickhouse=ClickHouseAddress("", "", ""),
        group=group,
    )


def asking(texts: Sequence[str], begin: int = 0) -> list[Record]:
    return [
        a_record(a_fact(an_interaction_completed(interaction_id=f"i-{n}", input_text=text)), seq=n)
        for n, text in enumerate(texts, begin + 1)
    ]


async def test_the_built_service_finds_a_new_kind_of_question(tmp_path: Path) -> None:
    built: list[FakeConsumer] = []
    app = build(Settings(), a_host(tmp_path, built))
    handler = built[0].handler
    assert isinstance(handler, DriftHandler)
    drawn = random.Random(1)
    usual = [
        f"How do I {drawn.choice(VERBS)} my {drawn.choice(SUBJECTS)} {drawn.choice(DETAILS)}?"
        for _ in range(500)
    ]
    new = [f"Which volcano erupted in the Pleistocene, number {n}?" for n in range(30)]

    async with AsyncExitStack() as stack:
        for resource in app.resources:
            await stack.enter_async_context(resource)
        handler.restore({})
        await handler.handle(asking(usual))
        effect = await handler.handle(asking(new, 500))

    found = [
        DriftDetected.FromString(fact.value)
        for fact in effect.facts
        if fact.topic.name == "drift.detected.v1"
    ]
    assert (built[0].group, len(built[0].topics), app.name) == ("drift", 3, "drift")
    assert [(one.feature, one.direction) for one in found] == [("embedding", "new")]
    assert "volcano" in found[0].summary


async def test_the_loop_runs_on_while_a_batch_is_worked_on(tmp_path: Path) -> None:
    built: list[FakeConsumer] = []
    app = build(Settings(), a_host(tmp_path, built))
    usual = [f"{VERBS[n % 10]} {SUBJECTS[n // 10 % 10]} {n}" for n in range(450)]
    turns = 0

    async with AsyncExitStack() as stack:
        for resource in app.resources:
            await stack.enter_async_context(resource)
        work = asyncio.ensure_future(built[0].handler.handle(asking(usual)))
        while not work.done():
            turns += 1
            await asyncio.wait([work], timeout=0.01)

    assert turns >= 5


async def test_a_shelf_gives_back_what_was_put_once(tmp_path: Path) -> None:
    async with Shelf(tmp_path / "drift" / "shelf.sqlite") as shelf:
        shelf.put("s", {"s/a": b"1", "s/b": b"2"})
        shelf.put("t", {"t/a": b"3"})

        assert shelf.take("s") == {"s/a": b"1", "s/b": b"2"}
        assert shelf.take("s") == {}
        shelf.clear()
        assert shelf.take("t") == {}


async def test_stored_interactions_say_where_they_ran_however_old(tmp_path: Path) -> None:
    old = an_interaction(7, "acme", request_model="large", environment="staging")
    facts = [
        stored_record(old.SerializeToString(), 1),
        stored_record(an_interaction(8, "beta").SerializeToString(), 2),
    ]
    mine = Subject("acme", old.interaction_id)
    others = [Subject(f"{n:063}", f"{n:036}") for n in range(500)]  # as long as they may be
    asked = [mine, Subject("acme", "beta-000008"), Subject("acme", "o'clock"), *others]

    async with a_store(tmp_path) as store, store.client() as client:
        await a_sink(client).handle(facts)
        found = await StoredPlaces(client, 20).places(asked)

    assert found == {mine: Place("large", "staging")}


async def test_a_store_that_is_not_there_does_not_say_where_interactions_ran() -> None:
    nobody = ClickHouse(ClickHouseAddress("http://127.0.0.1:9", "leeway", ""))

    async with nobody:
        with pytest.raises(Unavailable):
            await StoredPlaces(nobody, 20).places([Subject("acme", "i-1")])


def test_the_embedder_opens_no_socket() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_SOCKETS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    assert (done.returncode, done.stdout) == (0, "(3, 256)\n"), done.stderr
