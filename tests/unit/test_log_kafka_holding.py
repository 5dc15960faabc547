"""What a member holds: messages wait by partition number, and what comes later joins what waits."""

from aiokafka.structs import ConsumerRecord, TopicPartition

from shared.log.kafka.holding import HELD_BYTES, Holding

CALLS, SCORES = "calls", "scores"


def a_message(topic: str, partition: int, offset: int, value: bytes = b"") -> ConsumerRecord:
    return ConsumerRecord(topic, partition, offset, 0, 0, b"acme", value, None, 4, 0, ())


def test_what_comes_while_others_wait_joins_what_waits_of_its_partition_number() -> None:
    holding = Holding({}, {})
    calls, scores, other = (
        TopicPartition(CALLS, 3),
        TopicPartition(SCORES, 3),
        TopicPartition(CALLS, 5),
    )

    holding.add({other: [a_message(CALLS, 5, 0)], calls: [a_message(CALLS, 3, 7)]})
    holding.add({scores: [a_message(SCORES, 3, 2)], calls: [a_message(CALLS, 3, 8)]})

    assert holding.room(10) == 6
    assert holding.next_part() == (5, {other: [a_message(CALLS, 5, 0)]})
    assert holding.next_part() == (
        3,
        {
            calls: [a_message(CALLS, 3, 7), a_message(CALLS, 3, 8)],
            scores: [a_message(SCORES, 3, 2)],
        },
    )
    assert holding.room(10) == 10


def test_a_partition_that_never_ends_lets_the_others_have_their_turn() -> None:
    holding = Holding({}, {})
    hot, quiet = TopicPartition(CALLS, 0), TopicPartition(CALLS, 1)
    holding.add({hot: [a_message(CALLS, 0, 0)], quiet: [a_message(CALLS, 1, 0)]})

    taken = []
    for offset in range(1, 4):
        taken.append(holding.next_part()[0])
        holding.add({hot: [a_message(CALLS, 0, offset)]})

    assert taken == [0, 1, 0]


def test_nothing_more_is_fetched_while_much_waits_in_bytes() -> None:
    holding = Holding({}, {})
    place = TopicPartition(CALLS, 0)

    holding.add({place: [a_message(CALLS, 0, 0, b"x" * HELD_BYTES)]})
    full = holding.room(5_000)
    holding.next_part()

    assert full == 0
    assert holding.room(5_000) == 5_000
