"""Fakes: five-line classes that keep what they were given."""

from collections.abc import Sequence

from shared.errors import Unavailable
from shared.log.record import Fact, OpenCall
from shared.topics import Topic


class FakeOutbox:
    """An outbox in memory; `full=True` takes nothing at all."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.facts: list[Fact] = []
        self.opened: dict[str, OpenCall] = {}
        self._first: dict[tuple[Topic, str, str], Fact] = {}

    async def append(self, facts: Sequence[Fact], *, closes: Sequence[str] = ()) -> Sequence[Fact]:
        if self.full:
            raise Unavailable("the outbox is full")
        refused: list[Fact] = []
        for fact in facts:
            first = self._first.setdefault((fact.topic, fact.key, fact.event_id), fact)
            if first is fact:
                self.facts.append(fact)
            elif first.digest != fact.digest:
                refused.append(fact)
        for call_id in closes:
            self.opened.pop(call_id, None)
        return refused

    async def open(self, call: OpenCall) -> None:
        if self.full:
            raise Unavailable("the outbox is full")
        self.opened[call.call_id] = call

    def orphans(self) -> Sequence[OpenCall]:
        return ()
