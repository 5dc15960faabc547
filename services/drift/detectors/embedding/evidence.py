"""What changed, as far as the rows before an alarm can tell: something new, a surge, or a shift."""

from dataclasses import dataclass

import numpy as np

from services.drift.detectors.detector import Doubles, Integers
from services.drift.detectors.embedding.cells import CELLS, Cell, Cells, share_surprise
from services.drift.detectors.embedding.features import Features, topic_counts

_SHORTEST_LOOK = 8  # an alarm of one row is explained on the last eight
_CONVINCING = 5.0  # -ln p
_EXEMPLARS = 5
_TOPICS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Change:
    """What an alarm is about; the fields are those of a `Detection`."""

    direction: str  # new | surge | shift
    change_ago: int
    window: int
    before: float
    after: float
    exemplars: tuple[int, ...]
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Story:
    """A reading of the rows: the share it speaks of, and how much each row belongs to it."""

    direction: str
    before: float
    after: float
    weights: Doubles


def explain(recent: Features, strangeness: Doubles, cells: Cells) -> Change:
    """The change behind an alarm on the last of the `recent` rows, given every cell's strangeness."""
    winner = CELLS[int(strangeness.argmax())]
    filled = int((recent.topics >= 0).sum())
    window = min(max(winner.window, _SHORTEST_LOOK), filled)
    look = recent[len(recent) - window :]
    beyond = cells.tail.beyond(look.scores.astype(float))
    rows, topics = int(cells.counts.sum()), topic_counts(look.topics, len(cells.counts))
    surges = _surprises(cells.counts, topics, rows, window)
    story = _story(winner, look, cells, beyond, surges)
    return Change(
        direction=story.direction,
        change_ago=min(winner.window, filled) - 1,
        window=window,
        before=story.before,
        after=story.after,
        exemplars=_most_typical(look, story.weights),
        details={
            "block": winner.block,
            "cell_window": winner.window,
            "share_outside": float((beyond > 0).mean()),
            "topics": _grown_topics(cells.counts / rows, topics / window, surges),
        },
    )


def _story(winner: Cell, look: Features, cells: Cells, beyond: Doubles, surges: Doubles) -> _Story:
    """Rows outside the reference are told first, a topic that grew second, the shift of a whole last."""
    window, rows = len(look), int(cells.counts.sum())
    grown, outside = int(surges.argmax()), int((beyond > 0).sum())
    novelty = float(share_surprise(cells.tail.outside, rows, window)[outside])
    far = winner.block in ("tail", "score") and outside > 0
    if far or (novelty > _CONVINCING and novelty >= surges[grown] / 2):
        return _Story("new", cells.tail.outside / rows, outside / window, beyond)
    if surges[grown] > _CONVINCING + np.log(len(surges)):
        members = (look.topics == grown).astype(float)
        before = float(cells.counts[grown]) / rows
        return _Story("surge", before, float(members.mean()), members)
    return _Story("shift", 0.0, 1.0, np.ones(window))


def _surprises(counts: Integers, seen: Integers, rows: int, window: int) -> Doubles:
    pairs = zip(counts, seen, strict=True)
    return np.array([share_surprise(int(count), rows, window)[now] for count, now in pairs])


def _grown_topics(before: Doubles, after: Doubles, surprises: Doubles) -> list[dict[str, float]]:
    order = np.argsort(-surprises, kind="stable")[:_TOPICS_NAMED]
    return [
        {"topic": int(k), "before": float(before[k]), "after": float(after[k])}
        for k in order
        if surprises[k] > _CONVINCING
    ]


def _most_typical(look: Features, weights: Doubles) -> tuple[int, ...]:
    """The rows of weight that point most in their common direction, as numbers of rows before the last."""
    places = np.flatnonzero(weights)
    white = look.white[places].astype(np.float64)
    white /= np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-12)
    likeness = white @ (weights[places] @ white)
    order = places[np.argsort(-likeness, kind="stable")][:_EXEMPLARS]
    return tuple(len(look) - 1 - int(place) for place in order)
