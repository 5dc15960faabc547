"""What an interaction weighs in each place it lies: outbox, Kafka, ClickHouse, with everything that is made of it.

    python -m benchmarks.sizes [--interactions 4000]

A cluster on this machine is sent interactions of about 1.4 KB, no two of one text: words of this repository's
docs, drawn at random, which compress about as prose does. When their prices and scores are stored, the bytes
that topics and tables take are divided by the number of interactions. Kafka's are of one replica; ClickHouse's
are after a merge. Goal: what was sent is there, once. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import aiohttp
import uvloop

from benchmarks.freshness import KEY, TENANTS, Place, a_config, a_folder, operator_of
from shared.clickhouse import ClickHouse
from shared.secrets_folder import SecretsFolder
from shared.topics import BY_NAME
from tests.stack import Stack, a_stack

WORDS_OF_A_QUESTION, WORDS_OF_AN_ANSWER = 35, 45
PER_REQUEST = 100
LOOK_SECONDS = 4.0  # longer than any group takes between two batches
PATIENCE_SECONDS = 300
SEED = 7
ROWS = (
    "SELECT table, sum(rows) AS n, sum(bytes_on_disk) AS bytes FROM system.parts"
    " WHERE active AND database = 'leeway' GROUP BY table"
)
_WORDS = sorted(set(Path("docs/analyst.md").read_text(encoding="utf-8").split()))
MADE_OF_EACH = ("interactions", "usage", "scores", "embeddings")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--interactions", type=int, default=4_000)
    result = uvloop.run(_measure(parser.parse_args().interactions))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


async def _measure(count: int) -> dict[str, object]:
    with a_folder() as folder:
        async with a_stack(folder, "--cluster", LEEWAY_CONFIG=str(a_config(folder))) as stack:
            async with ClickHouse(operator_of(stack)) as clickhouse:
                await _send(stack, clickhouse, count)
                rows = await _settled(clickhouse, count)
                for table in rows:
                    await clickhouse.command(f"OPTIMIZE TABLE leeway.{table} FINAL")
                store = {row["table"]: int(row["bytes"]) for row in await clickhouse.query(ROWS)}
            outbox = sum(each.stat().st_size for each in _outbox(folder))
            kafka = _topics(folder / "data" / "kafka" / "log")
    return {
        "benchmark": "sizes",
        "interactions": count,
        "rows_per_interaction": {t: round(n / count, 2) for t, n in rows.items()},
        "outbox_bytes": round(outbox / count),
        "kafka_bytes": {topic: round(size / count) for topic, size in kafka.items()},
        "clickhouse_bytes": {table: round(size / count) for table, size in store.items()},
        "ok": rows["interactions"] == count,
    }


async def _send(stack: Stack, clickhouse: ClickHouse, count: int) -> None:
    keys = SecretsFolder(stack.folder / "data").credentials().keys
    words = Random(SEED)
    async with aiohttp.ClientSession() as http:
        named = {tenant: keys[f"{tenant}/{KEY}"] for tenant in TENANTS}
        place = Place(stack.ready["url"], named, http, clickhouse)
        for number in range(count // PER_REQUEST):
            items = [_item(words) for _ in range(PER_REQUEST)]
            if not await place.send(TENANTS[number % len(TENANTS)], items):
                raise SystemExit("Some interactions were refused.")


async def _settled(clickhouse: ClickHouse, count: int) -> Mapping[str, int]:
    """The rows of each table, once everything that is made of the interactions is there."""
    before: Counter[str] = Counter()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            rows = Counter({row["table"]: int(row["n"]) for row in await clickhouse.query(ROWS)})
            if rows == before and all(rows[table] >= count for table in MADE_OF_EACH[:3]):
                return {table: rows[table] for table in MADE_OF_EACH}
            before = rows
            await asyncio.sleep(LOOK_SECONDS)


def _item(words: Random) -> dict[str, object]:
    question = " ".join(words.choices(_WORDS, k=WORDS_OF_A_QUESTION))
    answer = " ".join(words.choices(_WORDS, k=WORDS_OF_AN_ANSWER))
    return {
        "model": "gpt-4o-mini",
        "provider": "openai",
        "session_id": f"session-{words.randrange(1000)}",
        "input": [{"role": "user", "content": question}],
        "output": answer,
        "usage": {
            "prompt_tokens": words.randrange(1000),
            "completion_tokens": words.randrange(1000),
        },
        "tags": {"team": "support"},
    }


def _outbox(folder: Path) -> Iterator[Path]:
    yield from (folder / "data" / "processes" / "edge" / "log").glob("edge.db")


def _topics(logs: Path) -> dict[str, int]:
    """The bytes of the segments of each of our topics."""
    sizes: Counter[str] = Counter()
    for segment in logs.glob("*/*.log"):
        topic = segment.parent.name.rpartition("-")[0]
        if topic in BY_NAME or topic.endswith(".state"):
            sizes[topic] += segment.stat().st_size
    return {topic: size for topic, size in sizes.items() if size}


if __name__ == "__main__":
    main()
