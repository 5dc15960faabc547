"""What became of the demo's calls, asked in SQL as any analyst would."""

import math
from collections.abc import Mapping
from datetime import datetime

from services.cli.demo.report import Alert, Detection, Recorded
from shared.clickhouse import Statements, Value

_RECORDED = """
SELECT
    count() AS calls,
    countIf(pricing_status != '') AS priced,
    countIf(status = 'error') AS failed,
    countIf(thumb != '') AS thumbs,
    (SELECT count() FROM embeddings_v1 WHERE environment = {environment:String}) AS embedded,
    sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
    sum(ifNull(cost_usd, 0)) AS cost_usd,
    quantileIf(0.5)(duration_seconds, status = 'ok' AND NOT streaming) AS median_seconds
FROM calls_v1
WHERE environment = {environment:String}
"""

_DETECTIONS = """
SELECT feature, detector, direction, statistic, threshold, reference_size, summary, detected_at
FROM detections_v1
WHERE environment = {environment:String}
ORDER BY detected_at
"""

_ALERTS = """
SELECT rule, title, changed_at
FROM alerts_v1
WHERE changed_at >= fromUnixTimestamp64Milli({since:Int64}) AND state = 'firing'
ORDER BY changed_at
"""

QUESTIONS = (
    "SELECT input_text, cost_usd FROM calls_v1 ORDER BY cost_usd DESC LIMIT 5",
    "SELECT scores['refusal'] AS refusal, thumb, count() FROM calls_v1 GROUP BY ALL ORDER BY ALL",
    "SELECT detected_at, feature, summary FROM detections_v1 ORDER BY detected_at",
)
"""What one could ask next."""


class Books:
    """Reads the facts of one environment."""

    def __init__(self, clickhouse: Statements, environment: str, since: datetime) -> None:
        self._clickhouse = clickhouse
        self._parameters: Mapping[str, Value] = {
            "environment": environment,
            "since": int(since.timestamp() * 1000),
        }

    async def recorded(self) -> Recorded:
        """The calls so far. Raises `Unavailable`, as all of these do."""
        (row,) = await self._clickhouse.query(_RECORDED, self._parameters)
        median = row.pop("median_seconds")
        return Recorded(**row, median_seconds=0.0 if math.isnan(median) else median)

    async def detections(self) -> tuple[Detection, ...]:
        """Every detection, in the order in which they were made."""
        rows = await self._clickhouse.query(_DETECTIONS, self._parameters)
        return tuple(Detection(**row) for row in rows)

    async def alerts(self) -> tuple[Alert, ...]:
        """The alerts that fire, of the whole tenant; whether they arrived is not in SQL."""
        rows = await self._clickhouse.query(_ALERTS, self._parameters)
        return tuple(Alert(row["rule"], row["title"], "", None, row["changed_at"]) for row in rows)
