"""What tests of the log are made of: facts, handlers that count, fail, reject and die, and what a log must offer."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from shared.errors import Unavailable
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.record import DeadLetter, Effect, Fact, Handler, Outbox, Record
from shared.metrics import FACT_GAPS
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED, Topic

LIMITS = ConsumerLimits(
    max_records=100,
    max_age_seconds=0.01,
    first_retry_seconds=0.01,
    last_retry_seconds=0.02,
    max_consecutive_dead_letters=5,
    dead_letters_after_halt=2,
)


def a_fact(
    n: int, *, tenant: str = "acme", topic: Topic = INTERACTION_COMPLETED, digest: bytes = b""
) -> Fact:
    event_id = f"00000000-0000-7000-8000-{n:012d}"
    return Fact(topic, tenant, event_id, f"value {n}".encode(), digest=digest)


def a_good_fact(n: int) -> Fact:
    """One that is taken when values are rejected."""
    return replace(a_fact(n), value=b"good")


class Collecting:
    """Keeps every record; can be told to fail, to crash on a value, or to reject a value."""

    exact_batches = False

    def __init__(self, done: int) -> None:
        self.records: list[Record] = []
        self.batches: list[list[str]] = []
        self.unavailable = 0
        self.crash_on: bytes | None = None
        self.reject: bytes | None = None
        self.restored: Mapping[str, bytes] = {}
        self.done = done
        self.stop = asyncio.Event()

    def restore(self, states: Mapping[str, bytes]) -> None:
        self.restored = dict(states)

    async def handle(self, records: Sequence[Record]) -> Effect:
        self.batches.append([r.event_id for r in records])
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable("not now")
        if any(r.value == self.crash_on for r in records):
            raise ValueError("poison")
        letters = [DeadLetter(r, "no") for r in records if self.reject and self.reject in r.value]
        self.records += [r for r in records if r not in [x.record for x in letters]]
        count = str(len(self.records)).encode()
        if len(self.records) + len(letters) >= self.done:
            self.stop.set()
        return Effect(dead_letters=letters, states={"count": count})


class Rating(Collecting):
    """Makes a fact of every record."""

    async def handle(self, records: Sequence[Record]) -> Effect:
        await super().handle(records)
        return Effect(facts=[Fact(USAGE_RATED, r.key, r.event_id, b"rated") for r in records])


class Counting(Collecting):
    """Counts records before it looks at them: a crash leaves its count ahead of what is stored."""

    def restore(self, states: Mapping[str, bytes]) -> None:
        self.counted = int(states.get("counted", b"0"))

    async def handle(self, records: Sequence[Record]) -> Effect:
        self.counted += len(records)
        await super().handle(records)
        return Effect(states={"counted": str(self.counted).encode()})


class Dying(Collecting):
    """A sink that is told of a batch and does not live to tell of its end."""

    exact_batches = True

    async def handle(self, records: Sequence[Record]) -> Effect:
        self.batches.append([r.event_id for r in records])
        self.stop.set()
        raise Unavailable("killed here")


class Surviving(Collecting):
    exact_batches = True


class Harness(Protocol):
    """A log of its own for one test."""

    def outbox(self, name: str = "edge-0") -> AbstractAsyncContextManager[Outbox]:
        """An open outbox. It is opened again to play a later life of the same process."""
        ...

    async def run(
        self,
        handler: Handler,
        stop: asyncio.Event,
        group: str = "g",
        topics: Sequence[Topic] = (INTERACTION_COMPLETED,),
    ) -> Consumer:
        """Let everything accepted arrive, run a consumer in the last opened outbox's process to its end."""
        ...

    async def dead(self, topic: Topic) -> list[Record]:
        """The dead letters of a topic."""
        ...

    def lose(self, seq: int, name: str = "edge-0") -> None:
        """Lose an outbox's records with this place in their lanes, before anybody has read them."""
        ...


def gaps(group: str) -> float:
    return float(FACT_GAPS.labels(group)._value.get())
