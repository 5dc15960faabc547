"""Feedback as the server's `POST /v1/feedback` wants it: what people, programs and life say afterwards."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, Union

from leeway.context import current_session
from leeway.counters import Counters
from leeway.encoding import moment
from leeway.guard import fresh_id, promised
from leeway.ids import new_id
from leeway.interactions import Moment, checked_tags
from leeway.items import Lane

if TYPE_CHECKING:
    from typing_extensions import Unpack

KINDS = frozenset(
    {
        *("thumbs", "score", "comment", "correction", "ranking", "preference", "implicit"),
        "outcome",
    }
)

Rater = Union[str, Mapping[str, str]]


class Details(TypedDict, total=False):
    """What feedback of every kind may say beside its own."""

    text: str | None
    rater: Rater | None
    session_id: str | None
    about_at: Moment | None
    observed_at: Moment | None
    source: str | None
    supersedes: str | None
    tags: Mapping[str, str] | None
    environment: str | None
    id: str | None


class Signals(ABC):
    """The feedback half of a client. Each method answers the feedback's id at once and never raises.

    `rater` is a user's id, or `{"id": ..., "kind": "user" | "expert" | "program"}`. `about_at` is
    when it was true, `observed_at` when it was learnt (now, unless told). `supersedes` is the id of
    the feedback that this one corrects.
    """

    counters: Counters

    @abstractmethod
    def _send(self, lane: Lane, item: Mapping[str, object]) -> None:
        """Take an item on its way."""

    @property
    @abstractmethod
    def _environment(self) -> str:
        """The environment that items belong to."""

    @promised(fresh_id)
    def feedback(
        self,
        interaction_id: str | None = None,
        *,
        kind: str,
        name: str | None = None,
        value: float | None = None,
        range: Sequence[float] | None = None,  # noqa: A002 - the wire's word
        label: str | None = None,
        text: str | None = None,
        ranking: Sequence[str] | None = None,
        chosen: str | None = None,
        rejected: str | None = None,
        chosen_position: int | None = None,
        rejected_position: int | None = None,
        rater: Rater | None = None,
        session_id: str | None = None,
        about_at: Moment | None = None,
        observed_at: Moment | None = None,
        source: str | None = None,
        supersedes: str | None = None,
        tags: Mapping[str, str] | None = None,
        environment: str | None = None,
        id: str | None = None,  # noqa: A002 - the wire's word
    ) -> str:
        """Say anything about an interaction; the other methods are the common cases of this one."""
        told = {name: value for name, value in locals().items() if name != "self"}
        item = _item(told, environment or self._environment)
        self._send(Lane.FEEDBACK, item)
        return str(item["id"])

    @promised(fresh_id)
    def thumbs(self, interaction_id: str, *, up: bool, **more: Unpack[Details]) -> str:
        """A thumb, up or down, with a comment (`text`) if there is one."""
        return self.feedback(interaction_id, kind="thumbs", label="up" if up else "down", **more)

    @promised(fresh_id)
    def score(
        self,
        interaction_id: str,
        name: str,
        value: float,
        *,
        range: Sequence[float] | None = None,  # noqa: A002 - the wire's word
        **more: Unpack[Details],
    ) -> str:
        """A named number within `range`, (lowest, highest); without one it must lie from 0 to 1."""
        return self.feedback(
            interaction_id, kind="score", name=name, value=value, range=range, **more
        )

    @promised(fresh_id)
    def prefer(
        self,
        chosen: str,
        rejected: str,
        *,
        positions: Sequence[int] | None = None,
        **more: Unpack[Details],
    ) -> str:
        """One interaction was preferred to another; `positions` say where the two were shown (0 first)."""
        places: Sequence[int | None] = (None, None) if positions is None else positions
        chosen_position, rejected_position = places
        return self.feedback(
            kind="preference",
            chosen=chosen,
            rejected=rejected,
            chosen_position=chosen_position,
            rejected_position=rejected_position,
            **more,
        )

    @promised(fresh_id)
    def outcome(
        self,
        interaction_id: str,
        name: str,
        label: str | None = None,
        *,
        value: float | None = None,
        **more: Unpack[Details],
    ) -> str:
        """What life showed, maybe months later: the question `name`, and what was seen as label or value."""
        return self.feedback(
            interaction_id, kind="outcome", name=name, label=label, value=value, **more
        )


def _item(told: Mapping[str, object], environment: str) -> dict[str, object]:
    item = {name: value for name, value in told.items() if value is not None}
    if item.get("kind") not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}, got {item.get('kind')}")
    item.setdefault("id", new_id())
    item.setdefault("observed_at", time.time())
    for name in ("about_at", "observed_at"):
        value = item.get(name)
        if isinstance(value, datetime):
            item[name] = moment(value)
    rater = item.get("rater")
    if isinstance(rater, str):
        item["rater"] = {"id": rater, "kind": "user"}
    session_id = current_session().id
    if session_id and "interaction_id" not in item:
        item.setdefault("session_id", session_id)
    if environment:
        item["environment"] = environment
    if "tags" in item:
        given = item["tags"]
        item["tags"] = checked_tags(given if isinstance(given, Mapping) else None)
    return item
