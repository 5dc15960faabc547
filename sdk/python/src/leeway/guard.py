"""The SDK's promise: what goes wrong in here is logged and counted, and never reaches the host."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from leeway.counters import Counters
from leeway.ids import new_id

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")
H = TypeVar("H", bound="Host")

log = logging.getLogger("leeway")


class Host(Protocol):
    """Something whose methods keep the promise."""

    @property
    def counters(self) -> Counters:
        """Where a broken call is counted as `invalid`."""
        ...


class Shield:
    """A block whose faults end with it: the one place of the SDK where any fault is stopped.

    What is no fault passes: KeyboardInterrupt, SystemExit, cancellation, the end of a generator.
    """

    def __init__(self, what: str, counters: Counters) -> None:
        self._what = what
        self._counters = counters

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> bool:
        if not isinstance(fault, Exception):
            return False
        self._counters.add("invalid")
        log.warning("%s: %s", self._what, said(fault))
        log.debug("%s", self._what, exc_info=fault)
        return True


def promised(
    fallback: Callable[[Any], T],
) -> Callable[[Callable[Concatenate[H, P], T]], Callable[Concatenate[H, P], T]]:
    """Make a method that never raises: with wrong arguments it answers `fallback(host)`."""

    def decorate(method: Callable[Concatenate[H, P], T]) -> Callable[Concatenate[H, P], T]:
        @functools.wraps(method)
        def kept(host: H, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with Shield(f"leeway.{method.__name__}", host.counters):
                return method(host, *args, **kwargs)
            return fallback(host)

        return kept

    return decorate


def nothing(_: object) -> None:
    """The fallback of a method that answers nothing."""


def no(_: object) -> bool:
    """The fallback of a method that answers whether it worked."""
    return False


def fresh_id(_: object) -> str:
    """The fallback of a method that answers an id: one that nothing else has."""
    return new_id()


def said(fault: BaseException) -> str:
    """The fault's class and message. It does not raise, even where the message is the host's own code."""
    return "".join(traceback.format_exception_only(type(fault), fault)).strip()
