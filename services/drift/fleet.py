"""The fleet: every stream there is, the last used ones in memory and the others on the shelf."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from typing import Protocol

import structlog

from services.drift.domain import Finding, Observation, Policy, Stream, StreamKey
from services.drift.state import PREFIX, StreamState, stream_key, stream_name
from services.drift.windows import Reading

log = structlog.get_logger()


class StreamShelf(Protocol):
    """Where streams rest."""

    def put(self, stream: str, blobs: Mapping[str, bytes]) -> None:
        """Keep a stream's blobs until they are taken."""
        ...

    def take(self, stream: str) -> dict[str, bytes]:
        """Give a stream's blobs and keep them no longer; empty when there are none."""
        ...

    def clear(self) -> None:
        """Keep nothing."""
        ...


class Fleet:
    """Streams by key, bounded twice.

    At most `resident` are in memory. At most `per_tenant` are known of one tenant: a new one makes
    the least recently used of the same tenant forgotten, so that no tenant can push out another's.
    `readings` are the rows of the last `observe`, by stream, with what their detectors found.
    """

    def __init__(self, policy: Policy, shelf: StreamShelf, resident: int, per_tenant: int) -> None:
        self._policy = policy
        self._shelf = shelf
        self._resident = resident
        self._per_tenant = per_tenant
        self._streams: OrderedDict[StreamKey, StreamState] = OrderedDict()
        self._known: defaultdict[str, OrderedDict[StreamKey, None]] = defaultdict(OrderedDict)
        self.readings: list[Reading] = []

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Begin anew from the stored blobs: all streams are laid on the shelf."""
        self._streams.clear()
        self._known.clear()
        self._shelf.clear()
        blobs: defaultdict[StreamKey, dict[str, bytes]] = defaultdict(dict)
        for name, value in states.items():
            if name.startswith(PREFIX):
                blobs[stream_key(name)][name] = value
        for key, own in blobs.items():
            self._known[key.tenant][key] = None
            self._shelf.put(stream_name(key), own)

    def observe(
        self, observations: Iterable[Observation]
    ) -> tuple[list[Finding], dict[str, bytes | None]]:
        """Give each stream its rows, in order: what was found, and the blobs that changed."""
        rows: defaultdict[StreamKey, list[Observation]] = defaultdict(list)
        for observation in observations:
            rows[observation.key].append(observation)
        findings: list[Finding] = []
        changes: dict[str, bytes | None] = {}
        self.readings = []
        for key, own in rows.items():
            changes |= self._make_room(key)
            state = self._stream(key)
            findings += state.stream.observe(own)
            if state.stream.flaw:
                _tell_dropped(key, state.stream.flaw)
            changes |= state.changes()
            stream = state.stream
            self.readings.append(Reading(key, own, stream.statistics, stream.threshold))
        return findings, changes

    def _stream(self, key: StreamKey) -> StreamState:
        """The stream of a key, from memory, from the shelf, or new; it is the last used one now."""
        state = self._streams.pop(key, None) or self._from_shelf(key)
        self._streams[key] = state
        while len(self._streams) > self._resident:
            idle, resting = self._streams.popitem(last=False)
            self._shelf.put(stream_name(idle), resting.everything())
        return state

    def _from_shelf(self, key: StreamKey) -> StreamState:
        blobs = self._shelf.take(stream_name(key))
        if not blobs:
            return StreamState(Stream(key, self._policy))
        return StreamState.load(key, self._policy, blobs)

    def _make_room(self, key: StreamKey) -> dict[str, bytes | None]:
        known = self._known[key.tenant]
        known[key] = None
        known.move_to_end(key)
        if len(known) <= self._per_tenant:
            return {}
        oldest, _ = known.popitem(last=False)
        forgotten = self._streams.pop(oldest, None) or self._from_shelf(oldest)
        return dict.fromkeys(forgotten.names())


def _tell_dropped(key: StreamKey, flaw: str) -> None:
    log.warning(
        "drift.reference_dropped",
        tenant=key.tenant,
        model=key.model,
        environment=key.environment,
        feature=key.feature,
        flaw=flaw,
    )
