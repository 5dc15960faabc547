"""The engine killed between the token and the block: the same batch again is stored and counted."""

import shutil
from pathlib import Path

import pytest

from tests.stores import Store, a_sink, a_store, interactions

PARTS = (
    "SELECT path FROM system.parts WHERE database = 'leeway' AND table = {name:String} AND active"
)
COUNTS = """
SELECT (SELECT count() FROM leeway.interactions) AS rows, (SELECT sum(facts) FROM leeway.stored) AS facts
"""


async def last_block(store: Store, table: str) -> Path:
    """The folder of a table's last block."""
    parts = await store.engine.query(PARTS, {"name": table})
    return max(Path(part["path"]) for part in parts)


@pytest.mark.parametrize("table", ["interactions", "stored"])
async def test_a_block_that_was_cut_off_is_stored_when_it_comes_again(
    tmp_path: Path, table: str
) -> None:
    first, second = interactions(range(20)), interactions(range(20, 40))
    async with a_store(tmp_path) as store, store.client() as client:
        for batch in (first, second):
            await a_sink(client).handle(batch)
        cut_off = await last_block(store, table)
    # What a kill right after the token was written leaves: nothing that follows was done.
    shutil.rmtree(cut_off)

    async with a_store(tmp_path) as store, store.client() as client:
        await a_sink(client).handle(second)
        counts = await client.query(COUNTS)

    assert counts == [{"rows": 40, "facts": 40}]
