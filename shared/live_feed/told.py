"""What the registry tells, and where from: the ports of the feed."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from leeway_pb.v1.registry_pb2 import RegistryChanged


@dataclass(frozen=True, slots=True)
class Told:
    """Changes in their order, and the revision up to which nothing is missing now."""

    revision: int
    changes: Sequence[RegistryChanged] = ()


class Source(Protocol):
    """A connection to the registry; each method raises a `LeewayError` when it does not work (any more)."""

    async def snapshot(self) -> Told:
        """The last change of everything that lives, as of one revision."""
        ...

    def watch(self, after: int) -> AsyncGenerator[Told]:
        """Every change behind the revision, each once; without changes, a sign of life now and then.

        It never ends by itself.
        """
        ...


Connect = Callable[[], AbstractAsyncContextManager[Source]]
