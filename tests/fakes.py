"""Fakes: five-line classes that keep what they were given."""

from collections.abc import Sequence

from shared.errors import Unavailable
from shared.log.record import Fact, OpenCall


class FakeOutbox:
    """An outbox in memory; `full=True` refuses everything."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.facts: list[Fact] = []
        self.opened: dict[str, OpenCall] = {}

    async def append(self, facts: Sequence[Fact], *, closes: Sequence[str] = ()) -> None:
        if self.full:
            raise Unavailable("the outbox is full")
        self.facts.extend(facts)
        for call_id in closes:
            self.opened.pop(call_id, None)

    async def open(self, call: OpenCall) -> None:
        if self.full:
            raise Unavailable("the outbox is full")
        self.opened[call.call_id] = call

    def orphans(self) -> Sequence[OpenCall]:
        return ()
