"""What the code that runs now belongs to: its session, its user, its tags, its span."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from leeway.ids import new_id

log = logging.getLogger("leeway")

# The gateway refuses a call whose context it cannot read; these are its bounds.
_MAX_NAME = 256
_MAX_TAGS = 64
_MAX_TAG_NAME = 64
_MAX_TAG_VALUE = 512


@dataclass(frozen=True)
class Session:
    """A conversation or a task: its id, its user, and tags for everything in it."""

    id: str = ""
    user: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where in a trace the code runs: the trace, and the span that is the parent of what comes."""

    trace_id: str
    span_id: str


_NO_SESSION = Session()
_session: ContextVar[Session] = ContextVar("leeway_session", default=_NO_SESSION)
_place: ContextVar[Place | None] = ContextVar("leeway_place", default=None)
_last: ContextVar[str | None] = ContextVar("leeway_last_interaction", default=None)


def current_session() -> Session:
    """The innermost session; an empty one outside of any."""
    return _session.get()


def current_place() -> Place | None:
    """The innermost span; None outside of any."""
    return _place.get()


def move_to(place: Place | None) -> Place | None:
    """Make that the innermost span; answers what was it before.

    It is set and never reset by token: a generator may go on in another task or thread, where a
    token of the first would raise.
    """
    before = _place.get()
    _place.set(place)
    return before


def last_interaction() -> str | None:
    """The interaction that this context made last."""
    return _last.get()


def note_interaction(interaction_id: str) -> None:
    """Remember the interaction that this context made last."""
    _last.set(interaction_id)


class SessionScope:
    """`with leeway.session("s-1", user="u-7", tags={"plan": "pro"}) as session:`

    A session within a session adds to it: what is not given is the outer one's, and tags are joined.
    """

    def __init__(self, session_id: str | None, user: str | None, tags: Mapping[str, str]) -> None:
        self._session_id = session_id
        self._user = user
        self._tags = tags
        self._before: list[Session] = []

    def __enter__(self) -> Session:
        outer = _session.get()
        session = Session(
            id=self._session_id or outer.id or new_id(),
            user=self._user or outer.user,
            tags={**outer.tags, **self._tags},
        )
        self._before.append(outer)
        _session.set(session)
        return session

    def __exit__(self, *_: object) -> None:
        _session.set(self._before.pop() if self._before else _NO_SESSION)


def headers() -> dict[str, str]:
    """The context as the gateway's request headers. What no header can carry is left out, and said."""
    session, place = _session.get(), _place.get()
    told = {"x-leeway-session": session.id, "x-leeway-user": session.user}
    found = {name: text for name, text in told.items() if text and _carried(name, text, _MAX_NAME)}
    pairs = ",".join(_pairs(session.tags))
    if pairs:
        found["x-leeway-tags"] = pairs
    if place is not None:
        found["traceparent"] = f"00-{place.trace_id}-{place.span_id}-01"
    return found


def _pairs(tags: Mapping[str, str]) -> Iterator[str]:
    for name, value in list(tags.items())[:_MAX_TAGS]:
        # The header reads name=value,name=value: a comma anywhere, or an equals sign in the name, splits it.
        fits = name and "=" not in name and "," not in name + value
        if (
            not fits
            or len(name) > _MAX_TAG_NAME
            or not _carried(f"tag {name}", value, _MAX_TAG_VALUE)
        ):
            log.warning("The tag %.64r does not fit into a header; it is left out.", name)
            continue
        yield f"{name}={value}"


def _carried(name: str, text: str, limit: int) -> bool:
    if len(text) <= limit and text.isascii() and text.isprintable():
        return True
    log.warning("%.80s must be at most %d printable ASCII characters; left out.", name, limit)
    return False
