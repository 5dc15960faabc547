"""The fact tables: which topic goes where, and one insert of a block of facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.clickhouse import ClickHouse, ProtobufSchema
from shared.errors import Invalid, Unavailable
from shared.failpoints import NONE, Failpoints, Step
from shared.topics import (
    ALERT_CHANGED,
    DRIFT_DETECTED,
    FEEDBACK_RECEIVED,
    INTERACTION_COMPLETED,
    INTERACTION_EMBEDDED,
    INTERACTION_SCORED,
    SPAN_ENDED,
    USAGE_RATED,
    Topic,
)

GROUP = "warehouse"

# What no record is to blame for: the same block will be taken once somebody has put the store right.
_STORE_FAULTS = frozenset(
    f"clickhouse_{number}"
    for number in (
        8,  # THERE_IS_NO_COLUMN
        16,  # NO_SUCH_COLUMN_IN_TABLE
        36,  # BAD_ARGUMENTS: the schema's text is at fault
        48,  # NOT_IMPLEMENTED
        60,  # UNKNOWN_TABLE
        62,  # SYNTAX_ERROR
        81,  # UNKNOWN_DATABASE
        115,  # UNKNOWN_SETTING
        192,  # UNKNOWN_USER
        193,  # WRONG_PASSWORD
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
    )
)


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
    FactTable(ALERT_CHANGED, "alerts", "alert.proto"),
)


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
        except Invalid as fault:
            if fault.code in _STORE_FAULTS:
                raise Unavailable(f"The store is not as it should be: {fault.message}") from fault
            raise
        self._failpoints.reach(GROUP, Step.INSERTED)
