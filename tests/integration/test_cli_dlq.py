"""`leeway dlq` over both logs: what was given up on, why, and playing it again."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli import dlq
from shared.errors import Invalid, NotFound
from shared.log.record import Fact
from shared.topics import ALL, INTERACTION_COMPLETED
from tests.builders import an_interaction_completed
from tests.embedded import EmbeddedHarness
from tests.kafka import KafkaHarness, a_cluster
from tests.logs import Collecting, Harness, a_fact

GROUPS = ("g", "h")


class Desk:
    """The command line before a log in which group `g` gave up on one record of two."""

    def __init__(self, log: Harness, environment: Mapping[str, str]) -> None:
        self.log = log
        self._environment = environment

    async def run(self, *arguments: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, dlq.app, arguments, env=self._environment
        )

    async def listed(self, *arguments: str) -> list[dict[str, object]]:
        result = await self.run("list", "--json", *arguments)
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(params=["embedded", "kafka"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    folder = tmp_path / "log"
    folder.mkdir()
    environment = {"LEEWAY_DATA": str(tmp_path)}
    log: Harness = EmbeddedHarness(folder)
    if request.param == "kafka":
        cluster = await a_cluster(request.getfixturevalue("broker"), ALL, GROUPS)
        environment |= {"LEEWAY_KAFKA": cluster.servers, "LEEWAY_KAFKA_PREFIX": cluster.prefix}
        log = KafkaHarness(folder, cluster)
    return Desk(log, environment)


async def test_a_dead_letter_is_listed_shown_and_played_again_for_its_group_alone(
    desk: Desk,
) -> None:
    rejecting, mending, other = Collecting(done=2), Collecting(done=2), Collecting(done=3)
    rejecting.reject = b"value 1"
    async with desk.log.outbox() as outbox:
        await outbox.append([a_fact(1), a_fact(2)])
        await desk.log.run(rejecting, rejecting.stop)

        (letter,) = await desk.listed("--group", "g")
        shown = json.loads((await desk.run("show", str(letter["id"]))).stdout)
        played = await desk.run("replay", str(letter["id"]))
        await outbox.append([a_fact(3)])
        await desk.log.run(mending, mending.stop)
        await desk.log.run(other, other.stop, "h")

    assert (letter["topic"], letter["tenant"]) == (INTERACTION_COMPLETED.name, "acme")
    assert (letter["event_id"], letter["reason"]) == (a_fact(1).event_id, "no")
    assert shown["value_hex"] == b"value 1".hex()
    assert played.stdout == "1 played again.\n"
    assert sorted(r.value for r in mending.records) == [b"value 1", b"value 3"]
    assert sorted(r.value for r in other.records) == [b"value 1", b"value 2", b"value 3"]


async def test_a_value_that_can_be_decoded_is_shown_as_its_message(desk: Desk) -> None:
    message = an_interaction_completed()
    rejecting = Collecting(done=1)
    rejecting.reject = b"demo"
    fact = Fact(INTERACTION_COMPLETED, "acme", message.interaction_id, message.SerializeToString())
    async with desk.log.outbox() as outbox:
        await outbox.append([fact])
        await desk.log.run(rejecting, rejecting.stop)
        (letter,) = await desk.listed("--topic", INTERACTION_COMPLETED.name)

        shown = json.loads((await desk.run("show", str(letter["id"]))).stdout)

    assert shown["value"]["request_model"] == "demo"
    assert shown["headers"]["group"] == "g"


async def test_a_letter_that_is_not_there_and_a_replay_of_nothing_named_are_refused(
    desk: Desk,
) -> None:
    missing = await desk.run("show", "edge-0:77")
    nothing = await desk.run("replay")

    assert isinstance(missing.exception, NotFound)
    assert isinstance(nothing.exception, Invalid)
