"""The calls that the gateway served last: the app that made one may tell of it again, as a span of its own."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

PREFIX = "served-of/"
MARKS_PER_PAGE = 256
MARK_BYTES = 16


@dataclass(frozen=True, slots=True)
class AppSpan:
    """A span of a tenant's app."""

    tenant: str
    trace_id: str
    span_id: str

    @property
    def mark(self) -> bytes:
        """What stands for the span among those of its tenant."""
        text = f"{self.trace_id}/{self.span_id}"
        return hashlib.blake2b(text.encode(), digest_size=MARK_BYTES).digest()


@dataclass(slots=True)
class _Tenant:
    """The marks of one tenant, and the numbered pages that they stand on, oldest first."""

    marks: set[bytes] = field(default_factory=set)
    pages: dict[int, list[bytes]] = field(default_factory=dict)

    def add(self, mark: bytes) -> int:
        """Write a mark on the last page, or on a new one: the page's number."""
        last = next(reversed(self.pages), 0)
        if len(self.pages.get(last, ())) >= MARKS_PER_PAGE:
            last += 1
        self.pages.setdefault(last, []).append(mark)
        self.marks.add(mark)
        return last

    def forget_beyond(self, most: int) -> list[int]:
        """Forget the oldest pages while the others hold `most` marks: their numbers."""
        gone = []
        while len(self.marks) - len(self.pages[next(iter(self.pages))]) >= most:
            number = next(iter(self.pages))
            self.marks.difference_update(self.pages.pop(number))
            gone.append(number)
        return gone


class Served:
    """Under which spans of an app the gateway served calls: the last `most_of_tenant` of every tenant.

    Up to a page more are remembered. A tenant is bounded by itself, because another's state may be
    kept elsewhere. A page is one blob of at most 4 kB; a batch writes again only the last page of each
    tenant in it. A mark takes 16 bytes stored, and about 0.1 kB in memory.
    """

    def __init__(self, most_of_tenant: int) -> None:
        self._most = most_of_tenant
        self._tenants: dict[str, _Tenant] = {}

    def __contains__(self, span: AppSpan) -> bool:
        own = self._tenants.get(span.tenant)
        return own is not None and span.mark in own.marks

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Begin anew from the stored pages."""
        self._tenants = {}
        for name in sorted((n for n in states if n.startswith(PREFIX)), key=_page):
            tenant, number = _page(name)
            blob = states[name]
            marks = [blob[at : at + MARK_BYTES] for at in range(0, len(blob), MARK_BYTES)]
            own = self._tenants.setdefault(tenant, _Tenant())
            own.pages[number] = marks
            own.marks.update(marks)

    def remember(self, spans: Iterable[AppSpan]) -> dict[str, bytes | None]:
        """Add spans under which calls were served: the blobs that changed, None for one to remove."""
        changed: dict[str, set[int]] = {}
        for span in spans:
            own = self._tenants.setdefault(span.tenant, _Tenant())
            if span.mark not in own.marks:
                changed.setdefault(span.tenant, set()).add(own.add(span.mark))
        for tenant, numbers in changed.items():
            numbers.update(self._tenants[tenant].forget_beyond(self._most))
        return {
            f"{PREFIX}{quote(tenant, safe='')}/{number}": self._blob(tenant, number)
            for tenant, numbers in changed.items()
            for number in numbers
        }

    def _blob(self, tenant: str, number: int) -> bytes | None:
        page = self._tenants[tenant].pages.get(number)
        return None if page is None else b"".join(page)


def _page(name: str) -> tuple[str, int]:
    tenant, _, number = name.removeprefix(PREFIX).partition("/")
    return unquote(tenant), int(number)
