"""What every implementation of the log's ports keeps, as one suite; a harness says how each is set up."""

import asyncio

from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED, USAGE_RATED
from tests.logs import (
    Collecting,
    Counting,
    Dying,
    Harness,
    Rating,
    Surviving,
    a_fact,
    a_good_fact,
    gaps,
)


class LogSuite:
    """Subclasses give the fixture `log`."""

    async def test_records_keep_their_order_and_are_numbered_from_one(self, log: Harness) -> None:
        handler = Collecting(done=250)
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(250)])

            await log.run(handler, handler.stop)

        assert [r.value for r in handler.records] == [f"value {n}".encode() for n in range(250)]
        assert [r.seq for r in handler.records] == list(range(1, 251))
        assert {r.key for r in handler.records} == {"acme"}

    async def test_concurrent_appends_are_all_stored_once(self, log: Harness) -> None:
        handler = Collecting(done=500)
        async with log.outbox() as outbox:
            await asyncio.gather(*(outbox.append([a_fact(n)]) for n in range(500)))

            await log.run(handler, handler.stop)

        assert sorted(r.event_id for r in handler.records) == [
            a_fact(n).event_id for n in range(500)
        ]

    async def test_a_fact_sent_again_is_accepted_once(self, log: Harness) -> None:
        handler = Collecting(done=2)
        async with log.outbox() as outbox:
            await outbox.append([a_fact(1, digest=b"1")])
            refused = await outbox.append([a_fact(1, digest=b"1"), a_fact(2)])

            await log.run(handler, handler.stop)

        assert list(refused) == []
        assert [r.value for r in handler.records] == [b"value 1", b"value 2"]

    async def test_an_id_with_other_content_is_refused_and_the_facts_around_it_are_stored(
        self, log: Harness
    ) -> None:
        handler = Collecting(done=3)
        other = a_fact(1, digest=b"other")
        async with log.outbox() as outbox:
            assert list(await outbox.append([a_fact(1, digest=b"1")])) == []
            refused = await outbox.append([a_fact(2), other, a_fact(1, digest=b"1"), a_fact(3)])

            await log.run(handler, handler.stop)

        assert list(refused) == [other]
        assert [r.value for r in handler.records] == [b"value 1", b"value 2", b"value 3"]
        assert [r.seq for r in handler.records] == [1, 2, 3]

    async def test_of_two_contents_under_one_id_in_one_call_the_first_is_stored(
        self, log: Harness
    ) -> None:
        handler = Collecting(done=2)
        first, second = a_fact(1, digest=b"1"), a_fact(1, digest=b"2")
        async with log.outbox() as outbox:
            refused = await outbox.append([first, second, a_fact(2), second])

            await log.run(handler, handler.stop)

        assert list(refused) == [second, second]
        assert [r.value for r in handler.records] == [b"value 1", b"value 2"]

    async def test_of_callers_at_the_same_time_each_is_told_of_its_own_facts(
        self, log: Harness
    ) -> None:
        facts = [a_fact(1, digest=b"%d" % n) for n in range(20)]
        async with log.outbox() as outbox:
            answers = await asyncio.gather(*(outbox.append([fact]) for fact in facts))

        refused = [list(answer) for answer in answers]
        assert refused.count([]) == 1
        assert all(told in ([], [fact]) for told, fact in zip(refused, facts, strict=True))

    async def test_what_nobody_sent_conflicts_with_what_is_sent_under_its_id(
        self, log: Harness
    ) -> None:
        async with log.outbox() as outbox:
            await outbox.append([a_fact(1)])

            assert list(await outbox.append([a_fact(1)])) == []
            assert list(await outbox.append([a_fact(1, digest=b"1")])) == [a_fact(1, digest=b"1")]

    async def test_a_later_life_remembers_what_was_sent_under_an_id(self, log: Harness) -> None:
        same, other = a_fact(1, digest=b"1"), a_fact(1, digest=b"2")
        async with log.outbox() as outbox:
            await outbox.append([same])
        async with log.outbox() as outbox:
            assert list(await outbox.append([same, other])) == [other]

    async def test_two_tenants_may_choose_the_same_id(self, log: Harness) -> None:
        handler = Collecting(done=2)
        async with log.outbox() as outbox:
            facts = [a_fact(1, tenant=name, digest=name.encode()) for name in ("acme", "bank")]
            assert list(await outbox.append(facts)) == []

            await log.run(handler, handler.stop)

        assert {r.key for r in handler.records} == {"acme", "bank"}

    async def test_a_group_goes_on_where_it_stopped_and_gets_its_state_back(
        self, log: Harness
    ) -> None:
        first, second = Collecting(done=3), Collecting(done=2)
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(3)])
            await log.run(first, first.stop)
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(3, 5)])

            await log.run(second, second.stop)

        assert [r.value for r in second.records] == [b"value 3", b"value 4"]
        assert second.restored == {"count": b"3"}

    async def test_several_producers_are_read_as_one_log(self, log: Harness) -> None:
        handler = Collecting(done=20)
        async with log.outbox("edge-0") as one, log.outbox("edge-1") as two:
            await one.append([a_fact(n) for n in range(10)])
            await two.append([a_fact(n) for n in range(10, 20)])

            await log.run(handler, handler.stop)

        assert {r.event_id for r in handler.records} == {a_fact(n).event_id for n in range(20)}
        assert {r.producer for r in handler.records} == {"edge-0", "edge-1"}

    async def test_a_batch_that_is_unavailable_is_tried_again_whole(self, log: Harness) -> None:
        handler = Collecting(done=3)
        handler.unavailable = 2
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(3)])

            await log.run(handler, handler.stop)

        assert len(handler.batches) == 3
        assert handler.batches[0] == handler.batches[1] == handler.batches[2]
        assert len(handler.records) == 3

    async def test_a_record_that_crashes_its_handler_is_found_and_buried_alone(
        self, log: Harness
    ) -> None:
        handler = Collecting(done=3)
        handler.crash_on = b"value 2"
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(4)])

            await log.run(handler, handler.stop)
            dead = await log.dead(INTERACTION_COMPLETED)

        assert [r.value for r in handler.records] == [b"value 0", b"value 1", b"value 3"]
        assert [(d.value, d.headers["reason"]) for d in dead] == [
            (b"value 2", "ValueError: poison")
        ]
        assert (dead[0].event_id, dead[0].headers["group"]) == (a_fact(2).event_id, "g")

    async def test_a_crash_leaves_no_mark_on_the_state_that_later_records_find(
        self, log: Harness
    ) -> None:
        handler = Counting(done=4)
        handler.crash_on = b"value 2"
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(5)])

            await log.run(handler, handler.stop)

        assert [r.value for r in handler.records] == [f"value {n}".encode() for n in (0, 1, 3, 4)]
        assert handler.counted == 4

    async def test_a_group_that_rejects_everything_stops_itself(self, log: Harness) -> None:
        handler = Collecting(done=1000)
        handler.reject = b"value"
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(8)])

            consumer = await log.run(handler, handler.stop)

        assert consumer.halted

    async def test_a_group_that_rejects_nine_of_ten_stops_itself(self, log: Harness) -> None:
        handler = Collecting(done=300)
        handler.reject = b"value"
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) if n % 10 else a_good_fact(n) for n in range(300)])

            consumer = await log.run(handler, handler.stop)

        assert consumer.halted
        assert len(handler.records) == 10  # of the first batch

    async def test_who_comes_after_a_halt_stops_sooner(self, log: Harness) -> None:
        first, second, mended = Collecting(done=1000), Collecting(done=1000), Collecting(done=9)
        first.reject = second.reject = b"value"
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(8)])
            assert (await log.run(first, first.stop)).halted

            await outbox.append([a_fact(8), a_fact(9)])
            assert (await log.run(second, second.stop)).halted

            await outbox.append([a_fact(n) for n in range(10, 19)])
            consumer = await log.run(mended, mended.stop)
            dead = await log.dead(INTERACTION_COMPLETED)

        assert not consumer.halted
        assert len(mended.records) == 9
        assert len(dead) == 10

    async def test_effect_and_position_are_stored_together(self, log: Harness) -> None:
        rating, reading = Rating(done=5), Collecting(done=5)
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(5)])
            await log.run(rating, rating.stop, "billing")

            await log.run(reading, reading.stop, "w", [USAGE_RATED])

        assert [r.value for r in reading.records] == [b"rated"] * 5
        assert [r.seq for r in reading.records] == [1, 2, 3, 4, 5]

    async def test_an_exact_batch_comes_again_the_same_after_a_kill(self, log: Harness) -> None:
        dying, surviving = Dying(done=4), Surviving(done=9)
        async with log.outbox() as outbox:
            await outbox.append([a_fact(n) for n in range(4)])
            await log.run(dying, dying.stop)
            await outbox.append([a_fact(n) for n in range(4, 9)])

            await log.run(surviving, surviving.stop)

        assert surviving.batches[0] == dying.batches[0]
        assert [r.value for r in surviving.records] == [f"value {n}".encode() for n in range(9)]

    async def test_a_missing_record_is_reported_as_a_gap(self, log: Harness) -> None:
        first, second = Collecting(done=1), Collecting(done=1)
        async with log.outbox() as outbox:
            await outbox.append([a_fact(1)])
            await log.run(first, first.stop)
            await outbox.append([a_fact(2), a_fact(3)])
            log.lose(2)
            before = gaps("g")

            await log.run(second, second.stop)

        assert gaps("g") - before == 1

    async def test_what_a_new_group_finds_without_its_beginning_is_no_gap(
        self, log: Harness
    ) -> None:
        handler = Collecting(done=119 + 2 + 2)
        async with log.outbox("edge-0") as one, log.outbox("edge-1") as two:
            await one.append([a_fact(n) for n in range(120)])
            await one.append([a_fact(n, tenant="bank") for n in range(120, 123)])
            await two.append([a_fact(n) for n in range(123, 126)])
            log.lose(1, "edge-0")
            log.lose(1, "edge-1")
            before = gaps("g")

            await log.run(handler, handler.stop)

        assert gaps("g") == before

    async def test_what_began_after_a_group_and_lacks_its_beginning_is_a_gap(
        self, log: Harness
    ) -> None:
        first, second = Collecting(done=1), Collecting(done=2)
        async with log.outbox("edge-0") as one, log.outbox("edge-1") as two:
            await one.append([a_fact(1)])
            await log.run(first, first.stop)
            await two.append([a_fact(n) for n in range(2, 5)])
            log.lose(1, "edge-1")
            before = gaps("g")

            await log.run(second, second.stop)

        assert gaps("g") - before == 1

    async def test_records_of_other_topics_are_passed_over(self, log: Harness) -> None:
        handler = Collecting(done=1)
        async with log.outbox() as outbox:
            await outbox.append([a_fact(1, topic=FEEDBACK_RECEIVED), a_fact(2)])

            await log.run(handler, handler.stop)

        assert [r.value for r in handler.records] == [b"value 2"]
