"""The corpus of the wire in the real store: each topic's example becomes one row of its table."""

from pathlib import Path

from services.warehouse.store import FACT_TABLES
from shared.log.record import Fact
from tests.builders import a_record
from tests.corpora.topics import an_example, wire
from tests.stores import a_sink, a_store

LATER_FIELD = b"\xfa\x7c\x05later"  # number 1999, a text: of a later producer


async def test_every_topics_example_is_a_row_of_its_table_and_a_later_field_is_no_harm(
    tmp_path: Path,
) -> None:
    records = [
        a_record(Fact(table.topic, message.tenant, "", wire(message) + later), seq=seq)
        for seq, (table, later) in enumerate(
            ((table, later) for table in FACT_TABLES for later in (b"", LATER_FIELD)), 1
        )
        for message in [an_example(table.topic)]
    ]

    async with a_store(tmp_path) as store, store.client() as client:
        effect = await a_sink(client).handle(records)
        rows = {
            table.name: await client.query(
                f"SELECT DISTINCT tenant, _seq > 0 AS placed FROM leeway.{table.name}"
            )
            for table in FACT_TABLES
        }

    assert list(effect.dead_letters) == []
    assert rows == {
        table.name: [{"tenant": an_example(table.topic).tenant, "placed": 1}]
        for table in FACT_TABLES
    }
