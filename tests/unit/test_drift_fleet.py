"""Streams come and go: bounded in memory and per tenant, back from their blobs as if never away."""

from collections.abc import Mapping

import numpy as np

from services.drift.detectors.embedding.calibration import Effort
from services.drift.domain import Observation, Policy, StreamKey
from services.drift.fleet import Fleet
from services.drift.state import stream_key, stream_name
from services.drift.whereabouts import Place, Whereabouts

POLICY = Policy(60, 40, 500, cooldown=30, effort=Effort(8, 256))
QUIET = [0.0] * 9 + [1.0]


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


class Stored:
    """What the log would hold of a fleet's states."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def apply(self, changes: Mapping[str, bytes | None]) -> None:
        for name, value in changes.items():
            if value is None:
                self.blobs.pop(name, None)
            else:
                self.blobs[name] = value


def key(model: str, tenant: str = "acme", feature: str = "error_rate") -> StreamKey:
    return StreamKey(tenant, model, "production", feature)


def rows(of: StreamKey, values: list[float], begin: int = 0) -> list[Observation]:
    return [
        Observation(of, value, f"e{n}", "default", f"i{n}", n)
        for n, value in enumerate(values, begin)
    ]


def a_fleet(*, resident: int = 10, per_tenant: int = 10) -> Fleet:
    return Fleet(POLICY, FakeShelf(), resident, per_tenant)


def test_a_stream_name_and_its_key_are_each_others_inverse() -> None:
    odd = StreamKey("a/b", "m%2F", "", "score:x y", "client-3")

    assert stream_key(stream_name(odd) + "life") == odd


def test_a_stream_evicted_in_every_phase_finds_what_one_kept_does() -> None:
    kept, evicted = a_fleet(), a_fleet(resident=1)
    values = QUIET * 6 + [1.0] * 30

    for n in range(0, len(values), 5):
        batch = rows(key("a"), values[n : n + 5], n)
        other = rows(key("b"), [0.0], n)
        mine = [f.observation for f in kept.observe(batch)[0]]
        theirs = [f.observation for f in evicted.observe([*batch, *other])[0]]
        assert theirs == mine
    assert kept.observe(rows(key("a"), [1.0] * 60, 500))[0][0].continuing


def test_a_fleet_restored_after_every_batch_finds_what_one_kept_does() -> None:
    kept, restored, stored = a_fleet(), a_fleet(), Stored()
    values = QUIET * 6 + [1.0] * 60
    found = []

    for n in range(0, len(values), 7):
        batch = rows(key("a"), values[n : n + 7], n)
        restored.restore(stored.blobs)
        findings, changes = restored.observe(batch)
        stored.apply(changes)
        found += findings
        assert [f.observation for f in kept.observe(batch)[0]] == [f.observation for f in findings]

    assert len(found) == 2


def test_a_learning_stream_stores_only_its_new_rows_and_drops_them_once_learnt() -> None:
    fleet = a_fleet()
    name = stream_name(key("a"))

    _, first = fleet.observe(rows(key("a"), [0.0] * 10))
    _, second = fleet.observe(rows(key("a"), [0.0] * 10, 10))
    _, third = fleet.observe(rows(key("a"), [0.0] * 30, 20))

    assert sorted(first) == [f"{name}learnt-0", f"{name}life"]
    assert sorted(second) == [f"{name}learnt-10", f"{name}life"]
    assert third[f"{name}learnt-0"] is None
    assert third[f"{name}learnt-10"] is None
    assert third[f"{name}baseline"] is not None


def test_a_watching_stream_stores_its_baseline_once() -> None:
    fleet = a_fleet()
    fleet.observe(rows(key("a"), [0.0] * 50))

    _, changes = fleet.observe(rows(key("a"), [0.0], 50))

    assert sorted(n.removeprefix(stream_name(key("a"))) for n in changes) == ["life", "progress"]


def test_a_reference_that_is_dropped_leaves_no_rows_stored() -> None:
    of = StreamKey("acme", "m", "production", "embedding", "client-4")
    copies = [
        Observation(of, np.ones(4, np.float32), f"e{n}", "p", f"i{n}", n, "text") for n in range(70)
    ]
    fleet, stored = a_fleet(), Stored()

    for begin in (0, 50):
        stored.apply(fleet.observe(copies[begin : begin + 50])[1])
    restored = a_fleet()
    restored.restore(stored.blobs)
    stored.apply(restored.observe(copies[:1])[1])

    name = stream_name(of)
    assert sorted(stored.blobs) == [f"{name}learnt-0", f"{name}learnt-10", f"{name}life"]


def test_a_tenant_with_too_many_streams_forgets_its_own_oldest_one() -> None:
    fleet = a_fleet(per_tenant=2)
    fleet.observe(rows(key("theirs", "globex"), [0.0]))

    changes: dict[str, bytes | None] = {}
    for model in ("a", "b", "c"):
        changes |= fleet.observe(rows(key(model), [0.0]))[1]

    removed = {stream_key(name).model for name, value in changes.items() if value is None}
    assert removed == {"a"}


def test_embedding_streams_go_through_their_blobs_unchanged() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(120, 4)).astype(np.float32)
    of = StreamKey("acme", "m", "production", "embedding", "client-4")
    batch = [Observation(of, v, f"e{n}", "p", f"i{n}", n, "text") for n, v in enumerate(vectors)]
    far = [Observation(of, v + 9, f"f{n}", "p", f"j{n}", n, "far") for n, v in enumerate(vectors)]
    kept, restored, stored = a_fleet(), a_fleet(), Stored()
    kept.observe(batch)
    stored.apply(restored.observe(batch[:50])[1])
    restored.restore(stored.blobs)
    stored.apply(restored.observe(batch[50:])[1])
    restored.restore(stored.blobs)

    mine, theirs = kept.observe(far)[0], restored.observe(far)[0]

    assert theirs == mine
    assert mine[0].detection.direction == "new"
    assert mine[0].examples[0].text == "far"


def test_whereabouts_survive_a_restart_and_stay_bounded() -> None:
    kept, stored = Whereabouts(1000), Stored()
    for n in range(30):
        entries = [("acme", f"i{n}-{k}", Place("m", "e")) for k in range(100)]
        stored.apply(kept.remember(entries))
    restored = Whereabouts(1000)

    restored.restore(stored.blobs)

    assert len(stored.blobs) == 2
    assert restored.find("acme", "i29-99") == Place("m", "e")
    assert restored.find("globex", "i29-99") is None
    assert restored.find("acme", "i0-0") is None


def test_whereabouts_write_only_the_page_that_changed() -> None:
    whereabouts = Whereabouts(2000)
    whereabouts.remember([("acme", f"i{n}", Place("m", "e")) for n in range(600)])

    changes = whereabouts.remember([("acme", "one more", Place("m", "e"))])

    assert list(changes) == ["whereabouts/1"]
