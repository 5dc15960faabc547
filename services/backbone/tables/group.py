"""A member of a group that Faust hosts: what its agent hands over, and what is stored for it."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, cast

import structlog
from aiokafka.structs import TopicPartition
from faust import Stream
from faust.types import TP, EventT, StreamT, TopicT

from services.backbone.tables.arrivals import source_of, whole
from services.backbone.tables.share import InDoubt, Share, StateTable, stored_positions
from services.backbone.tables.streams import REBALANCE_SECONDS, raw_table, raw_topic, stream_app
from shared.clock import Clock, micros
from shared.errors import Invalid, Unavailable
from shared.failpoints import Failpoints
from shared.log.file import GroupState, Ranges
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.reading import Span, read_spans
from shared.log.kafka.relay import Forwarder
from shared.log.record import DeadLetter, Effect, Moved, Position, Record
from shared.topics import Topic

log = structlog.get_logger()

JOIN_SECONDS = 60.0
POLL_SECONDS = 0.05
GATHER_SECONDS = 0.05  # in which the agent fills a batch
FINISH_SECONDS = REBALANCE_SECONDS / 2  # for a batch that is being written when its partition goes
LOOKED_AT = 100  # offsets behind what is stored, to see whether anything waits there

Event = EventT[bytes]


@dataclass(frozen=True, slots=True)
class Instance:
    """Who a member is: its name, which no other has and a restart keeps; the folder of Faust's own files; and
    how many records it takes on at once."""

    name: str
    folder: Path
    batch_records: int


@dataclass(slots=True)
class _Hand:
    """What of a partition number was handed out and is not settled: events to acknowledge, and strays."""

    events: list[Event] = field(default_factory=list)
    strays: list[DeadLetter] = field(default_factory=list)


class TableGroup:
    """A `Log` and a `GroupStore` for one group; open it, then give it to a `Consumer` as both.

    A poll returns records of one partition number. After every change of the group Faust goes back to what is
    committed, so what is at hand is dropped then and comes again. `effects` counts the batches that took effect.
    """

    def __init__(
        self,
        name: str,
        topics: Sequence[Topic],
        cluster: Cluster,
        instance: Instance,
        clock: Clock,
        failpoints: Failpoints,
    ) -> None:
        if len({topic.partitions for topic in topics}) != 1:
            raise Invalid(f"The topics of group {name} have different numbers of partitions.")
        self.effects = 0
        self._name = name
        self._topics = topics
        self._cluster = cluster
        self._clock = clock
        self._failpoints = failpoints
        self._forwarder = Forwarder(cluster)
        self._arrived: asyncio.Queue[list[Event]] = asyncio.Queue(maxsize=1)
        self._fetched: deque[tuple[int, list[Event]]] = deque()
        self._shares: dict[int, Share] = {}
        self._hands: dict[int, _Hand] = {}
        self._in_hand: int | None = None
        self._generation: int | None = None
        self._doubt: InDoubt | None = None
        self._writing = asyncio.Lock()
        self._app = stream_app(name, cluster, instance.name, instance.folder, self._stored_of)
        self._app.agent(self._messages(), name=f"{name}-records", concurrency=1)(
            self._agent(instance.batch_records)
        )
        self._table = StateTable(
            raw_table(self._app, f"{name}-states", cluster.table_topic(name), topics[0].partitions)
        )
        self._app.on_partitions_revoked.connect(self._let_finish)
        self._app.finalize()

    async def start(self) -> None:
        """Join. What keeps Faust from starting is raised."""
        await self._app.start()

    async def stop(self) -> None:
        """Leave."""
        await self._app.stop()
        await self._forwarder.close()

    @property
    def failure(self) -> BaseException | None:
        """Why only a restart can go on, if something is."""
        return self._doubt or self._app.crash_reason

    @property
    def holds_more(self) -> bool:
        """See `Log.holds_more`."""
        return bool(self._fetched) or not self._arrived.empty()

    def close(self) -> None:
        """See `Log.close`; the app is stopped by who started it."""

    async def poll(
        self,
        topics: Sequence[str],  # noqa: ARG002 (those it was made for)
        positions: Mapping[str, Position],  # noqa: ARG002 (Faust stands there)
        limit: int,  # noqa: ARG002 (the agent's)
    ) -> tuple[list[Record], Ranges]:
        """See `Log.poll`."""
        self._require_current()
        if not self._fetched and not self._arrived.empty():
            self._part(self._arrived.get_nowait())
        if not self._fetched:
            return [], {}
        self._in_hand, events = self._fetched.popleft()
        stored = self._shares[self._in_hand].stored.positions
        found = await whole(self._cluster, events, stored)
        hand = self._hands[self._in_hand]
        hand.events += events
        hand.strays += found.strays
        return found.records, found.ranges

    async def reread(self, topics: Sequence[str], ranges: Ranges) -> NoReturn:  # noqa: ARG002
        """See `Log.reread`; raises `Invalid`, for a table keeps no intents."""
        raise self._no_intents()

    async def waiting(self, positions: Mapping[str, Position]) -> int:
        """See `Log.waiting`; by what the brokers said with the last fetch."""
        ends = {
            source_of(self._cluster, place): self._app.consumer.highwater(place)
            for place in self._places()
        }
        return sum(
            max(0, (end or 0) - positions[s].next_offset)
            for s, end in ends.items()
            if s in positions
        )

    async def behind(self) -> bool:
        """Whether there is anything to do: a record behind what is stored, or the group to stand in."""
        if not self._is_current():
            return True
        spans = {}
        for place in self._places():
            positions = self._shares[place.partition].stored.positions
            begin = positions.get(source_of(self._cluster, place), Position()).next_offset
            spans[TopicPartition(*place)] = Span(begin, begin + LOOKED_AT)
        return bool(await read_spans(self._cluster, spans))

    async def load(self, group: str) -> GroupState:  # noqa: ARG002 (its own)
        """See `GroupStore.load`; raises `Moved` when a batch is in hand from before a change."""
        if not self._is_current():
            if self._in_hand is not None:
                self._in_hand = None
                raise self._moved()
            await self._take()
        shares = self._shares.values()
        async with self._sure():
            for share in shares:
                await share.finish()
        return GroupState(
            positions={s: p for share in shares for s, p in share.stored.positions.items()},
            states={name: blob for share in shares for name, blob in share.states().items()},
            intent=None,
        )

    async def intend(self, group: str, ranges: Ranges) -> NoReturn:  # noqa: ARG002
        """See `GroupStore.intend`; raises `Invalid`, for a table keeps no intents."""
        raise self._no_intents()

    async def commit(
        self,
        group: str,  # noqa: ARG002
        positions: Mapping[str, Position],
        effect: Effect,
    ) -> None:
        """See `GroupStore.commit`."""
        if self._in_hand is None:
            raise self._moved()
        share, hand = self._shares[self._in_hand], self._hands[self._in_hand]
        ours = {s: at for s, at in positions.items() if s.endswith(f"/{share.partition}")}
        letters = [*effect.dead_letters, *hand.strays]
        whole = Effect(effect.facts, letters, effect.states)
        async with self._sure():
            await share.commit(ours, whole, micros(self._clock.now()))
        for event in hand.events:
            event.ack()
        self._hands[share.partition], self._in_hand = _Hand(), None
        self.effects += 1

    @asynccontextmanager
    async def _sure(self) -> AsyncIterator[None]:
        """Write as who stands in the group; once it is in doubt what is written, nothing more is.

        Raises `Moved`, `Unavailable`.
        """
        if self._doubt is not None:
            raise Unavailable(str(self._doubt))
        async with self._writing:
            self._require_current()
            try:
                yield
            except InDoubt as doubt:
                self._doubt = doubt
                raise Unavailable(str(doubt)) from doubt

    async def _let_finish(self, *_: object, **__: object) -> None:
        """Give nothing up before what is being written is: who comes next restores all of it."""
        try:
            async with asyncio.timeout(FINISH_SECONDS), self._writing:
                pass
        except TimeoutError:
            log.warning("group.left_unfinished", group=self._name)

    def _messages(self) -> TopicT:
        return raw_topic(self._app, [self._cluster.topic(topic.name) for topic in self._topics])

    def _agent(self, batch_records: int) -> Callable[[StreamT[bytes]], Awaitable[None]]:
        """What hands batches over, and waits until each is taken."""

        async def hand_over(stream: StreamT[bytes]) -> None:
            assert isinstance(stream, Stream)
            async for events in stream.noack_take(batch_records, within=GATHER_SECONDS):
                await self._arrived.put(cast("list[Event]", events))

        return hand_over

    async def _take(self) -> None:
        """Wait until Faust has a part of the group and has restored its table; take over what is there."""
        await self._ready()
        self._generation = self._app.consumer_generation_id
        held = frozenset(place.partition for place in self._places())
        self._table.keep(held)
        self._fetched.clear()
        self._hands = {partition: _Hand() for partition in held}
        self._shares = {
            partition: Share(self._name, partition, self._table, self._forwarder, self._failpoints)
            for partition in sorted(held)
        }
        log.info("group.took", group=self._name, partitions=sorted(held))

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                while self._app.rebalancing or not self._app.tables.actives_ready:
                    await self._clock.sleep(POLL_SECONDS)
        except TimeoutError as late:
            raise Unavailable(f"Group {self._name} is not ready.") from late

    def _is_current(self) -> bool:
        return self._generation == self._app.consumer_generation_id and not self._app.rebalancing

    def _require_current(self) -> None:
        if not self._is_current():
            raise self._moved()

    def _moved(self) -> Moved:
        return Moved(f"Group {self._name} has changed.")

    def _no_intents(self) -> Invalid:
        return Invalid(f"Group {self._name} has no exact batches: its states are a table.")

    def _stored_of(self, place: TP) -> int | None:
        """The next offset of a partition by the table; while that is being restored it may be an earlier one."""
        at = stored_positions(self._table, place.partition).get(source_of(self._cluster, place))
        return None if at is None else at.next_offset

    def _places(self) -> list[TP]:
        topics = {self._cluster.topic(topic.name) for topic in self._topics}
        return [place for place in self._app.consumer.assignment() if place.topic in topics]

    def _part(self, events: Iterable[Event]) -> None:
        """Keep what arrived since the last change, in parts of one partition number each."""
        parts: dict[int, list[Event]] = defaultdict(list)
        for event in events:
            if event.message.generation_id == self._generation:
                parts[event.message.partition].append(event)
        self._fetched.extend(parts.items())
