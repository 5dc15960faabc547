"""Streams come and go: bounded in memory and per tenant, back from their blobs as if never away."""

import numpy as np

from services.drift.domain import Observation, StreamKey
from services.drift.state import stream_key, stream_name
from tests.drift import Stored, a_fleet, rows

QUIET = [0.0] * 9 + [1.0]


def key(model: str, tenant: str = "acme", feature: str = "error_rate") -> StreamKey:
    return StreamKey(tenant, model, "production", feature)


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
    copies = rows(of, list(np.ones((70, 4), np.float32)))
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
