"""The fact tables: which topic goes where, and one insert of a block of facts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.clickhouse import ClickHouse, ProtobufSchema
from shared.errors import Invalid, Unavailable
from shared.failpoints import NONE, Failpoints, Step
from shared.topics import (
    ALERT_CHANGED,
    DRIFT_DETECTED,
    DRIFT_MEASURED,
    FEEDBACK_RECEIVED,
    INTERACTION_COMPLETED,
    INTERACTION_EMBEDDED,
    INTERACTION_SCORED,
    SPAN_ENDED,
    USAGE_RATED,
    Topic,
)

GROUP = "warehouse"

_CHUNK = re.compile(r"attempt to allocate chunk of ([0-9.]+) ([KMGTPE]?i?B)")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
# More memory at once than rows that are in a block can need; 7 MB blocks take 16 MB of it (chdb-core 26.9).
_MOST_OF_A_BLOCK, _MOST_OF_ANY = 32, 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FactTable:
    """Where the facts of one topic go, and the .proto file that says how to read them."""

    topic: Topic
    name: str
    proto: str


FACT_TABLES = (
    FactTable(INTERACTION_COMPLETED, "interactions", "interaction.proto"),
    FactTable(SPAN_ENDED, "spans", "span.proto"),
    FactTable(FEEDBACK_RECEIVED, "feedback", "feedback.proto"),
    FactTable(INTERACTION_SCORED, "scores", "score.proto"),
    FactTable(INTERACTION_EMBEDDED, "embeddings", "embedding.proto"),
    FactTable(USAGE_RATED, "usage", "usage.proto"),
    FactTable(DRIFT_DETECTED, "detections", "detection.proto"),
    FactTable(DRIFT_MEASURED, "drift_windows", "measurement.proto"),
    FactTable(ALERT_CHANGED, "alerts", "alert.proto"),
)


def asked_for(refusal: str) -> float:
    """How many bytes at once the engine could not have, by what it said; 0 when it was not that.

    It believes the length before a text, and asks for as much memory before it looks whether the text is there.

    >>> asked_for("would use 8.04 GiB (attempt to allocate chunk of 8.00 GiB), maximum: 4.00 GiB")
    8589934592.0
    """
    said = _CHUNK.search(refusal)
    return float(said[1]) * 1024 ** _UNITS.index(said[2]) if said else 0.0


def read_schemas(protos: Path) -> dict[str, ProtobufSchema]:
    """The schema of each table's facts, by table."""
    return {
        table.name: ProtobufSchema(
            (protos / table.proto).read_text(encoding="utf-8"), table.topic.message
        )
        for table in FACT_TABLES
    }


class FactStore:
    """Inserts blocks of facts."""

    def __init__(
        self,
        clickhouse: ClickHouse,
        schemas: Mapping[str, ProtobufSchema],
        failpoints: Failpoints = NONE,
    ) -> None:
        self._clickhouse = clickhouse
        self._failpoints = failpoints
        self.schemas = schemas

    async def insert(self, table: str, block: bytes, token: str) -> None:
        """Store a block, once for its token.

        Raises `Invalid` when a record in it is at fault, `Unavailable` when the store is.
        """
        try:
            await self._clickhouse.insert(f"leeway.{table}", block, self.schemas[table], token)
        except Unavailable as fault:
            if asked_for(fault.message) > _MOST_OF_A_BLOCK * len(block) + _MOST_OF_ANY:
                raise Invalid(
                    f"A record claims to be longer than it is: {fault.message}"
                ) from fault
            raise
        self._failpoints.reach(GROUP, Step.INSERTED)
