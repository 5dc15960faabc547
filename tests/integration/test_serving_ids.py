"""A served call is paid for, whatever is sent under its id meanwhile."""

from pathlib import Path

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.serving.stream import OutboxJournal
from shared.clock import SimulatedClock
from shared.ids import new_id
from shared.live import LiveView
from shared.log.outbox import SqliteOutbox
from shared.log.reader import OutboxReader
from shared.log.record import Fact, OpenCall
from shared.topics import INTERACTION_COMPLETED
from tests.builders import NOW


def a_fact(call_id: str, source: str, digest: bytes = b"") -> Fact:
    message = InteractionCompleted(interaction_id=call_id, tenant="acme", source=source)
    return Fact(INTERACTION_COMPLETED, "acme", call_id, message.SerializeToString(), digest=digest)


async def test_a_call_whose_id_was_taken_is_told_under_another(tmp_path: Path) -> None:
    call_id, path, clock = new_id(), tmp_path / "edge.db", SimulatedClock(NOW)
    async with SqliteOutbox(path, clock) as outbox:
        await outbox.open(OpenCall(call_id, NOW, a_fact(call_id, "serving").value))
        await outbox.append([a_fact(call_id, "sdk", b"said")])

    # The process is killed here: the next one accounts for the call that it finds open.
    async with SqliteOutbox(path, clock) as outbox:
        journal = OutboxJournal(outbox, LiveView(b"p" * 32), clock)
        assert await journal.recover() == 1
        reader = OutboxReader(path)
        records, _ = reader.read([INTERACTION_COMPLETED.name], 0, 10)
        reader.close()

    told = [InteractionCompleted.FromString(record.value) for record in records]
    assert [message.source for message in told] == ["sdk", "serving"]
    assert told[0].interaction_id == call_id != told[1].interaction_id
    assert [record.event_id for record in records] == [message.interaction_id for message in told]
