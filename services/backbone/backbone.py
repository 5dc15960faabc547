"""The port: what a process needs of its surroundings, in either mode."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.lifecycle import Group, Host, Task


class View(Protocol):
    """What keeps the live view of the process current."""

    caught_up: asyncio.Event

    async def run(self, stop: asyncio.Event) -> None:
        """Keep it current until `stop` is set; `caught_up` is set once it is whole."""
        ...


class Outgoing(Protocol):
    """What takes this process's facts further."""

    @property
    def idle(self) -> bool:
        """Whether nothing of it waits here."""
        ...


@dataclass(frozen=True, slots=True)
class Backbone:
    """A process's surroundings. `groups` are those that its services asked the host for.

    `tasks` run for as long as the process does. `view_first`: no door may open before the view is
    whole; only the process that is itself the view's source must open first.
    """

    host: Host
    view: View
    tasks: Sequence[Task]
    groups: list[Group] = field(default_factory=list)
    outgoing: Outgoing | None = None
    view_first: bool = True

    @property
    def settled(self) -> bool:
        """Whether what is in the log has been handled, as far as this process handles it."""
        groups = all(group.idle or group.halted for group in self.groups)
        return groups and (self.outgoing is None or self.outgoing.idle)
