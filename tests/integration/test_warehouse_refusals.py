"""Who is to blame for a refused block, and for a refused statement, by the numbers that the real engine answers."""

from pathlib import Path

import pytest
from aiohttp import web

from shared.clickhouse import ClickHouse
from shared.errors import Invalid, Unavailable
from shared.lifecycle import ClickHouseAddress
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED, Topic
from tests.servers import LoopbackServer
from tests.stores import Store, a_record, a_sink, a_store, a_usage, an_interaction, interactions

OUTAGES = {
    "BAD_ARGUMENTS": 36,
    "LOGICAL_ERROR": 49,
    "TYPE_MISMATCH": 53,
    "UNKNOWN_TABLE": 60,
    "CANNOT_CONVERT_TYPE": 70,
    "READONLY": 164,
    "CANNOT_ALLOCATE_MEMORY": 173,
    "DNS_ERROR": 198,
    "NO_ZOOKEEPER": 225,
    "NO_ACTIVE_REPLICAS": 254,
    "ALL_CONNECTION_TRIES_FAILED": 279,
    "TOO_FEW_LIVE_REPLICAS": 285,
    "SYSTEM_ERROR": 425,
    "ACCESS_DENIED": 497,
    "S3_ERROR": 499,
    "SERVER_OVERLOADED": 745,
    "STD_EXCEPTION": 1001,
    "UNKNOWN_EXCEPTION": 1002,
}
PASSING = {"NO_ZOOKEEPER": 225, "ALL_CONNECTION_TRIES_FAILED": 279, "SERVER_OVERLOADED": 745}

# What is also said of a record: here of another server, and of a part on its own disk.
OF_ITS_OWN = (
    "Code: 32. DB::Exception: Attempt to read after eof: while receiving packet from shard-2:9000.",
    "Code: 33. DB::Exception: Cannot read all data: (while reading from part 202611_1_1_0).",
)

# What the engine is asked to answer with any number.
_THROW = "throwIf({when}, 'no', toInt16({number}))"
_ANY_NUMBER = "SETTINGS allow_custom_error_code_in_throwif = 1"


async def test_what_no_record_is_to_blame_for_buries_none(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        sink = a_sink(client)
        for name, number in OUTAGES.items():
            await _refuse_with(store, number)

            with pytest.raises(Unavailable, match=name):
                await sink.handle(interactions(range(2)))

        await store.engine.command("DROP VIEW leeway.refusing")
        effect = await sink.handle(interactions(range(2)))

        assert effect.dead_letters == []
        assert await client.query("SELECT count() AS n FROM leeway.interactions_v1") == [{"n": 2}]


@pytest.mark.parametrize("said", OF_ITS_OWN)
async def test_a_store_that_cannot_read_what_is_its_own_blames_no_record(said: str) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        number = said.split()[1].rstrip(".")
        return web.Response(status=500, text=said, headers={"X-ClickHouse-Exception-Code": number})

    async with LoopbackServer(refuse) as server:
        address = ClickHouseAddress(server.url(""), "leeway", "")
        async with ClickHouse(address) as client:
            with pytest.raises(Unavailable, match=r"did not take a block"):
                await a_sink(client).handle(interactions(range(1)))


@pytest.mark.parametrize(
    ("value", "topic", "said"),
    [
        (b"\x0c", INTERACTION_COMPLETED, "UNKNOWN_PROTOBUF_FORMAT"),
        (b"\x0a\x7f1", INTERACTION_COMPLETED, "ATTEMPT_TO_READ_AFTER_EOF"),
        (b"\x0a\xff\xff\xff\xff\x0fx", INTERACTION_COMPLETED, "MEMORY_LIMIT_EXCEEDED"),
        (b"\x0a\x02\xff\xfe", INTERACTION_COMPLETED, "VIOLATED_CONSTRAINT"),
        (
            an_interaction(1).SerializeToString() + b"\x78\xff\xff\x7f",  # `streaming`, a bool
            INTERACTION_COMPLETED,
            "PROTOBUF_BAD_CAST",
        ),
        (a_usage(1, cost_usd="abc").SerializeToString(), USAGE_RATED, "VIOLATED_CONSTRAINT"),
        (
            a_usage(1, cost_usd="1", cost_by_class_usd={"input": "9" * 21}).SerializeToString(),
            USAGE_RATED,
            "ARGUMENT_OUT_OF_BOUND",
        ),
        (
            a_usage(1, cost_usd="1", cost_by_class_usd={"input": ""}).SerializeToString(),
            USAGE_RATED,
            "ATTEMPT_TO_READ_AFTER_EOF",
        ),
        (
            a_usage(1, cost_usd="1", cost_by_class_usd={"input": "x"}).SerializeToString(),
            USAGE_RATED,
            "CANNOT_PARSE_TEXT",
        ),
    ],
)
async def test_a_record_that_cannot_be_a_row_is_buried_and_its_neighbour_is_stored(
    tmp_path: Path, value: bytes, topic: Topic, said: str
) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        effect = await a_sink(client).handle([a_record(value, 9, topic), *interactions(range(1))])

        assert [letter.record.seq for letter in effect.dead_letters] == [9]
        assert said in effect.dead_letters[0].reason
        assert await client.query("SELECT count() AS n FROM leeway.interactions_v1") == [{"n": 1}]


async def test_a_statement_is_asked_again_only_when_it_may_work_later(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        for name, number in PASSING.items():
            with pytest.raises(Unavailable, match=name):
                await client.query(f"SELECT {_THROW.format(when=1, number=number)} {_ANY_NUMBER}")

        with pytest.raises(Invalid, match="UNKNOWN_TABLE"):
            await client.query("SELECT * FROM leeway.nothing")


async def _refuse_with(store: Store, number: int) -> None:
    """Every block of interactions is refused with this number from now on."""
    await store.engine.command("DROP VIEW IF EXISTS leeway.refusing")
    refusal = _THROW.format(when="tenant != ''", number=number)
    await store.engine.command(
        "CREATE MATERIALIZED VIEW leeway.refusing TO leeway.stored AS"
        f" SELECT tenant, toUInt64({refusal}) AS facts FROM leeway.interactions {_ANY_NUMBER}"
    )
