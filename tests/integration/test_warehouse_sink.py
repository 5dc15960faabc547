"""The sink against the real engine: every fact once, poison cut out, money exact."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from google.protobuf.message import Message

from leeway_pb.v1.alert_pb2 import AlertChanged
from leeway_pb.v1.detection_pb2 import DriftDetected
from leeway_pb.v1.embedding_pb2 import InteractionEmbedded
from leeway_pb.v1.feedback_pb2 import FeedbackReceived
from leeway_pb.v1.interaction_pb2 import Attempt, InteractionCompleted
from leeway_pb.v1.measurement_pb2 import DriftMeasured
from leeway_pb.v1.score_pb2 import InteractionScored
from leeway_pb.v1.span_pb2 import SpanEnded
from leeway_pb.v1.usage_pb2 import UsageRated

from services.warehouse.store import FACT_TABLES
from shared.clickhouse import ClickHouse, ProtobufSchema
from shared.errors import Unavailable
from shared.lifecycle import ClickHouseAddress
from shared.topics import (
    ALERT_CHANGED,
    DRIFT_DETECTED,
    DRIFT_MEASURED,
    FEEDBACK_RECEIVED,
    INTERACTION_EMBEDDED,
    INTERACTION_SCORED,
    SPAN_ENDED,
    USAGE_RATED,
)
from tests.stores import (
    ACCEPTED_AT_US,
    a_record,
    a_sink,
    a_store,
    a_usage,
    an_interaction,
    interactions,
    usages,
)


async def test_a_batch_told_twice_is_stored_and_counted_once(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        sink = a_sink(client)
        batch = [*interactions(range(40)), *usages(range(40))]

        first, second = await sink.handle(batch), await sink.handle(batch)

        assert (first.dead_letters, second.dead_letters) == ([], [])
        assert await client.query("SELECT count() AS n FROM leeway.interactions") == [{"n": 40}]
        assert await client.query(
            "SELECT topic, sum(facts) AS n FROM leeway.stored GROUP BY topic ORDER BY topic"
        ) == [{"topic": "interaction.completed.v1", "n": 40}, {"topic": "usage.rated.v1", "n": 40}]


async def test_a_fact_accepted_twice_is_counted_twice_and_read_once(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        sink = a_sink(client)
        value = an_interaction(7).SerializeToString()
        later = an_interaction(7, status="error").SerializeToString()

        await sink.handle([a_record(value, 1)])
        await sink.handle([a_record(later, 2)])

        assert await client.query("SELECT sum(facts) AS n FROM leeway.stored") == [{"n": 2}]
        assert await client.query("SELECT status FROM leeway.interactions_v1") == [
            {"status": "error"}
        ]


async def test_a_fact_may_hold_blank_lines_and_have_any_length(tmp_path: Path) -> None:
    texts = ["a paragraph\n\nand another\n\n", *("x" * length for length in range(1180, 1340))]
    async with a_store(tmp_path) as store, store.client() as client:
        sink = a_sink(client)
        for number, text in enumerate(texts):
            value = an_interaction(number, input_text=text).SerializeToString()

            effect = await sink.handle([a_record(value, number + 1)])

            assert effect.dead_letters == []
        rows = await client.query("SELECT input_text FROM leeway.interactions ORDER BY _seq")
        assert [row["input_text"] for row in rows] == texts


async def test_poison_is_cut_out_and_the_rest_is_stored(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        records = interactions(range(20))
        nameless = InteractionCompleted(tenant="acme").SerializeToString()
        torn = an_interaction(13).SerializeToString()[:-3]
        records[6] = a_record(nameless, 7)
        records[13] = a_record(torn, 14)

        effect = await a_sink(client).handle(records)

        assert [letter.record.seq for letter in effect.dead_letters] == [7, 14]
        assert "is_named" in effect.dead_letters[0].reason
        assert await client.query("SELECT count() AS n FROM leeway.interactions") == [{"n": 18}]
        assert await client.query("SELECT sum(facts) AS n FROM leeway.stored") == [{"n": 18}]


async def test_poison_told_twice_changes_nothing(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        sink, records = a_sink(client), interactions(range(9))
        records[4] = a_record(b"\xff\xff\xff", 5)

        await sink.handle(records)
        again = await sink.handle(records)

        assert [letter.record.seq for letter in again.dead_letters] == [5]
        assert await client.query("SELECT sum(facts) AS n FROM leeway.stored") == [{"n": 8}]


@pytest.mark.parametrize(
    "cost", ["0.1234567890123456789", "abc", "", "1e-7", "123456789012345678901"]
)
async def test_a_cost_that_cannot_be_kept_exactly_is_poison(tmp_path: Path, cost: str) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        value = a_usage(1, cost_usd=cost).SerializeToString()

        effect = await a_sink(client).handle([a_record(value, 1, USAGE_RATED)])

        assert [letter.record.seq for letter in effect.dead_letters] == [1]


async def test_money_keeps_every_digit(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        exact = a_usage(
            1,
            cost_usd="12345678901234567890.123456789012345678",
            tokens={"input": str(2**63 + 1), "output": "7"},
            cost_by_class_usd={"input": "0.000000000000000001"},
        )
        unpriced = a_usage(2, status="no_price")
        rows = [exact.SerializeToString(), unpriced.SerializeToString()]

        await a_sink(client).handle(
            [a_record(value, seq, USAGE_RATED) for seq, value in enumerate(rows, 1)]
        )

        found = await client.query(
            "SELECT cost_usd, tokens, cost_by_class_usd FROM leeway.usage_v1 ORDER BY usage_id"
        )
        assert found == [
            {
                "cost_usd": Decimal("12345678901234567890.123456789012345678"),
                "tokens": {"input": 2**63 + 1, "output": 7},
                "cost_by_class_usd": {"input": Decimal("0.000000000000000001")},
            },
            {"cost_usd": None, "tokens": {}, "cost_by_class_usd": {}},
        ]


async def test_every_field_of_an_interaction_arrives(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        told = an_interaction(
            1,
            first_token_at_us=ACCEPTED_AT_US + 1_100_000,
            finish_reasons=["stop"],
            input_tokens=0,
            tags={"team": "it's"},
            embedding=[0.5, -0.25],
            attempts=[
                Attempt(provider="p", model="m", started_at_us=ACCEPTED_AT_US, http_status=429)
            ],
            input_text="ünïcode\n\t'\\",
        )

        await a_sink(client).handle([a_record(told.SerializeToString(), 1)])

        rows = await client.query(
            "SELECT duration_seconds, time_to_first_token_seconds, finish_reasons, input_tokens,"
            " output_tokens, tags, embedding, attempts.provider AS providers, input_text,"
            " toString(started_at) AS started FROM leeway.interactions_v1"
        )
        assert rows == [
            {
                "duration_seconds": 0.25,
                "time_to_first_token_seconds": 0.1,
                "finish_reasons": ["stop"],
                "input_tokens": 0,
                "output_tokens": None,
                "tags": {"team": "it's"},
                "embedding": [0.5, -0.25],
                "providers": ["p"],
                "input_text": "ünïcode\n\t'\\",
                "started": "2026-01-01 00:00:01.000000",
            }
        ]


async def test_every_topic_has_a_table_that_takes_it(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        at = ACCEPTED_AT_US
        facts = [
            (FEEDBACK_RECEIVED, FeedbackReceived(feedback_id="f", tenant="acme", value=4, range_min=1, range_max=5)),
            (INTERACTION_SCORED, InteractionScored(score_id="s", tenant="acme", passed=False, value=0.5)),
            (INTERACTION_EMBEDDED, InteractionEmbedded(interaction_id="i", tenant="acme", vector=[1, 2])),
            (SPAN_ENDED, SpanEnded(trace_id="t", span_id="s", tenant="acme", attributes={"a": "b"})),
            (DRIFT_DETECTED, DriftDetected(detection_id="d", tenant="acme", interaction_ids=["i"])),
            (DRIFT_MEASURED, DriftMeasured(window_id="w", tenant="acme", rows=4, total=3)),
            (ALERT_CHANGED, AlertChanged(alert_id="a", tenant="acme", state="firing", changed_at_us=at)),
            (ALERT_CHANGED, AlertChanged(alert_id="a", tenant="acme", state="resolved", changed_at_us=at + 1)),
        ]  # fmt: skip

        effect = await a_sink(client).handle(
            [
                a_record(fact.SerializeToString(), seq, topic)
                for seq, (topic, fact) in enumerate(facts, 1)
            ]
        )

        assert effect.dead_letters == []
        value = await client.query("SELECT value_normalized AS v FROM leeway.feedback_v1")
        assert value == [{"v": 0.75}]
        window = await client.query("SELECT mean, lowest FROM leeway.drift_windows_v1")
        assert window == [{"mean": 0.75, "lowest": None}]
        assert await client.query("SELECT state FROM leeway.alerts_v1") == [{"state": "resolved"}]
        changes = await client.query("SELECT count() AS n FROM leeway.alert_changes_v1")
        assert changes == [{"n": 2}]


async def test_superseded_feedback_is_no_longer_current(tmp_path: Path) -> None:
    def thumb(
        number: int, label: str, supersedes: str = "", *, tenant: str = "acme", about: int = 1
    ) -> FeedbackReceived:
        return FeedbackReceived(
            feedback_id=f"f{number}",
            tenant=tenant,
            interaction_id=f"{tenant}-{about:06}",
            kind="thumbs",
            label=label,
            supersedes=supersedes,
            observed_at_us=ACCEPTED_AT_US - number,  # what supersedes stands, whenever it was seen
        )

    given = [
        thumb(1, "up"),
        thumb(2, "down", "f1"),
        thumb(3, "up", "f2"),
        thumb(4, "down", about=2),
        thumb(5, "up", "f3", tenant="beta"),
    ]
    async with a_store(tmp_path) as store, store.client() as client:
        sink = a_sink(client)
        await sink.handle(interactions(range(3)))
        await sink.handle(
            [
                a_record(fact.SerializeToString(), seq, FEEDBACK_RECEIVED)
                for seq, fact in enumerate(given, 1)
            ]
        )

        current = await client.query(
            "SELECT feedback_id AS id FROM leeway.feedback_current_v1 ORDER BY id"
        )
        calls = await client.query(
            "SELECT thumb, feedback_count AS n FROM leeway.calls_v1 ORDER BY interaction_id"
        )
        told = await client.query("SELECT count() AS n FROM leeway.feedback_v1")

    assert [row["id"] for row in current] == ["f3", "f4", "f5"]
    assert [(row["thumb"], row["n"]) for row in calls] == [("", 0), ("up", 1), ("down", 1)]
    assert told == [{"n": 5}]


async def test_a_time_outside_the_calendar_is_kept_and_not_poison(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        mad = an_interaction(1, started_at_us=2**62, ended_at_us=-(2**62))

        effect = await a_sink(client).handle([a_record(mad.SerializeToString(), 1)])

        assert effect.dead_letters == []
        assert len(await client.query("SELECT * FROM leeway.interactions_v1")) == 1


async def test_a_store_that_cannot_be_reached_is_unavailable() -> None:
    async with ClickHouse(ClickHouseAddress("http://127.0.0.1:9", "u", "p")) as client:
        with pytest.raises(Unavailable):
            await a_sink(client).handle(interactions(range(1)))


async def test_a_store_without_its_table_blames_no_record(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        await client.command("DROP TABLE leeway.interactions")

        with pytest.raises(Unavailable):
            await a_sink(client).handle(interactions(range(1)))


async def test_a_schema_that_says_more_than_the_table_blames_no_record(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        schema = ProtobufSchema('syntax = "proto3";\nmessage M { string not_a_column = 1; }', "M")

        with pytest.raises(Unavailable):
            await client.insert("leeway.interactions", b"\x03\x0a\x01x", schema, "t")


async def test_inserts_at_once_with_one_token_store_one_block(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        sink, batch = a_sink(client), interactions(range(10))

        await asyncio.gather(*(sink.handle(batch) for _ in range(8)))

        assert await client.query("SELECT count() AS n FROM leeway.interactions") == [{"n": 10}]


async def test_the_tables_columns_are_the_messages_fields(tmp_path: Path) -> None:
    messages: dict[str, type[Message]] = {
        "interactions": InteractionCompleted,
        "spans": SpanEnded,
        "feedback": FeedbackReceived,
        "scores": InteractionScored,
        "embeddings": InteractionEmbedded,
        "usage": UsageRated,
        "detections": DriftDetected,
        "drift_windows": DriftMeasured,
        "alerts": AlertChanged,
    }
    async with a_store(tmp_path) as store, store.client() as client:
        for table in FACT_TABLES:
            rows = await client.query(
                "SELECT name FROM system.columns WHERE database = 'leeway' AND table = {table:String}"
                " AND default_kind = '' ORDER BY name",
                {"table": table.name},
            )
            fields = sorted(messages[table.name].DESCRIPTOR.fields_by_name)
            assert [row["name"] for row in rows] == fields, table.name
