"""The port of kept answers; one contract suite holds every implementation to it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from services.serving.cache.nearest import Likeness


@dataclass(frozen=True, slots=True)
class Scope:
    """Within what an answer may be found: never beyond its tenant, and only under the same `rules`.

    `rules` is the digest, in hexadecimal, of all that changes what a caller may see.
    """

    tenant: str
    rules: str


@dataclass(frozen=True, slots=True)
class Part:
    """A whole answer's body, or one event of a stream: the bytes for the client, and their tree as JSON.

    `tree` is empty where the bytes say the same, and for a comment.
    """

    raw: bytes
    tree: bytes = b""
    hidden: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """An answer as it was given: `cost_usd` is what it cost then, None when that is not known.

    `subject` is the digest of whose it is, empty for nobody's; `likeness` is there when its question may
    be compared with others.
    """

    parts: tuple[Part, ...]
    saved_at: datetime
    cost_usd: Decimal | None = None
    subject: str = ""
    likeness: Likeness | None = None

    @property
    def size(self) -> int:
        """What it takes, in bytes, the frame of each part included."""
        return sum(len(part.raw) + len(part.tree) + _FRAME for part in self.parts) + _FRAME


class Cache(Protocol):
    """Kept answers, within bounds of its own: what was put may be gone at any time.

    What is older than it was to be kept is never answered. Each method raises `Unavailable` when the
    answers cannot be reached.
    """

    async def get(self, scope: Scope, key: str) -> Saved | None:
        """The answer to exactly this request; `key` is the digest of it, in hexadecimal."""
        ...

    async def put(self, scope: Scope, key: str, saved: Saved, seconds: float) -> None:
        """Keep an answer for so long from when it was saved, in the place of any other of its key."""
        ...

    async def near(
        self, scope: Scope, question: Likeness, within: float, since: datetime
    ) -> Saved | None:
        """The answer saved since then whose question is the nearest of its group, by the cosine distance.

        None when no question with the same marks is `within` that distance. Of each group the newest
        few hundred questions are compared, one by one.
        """
        ...

    async def forget(self, tenant: str, subject: str = "") -> int:
        """Erase a tenant's answers, or those of one subject, with their vectors; how many there were."""
        ...


_FRAME = 128  # what an object is larger than its bytes, about
