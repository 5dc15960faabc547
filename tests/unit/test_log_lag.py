"""How far behind a group is told to be while what it writes to, or stands in, is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

from prometheus_client import REGISTRY

from shared.clock import SimulatedClock
from shared.errors import Unavailable
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.record import Effect, Record
from shared.topics import INTERACTION_COMPLETED
from tests.builders import NOW, a_record
from tests.deployment import INFRA, documents
from tests.logs import a_fact
from tests.promql_series import Series
from tests.scripted import ScriptedLog, ScriptedStore, pass_time, turns

SCRAPE_SECONDS = 15
_groups = count()


class Storing:
    """A handler whose store may be away."""

    def __init__(self) -> None:
        self.away = False
        self.handled = 0

    async def handle(self, records: Sequence[Record]) -> Effect:
        if self.away:
            raise Unavailable("no store")
        self.handled += len(records)
        return Effect()


class Scene:
    """A consumer of a group of its own, on a clock that stands still."""

    def __init__(self, records: int) -> None:
        self.group = f"lagging-{next(_groups)}"
        self.clock = SimulatedClock(NOW)
        self.log = ScriptedLog(*(_record(seq) for seq in range(1, records + 1)))
        self.store = ScriptedStore()
        self.handler = Storing()

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator[None]:
        """While it runs."""
        stop, topics = asyncio.Event(), [INTERACTION_COMPLETED]
        consumer = Consumer(
            self.group, topics, self.log, self.store, self.handler, ConsumerLimits(), self.clock
        )
        running = asyncio.create_task(consumer.run(stop))
        await turns()
        yield
        stop.set()
        await pass_time(self.clock, 10)
        await running

    def lag(self) -> tuple[float | None, float | None]:
        """Seconds behind, and records that wait."""
        return self.told("consumer_behind_seconds"), self.told("consumer_lag_records")

    def told(self, name: str) -> float | None:
        return REGISTRY.get_sample_value(f"leeway_{name}", {"group": self.group})


def _record(seq: int) -> Record:
    return a_record(a_fact(seq), seq=seq)


async def test_while_a_store_is_away_the_lag_grows_and_the_batch_in_hand_ages() -> None:
    scene = Scene(records=3)
    scene.handler.away = True
    async with scene.consuming():
        await pass_time(scene.clock, 60)
        early = scene.lag()
        scene.log.records += [_record(4), _record(5)]
        await pass_time(scene.clock, 60)
        late = scene.lag()

    assert early == (60, 3)
    assert late == (120, 5)


async def test_once_the_store_is_back_nothing_lags() -> None:
    scene = Scene(records=3)
    scene.handler.away = True
    async with scene.consuming():
        await pass_time(scene.clock, 60)
        scene.handler.away = False
        await pass_time(scene.clock, 10)

        assert scene.handler.handled == 3
        assert scene.lag() == (0, 0)


async def test_a_group_that_cannot_learn_where_it_stands_is_behind_for_as_long() -> None:
    scene = Scene(records=3)
    scene.store.knows, scene.store.refuses = False, Unavailable("no positions")
    async with scene.consuming():
        await pass_time(scene.clock, 100)

        assert scene.lag() == (100, 3)


async def test_what_waited_waits_on_while_the_log_itself_is_out_of_reach() -> None:
    scene = Scene(records=3)
    scene.handler.away = True
    async with scene.consuming():
        await pass_time(scene.clock, 10)
        scene.log.hidden = True
        await pass_time(scene.clock, 10)

        assert scene.lag() == (20, 3)


async def test_what_a_group_counts_is_told_before_there_is_anything_to_count() -> None:
    scene = Scene(records=0)
    async with scene.consuming():
        names = ("consumed_records", "consumer_retries", "dead_letters", "fact_gaps")

        assert {scene.told(f"{name}_total") for name in names} == {0}
        assert scene.told("consumer_halted") == 0


async def test_a_store_that_is_away_from_the_start_wakes_somebody() -> None:
    scene = Scene(records=3)
    scene.handler.away = True
    series = Series({"group": scene.group})
    async with scene.consuming():
        quiet = _firing(series)
        for _ in range(0, 20 * 60, SCRAPE_SECONDS):
            series.scrape(scene.clock.monotonic())
            await pass_time(scene.clock, SCRAPE_SECONDS)

    assert quiet == set()
    assert _firing(series) == {"LagWithoutProgress", "Stale", "Retrying"}


def _firing(series: Series) -> set[str]:
    """The rules about groups whose condition has held for as long as they ask."""
    [document] = documents(INFRA / "prometheus" / "rules.yml")
    [rules] = [group["rules"] for group in document["groups"] if group["name"] == "facts"]
    return {
        rule["alert"]
        for rule in rules
        if rule["alert"] in {"LagWithoutProgress", "Stale", "Retrying", "ConsumerHalted"}
        if series.has_held(rule["expr"], minutes=int(rule.get("for", "0m").removesuffix("m")))
    }
