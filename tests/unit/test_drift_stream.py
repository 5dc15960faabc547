"""Records in, facts and states out, with an embedder that looks at one word only."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from leeway_pb.v1.detection_pb2 import DriftDetected
from leeway_pb.v1.embedding_pb2 import InteractionEmbedded
from leeway_pb.v1.measurement_pb2 import DriftMeasured

from services.drift.detectors.detector import Floats
from services.drift.places import Places
from services.drift.stream import DriftHandler
from services.drift.whereabouts import Place, Subject, Whereabouts
from services.drift.windows import Terms, Windows
from shared.clock import SimulatedClock, micros
from shared.log.record import Effect, Fact, Record
from tests.builders import NOW, a_fact, a_feedback, a_record, a_score, an_interaction_completed
from tests.drift import FakeArchive, Stored, a_fleet


class FakeEmbedder:
    """Three numbers drawn for the text, far out when it speaks of zebras."""

    name = "fake-3"
    dimensions = 3

    def embed(self, texts: Sequence[str]) -> Floats:
        return np.array([self._point(text) for text in texts], np.float32).reshape(-1, 3)

    def _point(self, text: str) -> Floats:
        rng = np.random.default_rng(list(text.encode()))
        return (rng.normal(size=3) + 8 * ("zebra" in text)).astype(np.float32)


def a_handler(archive: FakeArchive | None = None) -> DriftHandler:
    clock = SimulatedClock(NOW)
    places = Places(Whereabouts(100, 1000), archive or FakeArchive(), clock)
    handler = DriftHandler(FakeEmbedder(), a_fleet(), Windows(Terms()), places, clock)
    handler.restore({})
    return handler


def asking(texts: Sequence[str], begin: int = 0) -> list[Record]:
    facts = [
        a_fact(an_interaction_completed(interaction_id=f"i-{n}", input_text=text))
        for n, text in enumerate(texts, begin)
    ]
    return [a_record(fact, seq=n) for n, fact in enumerate(facts, begin + 1)]


def detections(effect: Effect) -> list[DriftDetected]:
    return [
        DriftDetected.FromString(fact.value)
        for fact in effect.facts
        if fact.topic.name == "drift.detected.v1"
    ]


def asking_at(seconds: float, texts: Sequence[str], begin: int) -> list[Record]:
    """Calls that began so long after the start of a minute."""
    facts = [
        an_interaction_completed(interaction_id=f"i-{n}", input_text=text)
        for n, text in enumerate(texts, begin)
    ]
    for fact in facts:
        fact.started_at_us = MINUTE_US + round(seconds * 1e6)
    return [a_record(a_fact(fact), seq=n) for n, fact in enumerate(facts, begin + 1)]


def measurements(effect: Effect) -> list[DriftMeasured]:
    return [
        DriftMeasured.FromString(fact.value)
        for fact in effect.facts
        if fact.topic.name == "drift.measured.v1"
    ]


MINUTE_US = micros(NOW) // 60_000_000 * 60_000_000 - 600_000_000
USUAL = [f"about horse {n}" for n in range(100)]
ZEBRAS = [f"about zebra {n}" for n in range(6)]


async def test_a_minute_that_is_over_is_told_of_every_stream() -> None:
    handler = a_handler()
    await handler.handle(asking_at(1, USUAL, 0))

    effect = await handler.handle(asking_at(120, USUAL[:1], 100))

    failures, inputs = sorted(measurements(effect), key=lambda told: told.feature, reverse=True)
    assert (failures.feature, failures.rows, failures.total) == ("error_rate", 100, 0)
    assert (inputs.feature, inputs.variant, inputs.rows) == ("embedding", "fake-3", 100)
    assert (inputs.begins_at_us, inputs.window_seconds) == (MINUTE_US, 60)
    assert (inputs.watched_rows, failures.watched_rows) == (40, 60)
    assert inputs.mean_statistic < inputs.highest_statistic < inputs.threshold
    assert not inputs.HasField("total")
    assert failures.HasField("total")


async def test_a_minute_that_is_told_is_told_no_more() -> None:
    handler, stored = a_handler(), Stored()
    stored.apply((await handler.handle(asking_at(1, USUAL, 0))).states)
    first = await handler.handle(asking_at(120, USUAL[:1], 100))
    stored.apply(first.states)
    restarted = a_handler()
    restarted.restore(stored.blobs)

    second = await restarted.handle(asking_at(240, USUAL[:1], 101))

    told = [*measurements(first), *measurements(second)]
    assert [each.rows for each in told] == [100, 100, 1, 1]
    assert len({each.window_id for each in told}) == 4


async def test_every_input_with_a_text_is_embedded_and_told() -> None:
    nothing = an_interaction_completed(interaction_id="i-9")
    nothing.input_text = "  "

    effect = await a_handler().handle([*asking(["hello"]), a_record(a_fact(nothing), seq=9)])

    assert [fact.topic.name for fact in effect.facts] == ["interaction.embedded.v1"]
    message = InteractionEmbedded.FromString(effect.facts[0].value)
    assert (message.interaction_id, message.embedder, message.part) == ("i-0", "fake-3", "input")
    assert len(message.vector) == 3


async def test_the_clients_own_vector_wins() -> None:
    fact = a_fact(an_interaction_completed(embedding=[1.0, 2.0]))

    effect = await a_handler().handle([a_record(fact)])

    message = InteractionEmbedded.FromString(effect.facts[0].value)
    assert (message.embedder, list(message.vector)) == ("client", [1.0, 2.0])


async def test_a_tenant_whose_vectors_teach_nothing_stops_nobody_elses_drift() -> None:
    handler = a_handler()
    hostile = [
        a_record(
            a_fact(
                an_interaction_completed(
                    interaction_id=f"h-{n}", tenant="globex", embedding=[size] * 8
                )
            ),
            seq=n,
        )
        for size in (1e20, 1.0)
        for n in range(60)
    ]

    await handler.handle([*hostile, *asking(USUAL)])
    found = detections(await handler.handle([*hostile, *asking(ZEBRAS, 100)]))

    assert [(d.tenant, d.direction) for d in found] == [("acme", "new")]


async def test_a_new_kind_of_input_is_told_with_an_example() -> None:
    handler = a_handler()
    await handler.handle(asking(USUAL))

    found = detections(await handler.handle(asking(ZEBRAS, 100)))

    assert [(d.feature, d.direction, d.request_model) for d in found] == [
        ("embedding", "new", "demo")
    ]
    assert "zebra" in found[0].summary
    assert found[0].summary.startswith("New kind of input: ")
    assert found[0].detected_at_us == micros(NOW)
    assert (found[0].target_run_length, found[0].model_run_length) == (1000, 500)
    evidence = json.loads(found[0].evidence)
    assert evidence["continuing"] is False
    assert evidence["examples"][0]["interaction_id"] == found[0].interaction_ids[0]


async def test_a_batch_that_comes_again_after_a_crash_has_the_same_facts() -> None:
    first, stored = a_handler(), dict[str, bytes]()
    effect = await first.handle(asking(USUAL))
    stored.update({name: blob for name, blob in effect.states.items() if blob is not None})
    told = await first.handle(asking(ZEBRAS, 100))
    second = a_handler()

    second.restore(stored)
    again = await second.handle(asking(ZEBRAS, 100))

    assert again.facts == told.facts
    assert detections(again)


async def test_feedback_is_joined_to_the_model_of_its_interaction() -> None:
    handler = a_handler()
    seen = asking(["hello"])
    thumbs = [
        a_record(a_fact(a_feedback(feedback_id=f"f-{n}", interaction_id="i-0", label="up")), seq=n)
        for n in range(40)
    ]
    angry = [
        a_record(a_fact(a_feedback(feedback_id=f"g-{n}", interaction_id="i-0", label="down")))
        for n in range(20)
    ]

    found = detections(await handler.handle([*thumbs, *seen, *angry]))

    assert [(d.feature, d.request_model, d.direction) for d in found] == [
        ("thumbs_down_rate", "demo", "up")
    ]


async def test_a_thumb_months_later_is_still_about_the_model_that_answered() -> None:
    archive = FakeArchive({Subject("acme", "i-old"): Place("gpt", "staging")})
    handler = a_handler(archive)
    labels = ["up"] * 40 + ["down"] * 20
    thumbs = [
        a_record(a_fact(a_feedback(feedback_id=f"f-{n}", interaction_id="i-old", label=label)))
        for n, label in enumerate(labels)
    ]
    others = [
        a_record(a_fact(a_feedback(interaction_id="i-7", kind="comment", text="meh"))),
        a_record(a_fact(a_feedback(interaction_id="i-0", label="up"))),
    ]

    found = detections(await handler.handle([*asking(["hello"]), *others, *thumbs]))

    assert [(d.request_model, d.environment) for d in found] == [("gpt", "staging")]
    assert archive.asked == [{Subject("acme", "i-old")}]


async def test_refusals_that_rise_are_told() -> None:
    handler = a_handler()
    usual = [a_record(a_fact(a_score(score_id=f"s-{n}"))) for n in range(40)]
    refused = [
        a_record(a_fact(a_score(score_id=f"r-{n}", label="refusal", value=1.0))) for n in range(20)
    ]

    found = detections(await handler.handle(usual + refused))

    assert [(d.feature, d.direction) for d in found] == [("refusal_rate", "up")]


@pytest.mark.parametrize("value", [b"\xff\xff", b""])
async def test_a_record_that_is_no_message_of_a_tenant_is_a_dead_letter(value: bytes) -> None:
    record = a_record(Fact(a_fact(a_score()).topic, "acme", "e", value))

    effect = await a_handler().handle([record])

    assert [letter.record for letter in effect.dead_letters] == [record]
