"""From the door to the score over a real log: sent twice, counted once, judged once."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from leeway_pb.v1.score_pb2 import InteractionScored

from services.evaluation.app import build as build_evaluation
from services.evaluation.settings import Settings as EvaluationSettings
from services.ingest.app import build as build_ingest
from services.ingest.settings import Settings as IngestSettings
from shared.clock import SystemClock
from shared.config import Config
from shared.lifecycle import ClickHouseAddress, Host
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Effect, Handler, Record
from shared.topics import INTERACTION_SCORED, Topic
from tests.builders import INTERACTION_ID
from tests.doors import a_client, a_live_view
from tests.exports import CHAT, a_span, an_export


class Collecting:
    """Keeps the scores, and says when there are enough."""

    def __init__(self, enough: int) -> None:
        self.scores: list[InteractionScored] = []
        self.stop = asyncio.Event()
        self._enough = enough

    async def handle(self, records: Sequence[Record]) -> Effect:
        self.scores += [InteractionScored.FromString(record.value) for record in records]
        if len(self.scores) >= self._enough:
            self.stop.set()
        return Effect()


def a_host(folder: Path, outbox: SqliteOutbox) -> Host:
    clock = SystemClock()

    def group(
        name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
    ) -> Consumer:
        return Consumer(name, topics, FolderLog(folder), outbox, handler, limits, clock)

    return Host(
        data=folder,
        config=Config(),
        clock=clock,
        outbox=outbox,
        live=a_live_view(),
        clickhouse=ClickHouseAddress("http://127.0.0.1:9", "nobody", ""),
        group=group,
    )


async def test_what_is_sent_twice_through_either_door_is_stored_and_judged_once(
    tmp_path: Path,
) -> None:
    item = {"id": INTERACTION_ID, "model": "demo", "input": "Hi", "output": "I can't help."}
    batch = json.dumps({"interactions": [item]}).encode()
    export = json.dumps(an_export(a_span(CHAT))).encode()
    scores = Collecting(enough=9)

    async with SqliteOutbox(tmp_path / "edge.db", SystemClock()) as outbox:
        host = a_host(tmp_path, outbox)
        evaluation = build_evaluation(EvaluationSettings(), host)
        collecting = host.group("test", [INTERACTION_SCORED], scores, ConsumerLimits())
        async with a_client(build_ingest(IngestSettings(), host)) as client, asyncio.timeout(10):
            for _ in range(2):
                taken = await client.post("/v1/interactions", content=batch)
                exported = await client.post(
                    "/v1/traces", content=export, headers={"content-type": "application/json"}
                )
                assert (taken.status_code, exported.status_code) == (200, 200)
            await asyncio.gather(
                collecting.run(scores.stop), *(task(scores.stop) for task in evaluation.tasks)
            )

    by_interaction = {
        (score.interaction_id, score.evaluator): score.label for score in scores.scores
    }
    assert by_interaction[INTERACTION_ID, "refusal"] == "refusal"
    assert len(by_interaction) == len(scores.scores) == 9
