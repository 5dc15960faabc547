"""The contract of the wire: of every topic a real fact that is read, handled by all who consume it, and kept."""

import hashlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from google.protobuf import text_format

from leeway_pb.v1.registry_pb2 import RegistryChanged

from services.warehouse.domain import frames
from services.warehouse.settings import Settings as WarehouseSettings
from services.warehouse.store import FACT_TABLES, read_schemas
from services.warehouse.stream import Sink
from shared.clickhouse import ProtobufSchema
from shared.clock import SimulatedClock
from shared.live import LiveView
from shared.log.record import Fact, Handler, Record
from shared.topics import ALL, REGISTRY_CHANGED, Topic
from tests.builders import NOW, a_record
from tests.corpora.topics import FOLDER, an_example, message_type, wire
from tests.hosting import Hosting

# A later producer's field: number 1999, a text. No message of v1 has it.
UNKNOWN_FIELD = b"\xfa\x7c\x05later"
EVENT_ID = "019ab4f2-4000-7000-8000-0000000000e1"

CONSUMED = [
    pytest.param(topic, consumer, id=f"{consumer}-{topic.name}")
    for topic in ALL
    for consumer in topic.consumers
    if topic is not REGISTRY_CHANGED
]

every_topic = pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)


class Blocks:
    """A store that keeps the blocks that it is given."""

    def __init__(self, schemas: Mapping[str, ProtobufSchema]) -> None:
        self.schemas = schemas
        self.blocks: list[tuple[str, bytes]] = []

    async def insert(self, table: str, block: bytes, token: str) -> None:
        del token
        self.blocks.append((table, block))


def test_every_topic_has_one_example_and_no_example_is_of_no_topic() -> None:
    files = {path.name for path in FOLDER.iterdir() if path.suffix == ".textproto"}

    assert files == {f"{topic.name}.textproto" for topic in ALL}


@every_topic
def test_an_example_tells_whose_it_is_and_sets_no_field_of_the_sink(topic: Topic) -> None:
    told = {field.name for field, _ in an_example(topic).ListFields()}

    assert "tenant" in told
    assert not any(name.startswith("_") for name in told)


@every_topic
def test_an_example_says_the_same_after_the_wire_and_after_text(topic: Topic) -> None:
    message = an_example(topic)

    decoded = message_type(topic).FromString(wire(message))
    rewritten = text_format.Parse(text_format.MessageToString(decoded), message_type(topic)())

    assert decoded == rewritten == message
    assert wire(decoded) == wire(message)


@every_topic
def test_the_bytes_of_a_first_version_never_change(topic: Topic) -> None:
    """Red means that v1 was broken: a field renumbered or retyped, or an example edited. A break is v2."""
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}

    assert sums.get(topic.name) == hashlib.sha256(wire(an_example(topic))).hexdigest()


@every_topic
def test_a_field_of_a_later_producer_survives_who_reads_and_writes_again(topic: Topic) -> None:
    value = wire(an_example(topic)) + UNKNOWN_FIELD

    again = message_type(topic).FromString(value).SerializeToString()

    assert UNKNOWN_FIELD in again
    assert len(again) == len(value)


@pytest.mark.parametrize("later", [b"", UNKNOWN_FIELD], ids=["as-it-is", "of-a-later-producer"])
@pytest.mark.parametrize(("topic", "consumer"), CONSUMED)
async def test_every_consumer_handles_the_example(
    topic: Topic, consumer: str, later: bytes, tmp_path: Path
) -> None:
    record = _record(topic, later)

    async with AsyncExitStack() as stack:
        handler = await _handler(consumer, tmp_path, stack)
        effect = await handler.handle([record])

    assert list(effect.dead_letters) == []


@pytest.mark.parametrize("consumer", REGISTRY_CHANGED.consumers)
def test_every_door_knows_the_key_of_the_registrys_example(consumer: str, tmp_path: Path) -> None:
    live = LiveView(b"p" * 32)
    Hosting(tmp_path, live).build(consumer)

    live.apply(RegistryChanged.FromString(wire(an_example(REGISTRY_CHANGED)) + UNKNOWN_FIELD))

    assert live.revision == 42
    assert live.keys["aN7kQ2xz"].scopes == {"serve", "feedback"}


@every_topic
def test_what_is_framed_for_a_store_holds_the_fact_to_the_letter(topic: Topic) -> None:
    record = _record(topic, UNKNOWN_FIELD)

    (frame,) = frames([record])

    assert record.value in frame


async def _handler(consumer: str, folder: Path, stack: AsyncExitStack) -> Handler:
    """The consumer's handler as its service builds it, ready; but the warehouse's store only keeps blocks."""
    if consumer == "warehouse":
        store = Blocks(read_schemas(WarehouseSettings().protos))
        return Sink(
            store, {table.topic.name: table.name for table in FACT_TABLES}, SimulatedClock(NOW)
        )
    hosting = Hosting(folder)
    for resource in hosting.build(consumer).resources:
        await stack.enter_async_context(resource)
    return hosting.asked[0].handler


def _record(topic: Topic, later: bytes) -> Record:
    message = an_example(topic)
    return a_record(Fact(topic, message.tenant, EVENT_ID, wire(message) + later))
