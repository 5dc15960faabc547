"""What the Kafka log writes into messages, and reads out of them again."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiokafka.structs import ConsumerRecord

from shared.errors import Rejected
from shared.log.kafka.message import Place, dead_record, headers_of, record_of
from shared.log.kafka.stored import LANES, Stored
from shared.log.record import DeadLetter, Position, Record
from tests.builders import a_fact, a_record, an_interaction_completed

RECORD = a_record(a_fact(an_interaction_completed()), seq=7)


def a_message(record: Record, headers: Sequence[tuple[str, bytes]]) -> ConsumerRecord:
    return ConsumerRecord(
        topic=f"prefix.{record.topic}",
        partition=record.partition,
        offset=42,
        timestamp=record.accepted_at_us // 1000,
        timestamp_type=0,
        key=record.key.encode(),
        value=record.value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(headers),
    )


def test_a_record_comes_back_as_it_was_sent_down_to_the_microsecond() -> None:
    sent = replace(RECORD, accepted_at_us=1_767_225_600_123_456, headers={"only_for": "billing"})

    back = record_of(a_message(sent, headers_of(sent)), sent.topic, "source")

    assert back == replace(sent, source="source", offset=42)


def test_a_message_carries_the_attributes_that_cloudevents_asks_for() -> None:
    headers = dict(headers_of(RECORD))

    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == RECORD.event_id.encode()
    assert headers["ce_type"] == b"interaction.completed.v1"
    assert headers["ce_source"] == b"/leeway/edge"
    assert headers["ce_time"] == b"2026-11-24T08:00:00+00:00"
    assert headers["content-type"] == b"application/protobuf"


@pytest.mark.parametrize("missing", ["producer", "epoch", "seq", "ce_id", "ce_time"])
def test_a_message_without_its_place_is_no_fact(missing: str) -> None:
    headers = [each for each in headers_of(RECORD) if each[0] != missing]

    with pytest.raises(Rejected, match=missing):
        record_of(a_message(RECORD, headers), RECORD.topic, "source")


def test_a_dead_letter_keeps_the_bytes_and_says_who_gave_up_on_what_and_why() -> None:
    dead = dead_record(DeadLetter(RECORD, "no price"), "billing", Place("billing.3", "e2", 1))

    assert (dead.topic, dead.value) == ("interaction.completed.v1.dlq", RECORD.value)
    assert (dead.producer, dead.epoch, dead.seq) == ("billing.3", "e2", 1)
    assert dead.headers["group"] == "billing"
    assert dead.headers["reason"] == "no price"
    assert dead.headers["origin"] == f"{RECORD.lane}#7"


def test_what_a_seat_stores_comes_back_the_same() -> None:
    stored = Stored({"t/id/3": Position(12, {"edge/e1/t/3": 11})}, "e2", {"usage.rated.v1/3": 5})

    assert Stored.load(stored.dump()) == stored


def test_lanes_that_moved_last_are_kept_and_those_of_processes_long_gone_forgotten() -> None:
    first = {f"lane {n}": 1 for n in range(LANES)}
    stored = Stored().moved({"s": Position(LANES, first)}, {})

    stored = stored.moved({"s": Position(LANES + 1, {**first, "lane 0": 2, "new": 1})}, {})

    seqs = stored.positions["s"].seqs
    assert len(seqs) == LANES
    assert (seqs["lane 0"], seqs["new"]) == (2, 1)
    assert "lane 1" not in seqs
    assert "lane 2" in seqs
