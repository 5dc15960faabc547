"""What changed, as far as the rows before an alarm can tell: something new, a surge, or a shift."""

from dataclasses import dataclass

import numpy as np

from services.drift.detectors.detector import Doubles, Integers
from services.drift.detectors.embedding.cells import CELLS, Cells, share_surprise
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


def explain(recent: Features, strangeness: Doubles, cells: Cells) -> Change:
    """The change behind an alarm on the last of the `recent` rows, given every cell's strangeness.

    Rows outside the reference are told first, a topic that grew second, and only what neither shows is
    called a shift of the whole.
    """
    winner = CELLS[int(strangeness.argmax())]
    filled = int((recent.topics >= 0).sum())
    window = min(max(winner.window, _SHORTEST_LOOK), filled)
    look = recent[len(recent) - window :]
    rows = int(cells.counts.sum())
    outside = cells.tail.is_outside(look.scores.astype(float))
    topics = topic_counts(look.topics, len(cells.counts))
    surges = _surprises(cells.counts, topics, rows, window)
    novelty = float(share_surprise(cells.tail.outside, rows, window)[int(outside.sum())])
    grown = int(surges.argmax())
    far = winner.block in ("tail", "score") and outside.any()
    if far or (novelty > _CONVINCING and novelty >= surges[grown] / 2):
        direction, chosen = "new", outside
        before, after = cells.tail.outside / rows, float(outside.mean())
    elif surges[grown] > _CONVINCING + np.log(len(surges)):
        direction, chosen = "surge", look.topics == grown
        before, after = cells.counts[grown] / rows, topics[grown] / window
    else:
        direction, chosen = "shift", np.ones(window, bool)
        before, after = 0.0, 1.0
    return Change(
        direction=direction,
        change_ago=min(winner.window, filled) - 1,
        window=window,
        before=float(before),
        after=float(after),
        exemplars=_most_typical(look, chosen),
        details={
            "block": winner.block,
            "cell_window": winner.window,
            "share_outside": float(outside.mean()),
            "topics": _grown_topics(cells.counts / rows, topics / window, surges),
        },
    )


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


def _most_typical(look: Features, chosen: np.ndarray) -> tuple[int, ...]:
    """The chosen rows that point most in their common direction, as numbers of rows before the last."""
    places = np.flatnonzero(chosen)
    white = look.white[places].astype(np.float64)
    lengths = np.maximum(np.linalg.norm(white, axis=1), 1e-12)
    likeness = white @ white.mean(axis=0) / lengths
    order = places[np.argsort(-likeness, kind="stable")][:_EXEMPLARS]
    return tuple(len(look) - 1 - int(place) for place in order)
