"""The port of tracing: spans that know nothing of who collects them."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Span(Protocol):
    """A piece of work that is being timed; it ends with the block that it was opened by."""

    @property
    def traceparent(self) -> str:
        """How others continue it (W3C Trace Context); empty when it is not recorded."""
        ...

    def rename(self, name: str) -> None:
        """Name it by what is known only now."""
        ...

    def tell(self, name: str, value: str | int) -> None:
        """Add an attribute: a count, a template, a status; never what anybody wrote."""
        ...

    def fail(self) -> None:
        """Mark it as failed. A block that raises does so by itself, and says no more than that."""
        ...


class Tracing(Protocol):
    """Opens spans. What is opened inside of a block is a part of its span."""

    @property
    def traceparent(self) -> str:
        """That of the span which is open here; empty when none is, or it is not recorded."""
        ...

    def request(self, name: str, traceparent: str) -> AbstractContextManager[Span]:
        """A span of something that was asked of us; it continues its caller's trace, and is sampled."""
        ...

    def span(self, name: str, links: Sequence[str] = ()) -> AbstractContextManager[Span]:
        """A span of the one that is open here, or else of what it links to.

        `links` are `traceparent`s of recorded spans. Where all are of one trace it is a part of that, else it
        begins a trace of its own; with links it is always recorded.
        """
        ...

    async def close(self) -> None:
        """Send what was not sent yet. It takes no longer than one attempt to send."""
        ...
