"""The live feed against a registry in memory, on a simulated clock: every way in which it can go away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from leeway_pb.v1.registry_pb2 import RegistryChanged

from shared.clock import SimulatedClock
from shared.errors import Invalid, LeewayError, Unavailable
from shared.live import LiveView
from shared.live_feed.feed import LiveFeed, Patience
from shared.live_feed.file import Kept, LiveFile
from shared.live_feed.told import Source, Told
from tests.waiting import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEPPER = b"pepper"


def a_tenant(
    name: str, revision: int, content: str = "full", *, deleted: bool = False
) -> RegistryChanged:
    body = "" if deleted else f'{{"content":"{content}"}}'
    return RegistryChanged(
        revision=revision, entity="tenant", entity_id=name, body=body, deleted=deleted
    )


class RecordedClock(SimulatedClock):
    """A simulated clock that remembers for how long it was asked to sleep."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await super().sleep(seconds)


class FakeRegistry:
    """What lives, and a line to one follower; `fault` refuses everything, `hangs` answers nothing."""

    def __init__(self, *living: RegistryChanged) -> None:
        self.living = living
        self.fault: LeewayError | None = None
        self.hangs = False
        self.connections = 0
        self._line: asyncio.Queue[Told | LeewayError] = asyncio.Queue()

    def say(self, *changes: RegistryChanged) -> None:
        self._line.put_nowait(Told(changes[-1].revision, changes))

    def beat(self) -> None:
        self._line.put_nowait(Told(0))

    def hang_up(self) -> None:
        self._line.put_nowait(Unavailable("Gone."))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Source]:
        self.connections += 1
        yield self

    async def snapshot(self) -> Told:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        return Told(max((one.revision for one in self.living), default=0), self.living)

    async def watch(self, after: int) -> AsyncGenerator[Told]:
        yield Told(after)
        while True:
            told = await self._line.get()
            if isinstance(told, LeewayError):
                raise told
            yield told


