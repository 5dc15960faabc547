"""The log's vocabulary: facts go in, records come out, and a group's position moves with its effect."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from shared.errors import LeewayError
from shared.topics import Topic

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Moved(LeewayError):
    """What a group reads has changed hands: the batch in hand is nobody's here, what is stored counts."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened, before it is in the log.

    `key` is the tenant; `event_id` is the CloudEvents id (a UUID); `value` is the serialized message.
    `only_for` names the one group that is to handle it: a dead letter that is played again was handled
    by the others. `digest` is a fingerprint of what a caller sent under an id of its choice, which
    tells a repeat from other content; what the server adds, such as times, has no part in it.
    `traceparent` names the span that stored it, where one is recorded; it is no part of what was said.
    """

    topic: Topic
    key: str
    event_id: str
    value: bytes
    only_for: str = ""
    digest: bytes = b""
    traceparent: str = field(default="", compare=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """What its record says beside it."""
        if not (self.only_for or self.traceparent):
            return _NO_HEADERS  # as almost always
        named = {ONLY_FOR: self.only_for, TRACEPARENT: self.traceparent}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that can never be handled, on its way to the dead-letter topic of its own topic."""

    record: "Record"
    reason: str


ONLY_FOR = "only_for"
"""The header of a record that one group alone is to handle."""

TRACEPARENT = "traceparent"
"""The header of a record whose append is traced (W3C Trace Context)."""

DAMAGED = "damaged"
"""The header of a dead letter whose bytes are not those that were accepted."""


@dataclass(frozen=True, slots=True)
class Record:
    """A fact as the log holds it, with the position that makes duplicates and losses visible.

    `source` names what is read (an outbox file, or a Kafka partition) and `offset` the place in it;
    `seq` counts 1, 2, 3, ... within (producer, epoch, topic, partition). `damage` says why the record is
    not what was accepted, and is empty for what is; no handler ever sees a damaged one.
    """

    source: str
    offset: int
    topic: str
    partition: int
    producer: str
    epoch: str
    seq: int
    key: str
    event_id: str
    accepted_at_us: int
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    damage: str = ""

    @property
    def placed(self) -> bool:
        """Whether it is known where in its lane it stands, and whose it is."""
        return self.seq > 0

    @property
    def lane(self) -> str:
        """The name of the sequence that `seq` counts in."""
        return f"{self.producer}/{self.epoch}/{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a group has come in one source: the next offset, and the last `seq` of each lane."""

    next_offset: int = 0
    seqs: Mapping[str, int] = field(default_factory=dict)


def furthest(positions: Iterable[Position]) -> Position:
    """The position behind all of these."""
    offset, seqs = 0, dict[str, int]()
    for position in positions:
        offset = max(offset, position.next_offset)
        for lane, seq in position.seqs.items():
            seqs[lane] = max(seq, seqs.get(lane, 0))
    return Position(offset, seqs)


@dataclass(frozen=True, slots=True)
class Effect:
    """What handling a batch leads to; it is stored in one transaction with the group's new position.

    `facts` are appended to the log, `dead_letters` to the dead-letter topics, and `states` replace
    the group's named blobs (None removes one).
    """

    facts: Sequence[Fact] = ()
    dead_letters: Sequence[DeadLetter] = ()
    states: Mapping[str, bytes | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenCall:
    """An upstream call that has begun: until it is closed, a restart must account for it.

    `value` is whatever its owner needs to make the closing fact. `damage` says why nothing of it is
    what was stored, and is empty for what is.
    """

    call_id: str
    opened_at: datetime
    value: bytes
    damage: str = ""


class Outbox(Protocol):
    """Where a process puts its facts. One process writes one outbox."""

    async def append(self, facts: Sequence[Fact], *, closes: Sequence[str] = ()) -> Sequence[Fact]:
        """Store the facts, and close the named open calls, in one transaction; what it refused.

        When it returns the facts survive a kill of the process. Facts of one caller keep their order.
        A fact whose topic, key and event id were accepted before is not stored again. With the same
        digest it is a repeat, and as good as stored; with another it is a conflict, and refused: the
        caller must not say yes to it. The other facts are stored, and calls closed, all the same. What
        the server makes has the empty digest: it repeats itself, and conflicts with what is sent.
        Ids are remembered for a time, by each outbox for itself.
        Raises `Unavailable` when nothing was stored (queue or disk full): the caller must not say yes.
        """
        ...

    async def open(self, call: OpenCall) -> None:
        """Store that a call has begun; durable when it returns. Raises `Unavailable`."""
        ...

    def orphans(self) -> Sequence[OpenCall]:
        """The calls that an earlier life of this outbox opened and did not close."""
        ...


class Handler(Protocol):
    """What a service does with a batch of records of the topics it consumes."""

    async def handle(self, records: Sequence[Record]) -> Effect:
        """Decide what the records lead to.

        Records come in the order of their lanes, each once. It may be called again with the same
        records when the process died, or when it raised `Unavailable` (the same batch is tried
        again after a pause): side effects outside the returned effect must be idempotent on
        `event_id`. A record that can never work is returned as a dead letter, never raised.
        """
        ...


class Restorable(Protocol):
    """A handler that keeps state in the log's store."""

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over the group's stored blobs before the first batch."""
        ...
