"""The client: what a program tells Leeway, taken at once and sent in the background."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from leeway.context import SessionScope, note_interaction
from leeway.counters import Counters, Stats
from leeway.encoding import encode
from leeway.guard import Shield, fresh_id, no, nothing, promised
from leeway.ids import new_id
from leeway.interactions import (
    Circumstances,
    Messages,
    Moment,
    Prompt,
    checked_tags,
    interaction_item,
)
from leeway.items import Item, Lane
from leeway.observing import observing
from leeway.pipeline import Pipeline
from leeway.settings import Limits, Options, Settings, resolve
from leeway.signals import Signals
from leeway.tracing import Span

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

log = logging.getLogger("leeway")

F = TypeVar("F")


class Client(Signals):
    """A connection to one Leeway server with one key.

    Nothing is read, started or connected before the first use. No method raises, and none but
    `flush` and `shutdown` waits. Without a key, or when disabled, it takes nothing.
    """

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._settings: Settings | None = None
        self._pipeline: Pipeline | None = None
        self._lock = threading.RLock()
        self._warned = False
        self.counters = Counters()
        _CLIENTS.add(self)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    @property
    def settings(self) -> Settings:
        """The settings in force: what the program said, then LEEWAY_... of the environment."""
        settings = self._settings
        if settings is None:
            settings = self._settings = resolve(self._options)
        return settings

    @promised(nothing)
    def configure(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        environment: str | None = None,
        *,
        service_name: str | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
        disabled: bool | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Begin anew with these settings, and send what an earlier process left in the spool.

        What is not given comes from the environment: see `leeway.Options`.
        """
        self.shutdown()
        with self._lock:
            self._options = Options(
                api_key=api_key,
                base_url=base_url,
                environment=environment,
                service_name=service_name,
                spool_dir=spool_dir,
                disabled=disabled,
                limits=limits,
            )
            self._settings = None
            self._pipeline = None
            self._warned = False
        self.start()

    @promised(nothing)
    def start(self) -> None:
        """Start the background threads now, and not at the first item."""
        self._running()

    @promised(fresh_id)
    def record(
        self,
        *,
        model: str,
        input: Messages | None = None,  # noqa: A002 - the wire's word
        output: Messages | None = None,
        kind: str = "chat",
        status: str | None = None,
        provider: str | None = None,
        response_model: str | None = None,
        started_at: Moment | None = None,
        ended_at: Moment | None = None,
        first_token_at: Moment | None = None,
        streaming: bool | None = None,
        options: Mapping[str, object] | None = None,
        usage: Mapping[str, object] | None = None,
        usage_dialect: str | None = None,
        finish_reasons: Sequence[str] | None = None,
        error: Mapping[str, object] | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        parent_span_id: str | None = None,
        prompt: Prompt | None = None,
        environment: str | None = None,
        tags: Mapping[str, str] | None = None,
        embedding: Sequence[float] | None = None,
        decision: str | None = None,
        decision_score: float | None = None,
        features: Mapping[str, object] | None = None,
        id: str | None = None,  # noqa: A002 - the wire's word
    ) -> str:
        """Record a call to a model that was made elsewhere; answers the interaction's id at once.

        Session, user, tags and trace come from the context where they are not given; times are
        datetimes, RFC 3339 or seconds since the epoch, and now where they are not given.
        """
        told = {name: value for name, value in locals().items() if name != "self"}
        told["id"] = id or new_id()
        item = interaction_item(told=told, environment=environment or self.settings.environment)
        self._send(Lane.INTERACTIONS, item)
        note_interaction(str(item["id"]))
        return str(item["id"])

    @promised(fresh_id)
    def decision(
        self,
        model: str,
        decision: str,
        *,
        score: float | None = None,
        features: Mapping[str, object] | None = None,
        **more: Unpack[Circumstances],
    ) -> str:
        """Record what a model that is no language model decided: a class, an action, a score."""
        return self.record(
            model=model,
            kind="predict",
            decision=decision,
            decision_score=score,
            features=features,
            **more,
        )

    @promised(lambda _: SessionScope(None, None, {}))
    def session(
        self,
        session_id: str | None = None,
        *,
        user: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> SessionScope:
        """`with leeway.session("s-1", user="u-7"):` what happens inside belongs to it.

        Without an id it goes on with the outer session, or makes an id of its own.
        """
        known = None if session_id is None else str(session_id)
        return SessionScope(known, None if user is None else str(user), checked_tags(tags))

    @promised(lambda client: Span(client, "span"))
    def span(
        self, name: str, *, kind: str = "span", attributes: Mapping[str, object] | None = None
    ) -> Span:
        """`with leeway.span("retrieve") as span:` a part of the program's work, within the innermost span."""
        return Span(self, name, kind=kind, attributes=attributes)

    @overload
    def observe(self, function: F, /) -> F: ...

    @overload
    def observe(
        self,
        *,
        name: str = "",
        kind: str = "function",
        capture_input: bool = True,
        capture_output: bool = True,
    ) -> Callable[[F], F]: ...

    def observe(self, *args: Any, **options: Any) -> Any:
        """`@leeway.observe` or `@leeway.observe(name="look_up", kind="tool")`: a span for every call.

        It takes functions, coroutine functions, generators and async generators, and stays the
        same kind of function; what they raise goes on unchanged. Options that it does not know are
        said and ignored: a decorator that is used wrongly must not break what it decorates.
        """
        with Shield("leeway.observe", self.counters):
            return observing(self, args, options)
        return args[0] if args else lambda function: function

    @promised(no)
    def flush(self, timeout: float = 10.0) -> bool:
        """Send everything now and wait for it, up to so many seconds; whether all of it was taken.

        What the server does not take in that time stays in memory or in the spool.
        """
        pipeline = self._pipeline
        return pipeline is None or pipeline.flush(timeout)

    async def aflush(self, timeout: float = 10.0) -> bool:
        """`flush`, without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(None, self.flush, timeout)

    @promised(no)
    def shutdown(self, timeout: float | None = None) -> bool:
        """Send what can be sent in the time, keep the rest on disk, and end; whether nothing was lost.

        It is called at the exit of the interpreter. Afterwards nothing is taken until `configure`.
        """
        pipeline = self._pipeline
        seconds = self.settings.limits.exit_seconds if timeout is None else timeout
        return pipeline is None or pipeline.shutdown(seconds)

    def stats(self) -> Stats:
        """What became of the items so far."""
        pipeline = self._pipeline
        return self.counters.stats(pending=pipeline.pending if pipeline else 0)

    def take_span(self, item: Mapping[str, object]) -> None:
        """Take a span that has ended on its way."""
        settings = self.settings
        told = {"environment": settings.environment, "service_name": settings.service_name}
        self._send(Lane.SPANS, {**item, **told})

    def after_fork(self) -> None:
        """In the child: a pipeline and counts of its own; the parent sends what the parent took."""
        inherited, self._pipeline = self._pipeline, None
        self._lock = threading.RLock()
        self.counters = Counters()
        if inherited is not None:
            inherited.abandon()

    def _send(self, lane: Lane, item: Mapping[str, object]) -> None:
        pipeline = self._running()
        if pipeline is not None:
            pipeline.put(Item(lane, encode(item)))

    @property
    def _environment(self) -> str:
        return self.settings.environment

    def _running(self) -> Pipeline | None:
        pipeline = self._pipeline
        return pipeline if pipeline is not None else self._begin()

    def _begin(self) -> Pipeline | None:
        with self._lock:
            if self._pipeline is not None:
                return self._pipeline
            if self.settings.disabled or not self.settings.api_key:
                self._warn_once()
                return None
            pipeline = Pipeline(self.settings, self.counters)
            if not pipeline.start():
                return None
            self._pipeline = pipeline
            _at_exit(weakref.ref(self))
            return pipeline

    def _warn_once(self) -> None:
        if not self._warned and not self.settings.disabled:
            log.warning("No API key (LEEWAY_API_KEY or leeway.configure): nothing is recorded.")
        self._warned = True


_CLIENTS: weakref.WeakSet[Client] = weakref.WeakSet()


def _at_exit(reference: weakref.ref[Client]) -> None:
    def end() -> None:
        client = reference()
        if client is not None:
            client.shutdown()

    atexit.register(end)
    # A child of multiprocessing leaves by os._exit, past atexit: its own finalizers are what runs.
    children = sys.modules.get("multiprocessing.util")
    if children is not None:
        children.Finalize(None, end, exitpriority=0)


def _after_fork() -> None:
    for client in list(_CLIENTS):
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