class Following:
    """A feed that runs, and what it runs on."""

    def __init__(self, registry: FakeRegistry, folder: Path) -> None:
        self.registry = registry
        self.clock = RecordedClock()
        self.live = LiveView(PEPPER)
        self.file = LiveFile(folder / "live", PEPPER)
        self.feed = LiveFeed(
            registry.connect, self.live, self.file, self.clock, Random(7), patience=Patience()
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Following"]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.feed.run(stop))
        try:
            yield self
        finally:
            stop.set()
            await asyncio.wait_for(task, 5)

    async def waits(self, times: int) -> None:
        """Return when the feed has gone to sleep so often."""
        await until(lambda: len(self.clock.sleeps) >= times)

    def holds(self) -> dict[str, str]:
        return dict(self.live.content_policies)


@pytest.fixture
def following(tmp_path: Path) -> Following:
    return Following(FakeRegistry(a_tenant("acme", 1), a_tenant("globex", 2, "none")), tmp_path)


async def test_it_has_caught_up_once_it_holds_the_snapshot(following: Following) -> None:
    async with following.running() as it:
        await it.feed.caught_up.wait()

        assert it.holds() == {"acme": "full", "globex": "none"}
        assert (it.live.revision, it.feed.stale_since) == (2, None)


async def test_changes_are_applied_as_they_come_and_kept_compacted(following: Following) -> None:
    async with following.running() as it:
        await it.feed.caught_up.wait()
        it.registry.say(a_tenant("acme", 3, "hash"), a_tenant("globex", 4, deleted=True))
        it.registry.say(a_tenant("initech", 5), a_tenant("acme", 6, "redacted"))
        await until(lambda: it.live.revision == 6)
        await until(lambda: (kept := it.file.read()) is not None and kept.told.revision == 6)

        assert it.holds() == {"acme": "redacted", "initech": "full"}
        kept = it.file.read()
        assert kept is not None
        assert [(one.entity_id, one.revision) for one in kept.told.changes] == [
            ("acme", 6),
            ("initech", 5),
        ]


async def test_what_was_deleted_while_the_registry_was_away_is_gone_afterwards(
    following: Following,
) -> None:
    async with following.running() as it:
        await it.feed.caught_up.wait()
        it.registry.living = (a_tenant("acme", 5, "hash"),)
        it.registry.hang_up()
        await until(lambda: it.feed.stale_since is not None)
        assert it.holds() == {"acme": "full", "globex": "none"}
        it.clock.advance(1)
        await until(lambda: it.feed.stale_since is None)

        assert (it.holds(), it.live.revision) == ({"acme": "hash"}, 5)
        it.registry.say(a_tenant("globex", 6))
        await until(lambda: it.holds() == {"acme": "hash", "globex": "full"})


async def test_an_entity_of_a_newer_form_takes_neither_the_feed_nor_the_next_start_down(
    following: Following, tmp_path: Path
) -> None:
    newer = RegistryChanged(revision=3, entity="model", entity_id="m", body='{"ways": []}')
    following.registry.living = (*following.registry.living, newer)
    async with following.running() as it:
        await it.feed.caught_up.wait()
        newest = RegistryChanged(revision=4, entity="model", entity_id="m", body='{"ways": {}}')
        it.registry.say(newest, a_tenant("globex", 5))
        await until(lambda: it.holds() == {"acme": "full", "globex": "full"})
        await until(lambda: (kept := it.file.read()) is not None and kept.told.revision == 5)

    following.registry.fault = Unavailable("Down.")
    async with Following(following.registry, tmp_path).running() as it:
        await it.feed.caught_up.wait()

        assert (it.holds(), it.live.models) == ({"acme": "full", "globex": "full"}, {})


async def test_a_registry_restored_to_an_older_state_is_believed(following: Following) -> None:
    async with following.running() as it:
        await it.feed.caught_up.wait()
        it.registry.living = (a_tenant("acme", 1, "hash"),)
        it.registry.hang_up()
        await until(lambda: it.feed.stale_since is not None)
        it.clock.advance(1)
        await until(lambda: it.feed.stale_since is None)

        assert (it.holds(), it.live.revision) == ({"acme": "hash"}, 1)


async def test_with_the_registry_down_it_starts_from_the_file_and_says_since_when(
    following: Following,
) -> None:
    hour_ago = NOW - timedelta(hours=1)
    following.file.write(Kept(Told(9, [a_tenant("acme", 9, "redacted")]), hour_ago))
    following.registry.fault = Unavailable("Down.")

    async with following.running() as it:
        await it.feed.caught_up.wait()

        assert (it.holds(), it.live.revision) == ({"acme": "redacted"}, 9)
        assert it.feed.stale_since == hour_ago
        it.registry.fault = None
        it.clock.advance(1)
        await until(lambda: it.feed.stale_since is None)
        assert it.holds() == {"acme": "full", "globex": "none"}


async def test_with_the_registry_down_and_no_file_it_is_not_ready_until_it_comes(
    following: Following,
) -> None:
    following.registry.fault = Unavailable("Down.")

    async with following.running() as it:
        await it.waits(2)  # for an answer, and then between two attempts
        assert not it.feed.caught_up.is_set()
        it.registry.fault = None
        it.clock.advance(1)
        await it.feed.caught_up.wait()

        assert it.holds() == {"acme": "full", "globex": "none"}


async def test_a_file_that_is_damaged_is_not_started_from(
    following: Following, tmp_path: Path
) -> None:
    following.file.write(Kept(Told(9, [a_tenant("acme", 9)]), NOW))
    path = tmp_path / "live"
    path.write_bytes(path.read_bytes()[:-3])
    following.registry.fault = Unavailable("Down.")

    async with following.running() as it:
        await it.waits(2)

        assert not it.feed.caught_up.is_set()
        assert it.holds() == {}


async def test_a_registry_that_falls_silent_is_left_after_three_heartbeats(
    following: Following,
) -> None:
    async with following.running() as it:
        await it.feed.caught_up.wait()
        await it.waits(3)  # for the snapshot, the first sign of life, and the next
        it.clock.advance(14.9)
        it.registry.beat()
        await it.waits(4)
        it.clock.advance(14.9)
        assert it.registry.connections == 1
        assert it.feed.stale_since is None
        it.clock.advance(0.1)
        await until(lambda: it.feed.stale_since is not None)

        assert it.feed.stale_since == NOW + timedelta(seconds=14.9)
        it.clock.advance(1)
        await until(lambda: it.feed.stale_since is None)
        assert it.registry.connections == 2


async def test_a_registry_that_never_answers_is_given_up(following: Following) -> None:
    following.registry.hangs = True
    following.file.write(Kept(Told(9, [a_tenant("acme", 9)]), NOW))

    async with following.running() as it:
        await it.waits(1)
        it.clock.advance(15)
        await it.feed.caught_up.wait()

        assert it.feed.stale_since == NOW


async def test_it_comes_back_later_each_time_and_never_to_the_second(following: Following) -> None:
    following.registry.fault = Unavailable("Down.")

    async with following.running() as it:
        for attempt in range(8):
            await it.waits(2 * attempt + 2)
            it.clock.advance(10)

        chance = Random(7)
        doubled = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
        assert it.clock.sleeps[1:16:2] == [one * chance.uniform(0.5, 1.0) for one in doubled]


async def test_a_file_that_cannot_be_written_takes_nothing_down(
    following: Following, tmp_path: Path
) -> None:
    (tmp_path / "live").mkdir()  # a folder cannot be replaced by a file

    async with following.running() as it:
        await it.feed.caught_up.wait()
        it.registry.say(a_tenant("acme", 3, "hash"))
        await until(lambda: it.holds()["acme"] == "hash")

        assert it.feed.stale_since is None


def test_the_file_is_for_its_owner_alone_and_for_its_installation(tmp_path: Path) -> None:
    path = tmp_path / "data" / "live"
    kept = Kept(Told(9, [a_tenant("acme", 9)]), NOW)
    LiveFile(path, PEPPER).write(kept)

    read = LiveFile(path, PEPPER).read()
    assert read is not None
    assert (read.told.revision, list(read.told.changes), read.current_at) == (
        9,
        [a_tenant("acme", 9)],
        NOW,
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["live"]
    with pytest.raises(Invalid, match="is damaged, or of another installation; delete it"):
        LiveFile(path, b"another").read()


@pytest.mark.parametrize("length", [0, 1, 14, 60, 79, 80, 90])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "live"
    LiveFile(path, PEPPER).write(Kept(Told(9, [a_tenant("acme", 9)]), NOW))
    path.write_bytes(path.read_bytes()[:length])

    with pytest.raises(Invalid, match="is damaged"):
        LiveFile(path, PEPPER).read()


def test_there_is_nothing_to_read_before_the_first_write(tmp_path: Path) -> None:
    assert LiveFile(tmp_path / "live", PEPPER).read() is None
