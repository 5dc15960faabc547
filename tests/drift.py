"""Builders and fakes of drift: streams that learn fast, their rows, a shelf, an archive, and what the log would store."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from services.drift.detectors.detector import Floats
from services.drift.detectors.embedding.calibration import Effort
from services.drift.domain import Observation, Policy, StreamKey
from services.drift.fleet import Fleet
from services.drift.places import Places
from services.drift.stream import DriftHandler
from services.drift.whereabouts import Place, Subject, Whereabouts
from services.drift.windows import Terms, Windows
from shared.clock import SimulatedClock
from shared.errors import Unavailable
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED, INTERACTION_SCORED
from tests.builders import NOW

TOPICS = (INTERACTION_COMPLETED, FEEDBACK_RECEIVED, INTERACTION_SCORED)
POLICY = Policy(60, 40, 500, cooldown=30, effort=Effort(8, 256))


class FakeShelf:
    """A shelf in memory."""

    def __init__(self) -> None:
        self.streams: dict[str, Mapping[str, bytes]] = {}

    def put(self, stream: str, blobs: Mapping[str, bytes]) -> None:
        self.streams[stream] = blobs

    def take(self, stream: str) -> dict[str, bytes]:
        return dict(self.streams.pop(stream, {}))

    def clear(self) -> None:
        self.streams.clear()


class FakeArchive:
    """An archive of the given places that keeps what it was asked; while `silent` it does not answer."""

    def __init__(self, places: Mapping[Subject, Place] | None = None) -> None:
        self.known = dict(places or {})
        self.asked: list[set[Subject]] = []
        self.silent = False

    async def places(self, subjects: Collection[Subject]) -> Mapping[Subject, Place]:
        self.asked.append(set(subjects))
        if self.silent:
            raise Unavailable("nobody there")
        return {subject: self.known[subject] for subject in subjects if subject in self.known}


class Stored:
    """What the log would hold of the states."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def apply(self, changes: Mapping[str, bytes | None]) -> None:
        for name, value in changes.items():
            if value is None:
                self.blobs.pop(name, None)
            else:
                self.blobs[name] = value


def a_fleet(*, resident: int = 10, per_tenant: int = 10) -> Fleet:
    """A fleet over a shelf in memory."""
    return Fleet(POLICY, FakeShelf(), resident, per_tenant)


def rows(of: StreamKey, values: Sequence[float | Floats], begin: int = 0) -> list[Observation]:
    """Observations of a stream, numbered from `begin`, a millisecond apart."""
    return [
        Observation(of, value, f"event-{n}", "default", f"interaction-{n}", n * 1000)
        for n, value in enumerate(values, begin)
    ]


class DemoArchive:
    """An archive in which every call was one of `demo`, however its fact and the feedback to it are interleaved."""

    async def places(self, subjects: Collection[Subject]) -> Mapping[Subject, Place]:
        return {subject: Place("demo", "production") for subject in subjects}


class NoEmbedder:
    """An embedder for interactions that all bring their own vectors."""

    name = "none"
    dimensions = 3

    def embed(self, texts: Sequence[str]) -> Floats:
        return np.empty((len(texts), self.dimensions), np.float32)


def a_drift_handler() -> DriftHandler:
    """Drift over streams that learn fast, for interactions with vectors, which sees detections at one time only."""
    clock = SimulatedClock(NOW)
    places = Places(Whereabouts(1000, 10_000), DemoArchive(), clock)
    return DriftHandler(NoEmbedder(), a_fleet(), Windows(Terms()), places, clock)
