"""A stream as named blobs: what never changes is written once, what changes stays small."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import orjson

from services.drift.detectors.archive import pack, unpack
from services.drift.detectors.catalogue import stored_detector
from services.drift.domain import Policy, Stream, StreamKey
from services.drift.trail import Label, Trail

PREFIX = "stream/"
_BASELINE, _PROGRESS, _LIFE, _LEARNT = "baseline", "progress", "life", "learnt-"


def stream_name(key: StreamKey) -> str:
    """The common beginning of the names of a stream's blobs."""
    parts = (key.tenant, key.model, key.environment, key.feature, key.variant)
    return PREFIX + "/".join(quote(part, safe="") for part in parts) + "/"


def stream_key(name: str) -> StreamKey:
    """The key of the stream that a blob of this name belongs to."""
    return StreamKey(*(unquote(part) for part in name.removeprefix(PREFIX).split("/")[:5]))


class StreamState:
    """A stream and the blobs that hold it; `changes` are those that differ from what is stored.

    While the stream learns, each batch adds a blob of its rows; they go when the baseline is written.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._name = stream_name(stream.key)
        self._learnt: list[int] = []  # the row counts at which the learnt blobs begin
        self._stored_rows = 0
        self._stored_turns = stream.turns

    @classmethod
    def load(cls, key: StreamKey, policy: Policy, blobs: Mapping[str, bytes]) -> "StreamState":
        """The stream of these blobs, by their whole names."""
        name = stream_name(key)
        life = orjson.loads(blobs[name + _LIFE])
        stream = Stream(key, policy, trail=_trail(life), turns=life["turns"])
        stream.last_alarm, stream.repeats = life["last_alarm"], life["repeats"]
        if name + _BASELINE in blobs:
            stream.detector = stored_detector(
                key.feature, blobs[name + _BASELINE], blobs[name + _PROGRESS]
            )
        state = cls(stream)
        state._learnt = life["learnt"]
        for begin in state._learnt:
            if blob := blobs.get(f"{name}{_LEARNT}{begin}"):
                stream.reference.extend(unpack(blob)["rows"])
        state._stored_rows = len(stream.reference)
        return state

    def changes(self) -> dict[str, bytes | None]:
        """The blobs to store after the stream has observed; None for one to remove."""
        stream = self.stream
        changed = self._turned() if self._stored_turns != stream.turns else {}
        if stream.detector is not None:
            changed[self._name + _PROGRESS] = stream.detector.dump_progress()
        if len(stream.reference) > self._stored_rows:
            rows = np.array(stream.reference[self._stored_rows :])
            changed[f"{self._name}{_LEARNT}{self._stored_rows}"] = pack({"rows": rows})
            self._learnt.append(self._stored_rows)
        self._stored_turns, self._stored_rows = stream.turns, len(stream.reference)
        changed[self._name + _LIFE] = self._life()
        return changed

    def _turned(self) -> dict[str, bytes | None]:
        """The stream began to watch or to learn: its rows are forgotten, its baseline is another."""
        detector = self.stream.detector
        changed: dict[str, bytes | None] = dict.fromkeys(self.names())
        changed[self._name + _BASELINE] = detector.dump_baseline() if detector else None
        self._learnt, self._stored_rows = [], 0
        return changed

    def everything(self) -> dict[str, bytes]:
        """All blobs of the stream: `load` gives it back, and `changes` goes on from there."""
        stream = self.stream
        blobs = {self._name + _LIFE: self._life()}
        if stream.detector is not None:
            blobs[self._name + _BASELINE] = stream.detector.dump_baseline()
            blobs[self._name + _PROGRESS] = stream.detector.dump_progress()
        elif self._learnt:
            rows = np.array(stream.reference)
            blobs[f"{self._name}{_LEARNT}{self._learnt[0]}"] = pack({"rows": rows})
        return blobs

    def names(self) -> list[str]:
        """The names of every blob the stream may have."""
        fixed = [_BASELINE, _PROGRESS, _LIFE, *(f"{_LEARNT}{begin}" for begin in self._learnt)]
        return [self._name + name for name in fixed]

    def _life(self) -> bytes:
        trail = self.stream.trail
        return orjson.dumps(
            {
                "rows": trail.rows,
                "labels": [[x.interaction_id, x.at_us, x.text] for x in trail.labels],
                "marks": trail.marks,
                "stride": trail.stride,
                "turns": self.stream.turns,
                "last_alarm": self.stream.last_alarm,
                "repeats": self.stream.repeats,
                "learnt": self._learnt,
            }
        )


def _trail(life: dict[str, Any]) -> Trail:
    return Trail(
        rows=life["rows"],
        labels=[Label(*label) for label in life["labels"]],
        marks=[(row, at_us) for row, at_us in life["marks"]],
        stride=life["stride"],
    )
