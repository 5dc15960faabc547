"""A member of a group: what comes from its partitions, and what is stored for them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import NoReturn, Self

import structlog
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata, TopicPartition

from shared.clock import Clock, micros
from shared.errors import Invalid, Unavailable
from shared.failpoints import NONE, Failpoints
from shared.log.file import GroupState, Ranges
from shared.log.kafka.cluster import HEARTBEAT_MS, Cluster
from shared.log.kafka.holding import Holding, intention, stand, take
from shared.log.kafka.reading import Span, read_spans
from shared.log.kafka.topic_ids import topic_ids
from shared.log.record import Effect, Moved, Position, Record
from shared.metrics import DEAD_LETTER_DEPTH
from shared.topics import Topic

log = structlog.get_logger()

JOIN_SECONDS = 60.0
# How long a member that was refused waits to hear from its group before it takes its seats again.
REFUSED_SECONDS = 3 * HEARTBEAT_MS / 1000
# aiokafka tries to commit offsets for ever. Longer than a session: what comes late comes from a member no more.
OFFSETS_SECONDS = 30.0


class KafkaGroup:
    """A `Log` and a `GroupStore` for one group; open it, then give it to a `Consumer` as both.

    A poll returns records of one partition number (of all topics): their effect is stored at its seat.
    Whenever the group changed, or it is unknown whether an effect was stored, the batch in hand is
    dropped and everything is taken anew: the seats are claimed, what is stored is read, and reading
    goes on from there.
    """

    def __init__(
        self,
        name: str,
        topics: Sequence[Topic],
        cluster: Cluster,
        clock: Clock,
        failpoints: Failpoints = NONE,
        *,
        offsets_seconds: float = OFFSETS_SECONDS,
    ) -> None:
        if len({topic.partitions for topic in topics}) != 1:
            raise Invalid(f"The topics of group {name} have different numbers of partitions.")
        self._name = name
        self._topics = [cluster.topic(topic.name) for topic in topics]
        self._cluster = cluster
        self._clock = clock
        self._failpoints = failpoints
        self._offsets_seconds = offsets_seconds
        self._changes = _Changes()
        self._holding: Holding | None = None
        self._held_since = 0
        self._in_hand: int | None = None
        self._refused = False

    async def __aenter__(self) -> Self:
        """Join the group. Raises `Unavailable` when Kafka does not answer, or has not all topics."""
        self._admin = self._cluster.admin()
        self._consumer = self._cluster.member(self._name)
        self._consumer.subscribe(self._topics, listener=self._changes)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._admin.close)
            undo.push_async_callback(self._consumer.stop)
            try:
                await topic_ids(
                    self._cluster, [*self._topics, self._cluster.state_topic(self._name)]
                )
                await self._admin.start()
                await self._consumer.start()
            except KafkaError as error:
                raise Unavailable(f"Group {self._name} cannot be joined: {error!r}.") from error
            undo.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._let_go()
        await self._consumer.stop()
        await self._admin.close()

    @property
    def holds_more(self) -> bool:
        """See `Log.holds_more`."""
        return self._holding is not None and bool(self._holding.fetched)

    def close(self) -> None:
        """See `Log.close`; the member leaves its group with the block that it was opened by."""

    async def poll(
        self,
        topics: Sequence[str],  # noqa: ARG002 (those it was made for)
        positions: Mapping[str, Position],  # noqa: ARG002 (it has stood there since `load`)
        limit: int,
    ) -> tuple[list[Record], Ranges]:
        """See `Log.poll`."""
        # What comes while other partitions wait for their turn joins what waits of its own: a batch costs the
        # same whether it is a few records of one topic or everything of a partition.
        room = self._held().room(limit)
        if room:
            self._consumer.resume(*self._consumer.paused())
            fetched = await self._consumer.getmany(max_records=room)
            self._held().add(fetched)
        holding = self._held()
        if not holding.fetched:
            return [], {}
        self._in_hand, messages = holding.next_part()
        return holding.records(messages, self._cluster)

    async def reread(
        self,
        topics: Sequence[str],  # noqa: ARG002
        ranges: Ranges,
    ) -> list[Record]:
        """See `Log.reread`."""
        places = self._held().places
        spans = {places[source]: Span(*range_) for source, range_ in ranges.items()}
        messages: dict[TopicPartition, list[ConsumerRecord]] = {place: [] for place in spans}
        try:
            found = await read_spans(self._cluster, spans)
        except KafkaError as error:
            raise Unavailable(f"A batch of {self._name} cannot be read: {error!r}.") from error
        for message in found:
            messages[TopicPartition(message.topic, message.partition)].append(message)
        holding = self._held()
        for source, (_, end) in ranges.items():
            self._in_hand = places[source].partition
            self._consumer.seek(places[source], end)
        return holding.records(messages, self._cluster)[0]

    async def waiting(self, positions: Mapping[str, Position]) -> int:
        """See `Log.waiting`; by what the brokers said with the last fetch."""
        holding = self._holding
        if holding is None or not self._is_current():
            return 0
        behind = 0
        for source in holding.places.keys() & positions.keys():
            place, passed = holding.places[source], positions[source].next_offset
            # What nothing was fetched of beyond a position are the ends of transactions: they take offsets too.
            if place.partition != self._in_hand and not holding.has_fetched(place):
                passed = max(passed, await self._consumer.position(place))
            behind += max(0, (self._consumer.highwater(place) or 0) - passed)
        return behind

    async def load(self, group: str) -> GroupState:  # noqa: ARG002 (its own)
        """See `GroupStore.load`; raises `Moved` when a batch is in hand from before a change."""
        if self._is_current():
            await self._show_life()
        elif self._in_hand is not None:
            self._in_hand = None
            raise self._moved()
        else:
            await self._take()
        holding = self._held()
        return GroupState(
            positions={
                s: p for seat in holding.seats.values() for s, p in seat.stored.positions.items()
            },
            states={n: blob for seat in holding.seats.values() for n, blob in seat.states.items()},
            intent=next(iter(holding.intents.values()), None),
        )

    async def intend(self, group: str, ranges: Ranges) -> None:  # noqa: ARG002
        """See `GroupStore.intend`. The group refuses it when this member is none any more."""
        offsets = intention(ranges, self._held().places)
        try:
            async with asyncio.timeout(self._offsets_seconds):
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as refusal:
            await self._give_up(refusal)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka took no intent of {self._name}: {error!r}.") from error
        self._held()

    async def commit(
        self,
        group: str,  # noqa: ARG002
        positions: Mapping[str, Position],
        effect: Effect,
    ) -> None:
        """See `GroupStore.commit`. Raises `Moved` when it is not, or may not be, stored."""
        holding = self._held()
        if self._in_hand is None:
            raise self._moved()
        seat = holding.seats[self._in_hand]
        ours = {
            source: position
            for source, position in positions.items()
            if source in holding.places and holding.places[source].partition == seat.partition
        }
        letters = [*effect.dead_letters, *holding.strays.pop(seat.partition, [])]
        whole = Effect(effect.facts, letters, effect.states)
        try:
            await seat.commit(ours, whole, micros(self._clock.now()))
        except (Moved, Unavailable) as refusal:
            await self._give_up(refusal)
        if letters:
            self._tell_letters(holding)
        self._in_hand = None
        holding.intents.pop(seat.partition, None)
        await self._tell({holding.places[source]: at for source, at in ours.items()})

    def _tell_letters(self, holding: Holding) -> None:
        """The letters at the seats held here: a seat counts what it made, and letters are kept for ever."""
        for topic in map(self._cluster.name, self._topics):
            made = sum(seat.letters(topic) for seat in holding.seats.values())
            DEAD_LETTER_DEPTH.labels(topic, self._name).set(made)

    def _is_current(self) -> bool:
        return self._holding is not None and self._held_since == self._changes.count

    def _held(self) -> Holding:
        """What is held, while the group has not changed."""
        if self._holding is None or not self._is_current():
            raise self._moved()
        return self._holding

    def _moved(self) -> Moved:
        return Moved(f"Group {self._name} has changed.")

    async def _take(self) -> None:
        await self._let_go()
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await self._hear()
                since = self._changes.count
                holding = await take(
                    self._name, self._changes.assigned, self._cluster, self._failpoints
                )
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Group {self._name} is not ready: {error!r}.") from error
        self._holding, self._held_since = holding, since
        self._held()
        try:
            offsets = await self._admin.list_consumer_group_offsets(
                self._cluster.prefix + self._name
            )
            await stand(self._held(), self._consumer, offsets)
        except KafkaError as error:
            await self._let_go()
            raise Unavailable(f"Group {self._name} is not ready: {error!r}.") from error
        self._tell_letters(holding)
        log.info("group.took", group=self._name, partitions=sorted(holding.seats))

    async def _hear(self) -> None:
        """Wait for an assignment; after a refusal, for a new one, if the group has one for us."""
        if self._refused:
            self._refused = False
            await self._changes.wait(REFUSED_SECONDS)
        await self._changes.settled.wait()

    async def _show_life(self) -> None:
        """Nothing can be handled now: fetch nothing, and stay in the group."""
        self._consumer.pause(*self._held().places.values())
        await self._consumer.getmany(timeout_ms=0)

    async def _give_up(self, refusal: Exception) -> NoReturn:
        """Drop everything; raises `Moved`."""
        log.warning("group.refused", group=self._name, reason=str(refusal))
        self._refused = not isinstance(refusal, Unavailable)
        self._in_hand = None
        await self._let_go()
        raise self._moved() from refusal

    async def _let_go(self) -> None:
        holding, self._holding = self._holding, None
        if holding is not None:
            await holding.close()

    async def _tell(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Commit the offsets, which ends an intent; whether it works or not, the stored position rules."""
        offsets = {place: OffsetAndMetadata(at.next_offset, "") for place, at in positions.items()}
        try:
            async with asyncio.timeout(self._offsets_seconds):
                await self._consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            log.info("group.offsets_not_told", group=self._name, error=repr(error))


class _Changes(ConsumerRebalanceListener):  # type: ignore[misc]
    """What the group told this member: what is assigned to it (when settled), and how often that changed.

    Nothing is committed when partitions are revoked: a batch in hand is dropped, or fenced.
    """

    def __init__(self) -> None:
        self.count = 0
        self.assigned: frozenset[TopicPartition] = frozenset()
        self.settled = asyncio.Event()
        self._news = asyncio.Event()

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        self.count += 1
        self.settled.clear()
        self._news.set()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.count += 1
        self.assigned = frozenset(assigned)
        self.settled.set()

    async def wait(self, seconds: float) -> None:
        """Return with the next change, or after `seconds` without one."""
        self._news.clear()
        if self.settled.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
