"""The stream of evaluation: which interactions are judged, and what becomes of a judgement."""

from uuid import UUID

import pytest

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.score_pb2 import InteractionScored

from services.evaluation.app import every_evaluator
from services.evaluation.domain import Evaluator, is_sampled, rates_of
from services.evaluation.evaluators.empty import Empty
from services.evaluation.evaluators.refusal import Refusal
from services.evaluation.settings import Settings
from services.evaluation.stream import EvaluationHandler, interaction_of
from shared.clock import SimulatedClock
from shared.errors import Invalid
from shared.ids import derived_id
from shared.log.record import Effect
from shared.topics import INTERACTION_SCORED
from tests.builders import (
    INTERACTION_ID,
    NOW,
    a_fact,
    a_record,
    a_score,
    an_interaction_completed,
)


def a_handler(rate: float = 1.0) -> EvaluationHandler:
    evaluators: list[Evaluator] = [Refusal(), Empty()]
    return EvaluationHandler(evaluators, rates_of(evaluators, {}, rate), SimulatedClock(NOW))


async def scores(message: InteractionCompleted) -> list[InteractionScored]:
    effect = await a_handler().handle([a_record(a_fact(message))])
    return [InteractionScored.FromString(fact.value) for fact in effect.facts]


async def test_a_judgement_becomes_a_score_with_a_derived_id() -> None:
    effect = await a_handler().handle(
        [a_record(a_fact(an_interaction_completed(output_text="I can't help with that.")))]
    )

    score_id = derived_id("score", "acme", INTERACTION_ID, "refusal", "1")
    fact = effect.facts[0]
    assert (fact.topic, fact.key, fact.event_id) == (INTERACTION_SCORED, "acme", score_id)
    assert InteractionScored.FromString(fact.value) == a_score(
        score_id=score_id, value=1.0, label="refusal", passed=False
    )


async def test_a_batch_that_comes_again_has_the_same_event_ids() -> None:
    records = [a_record(a_fact(an_interaction_completed()))]
    handler = a_handler()

    once, twice = await handler.handle(records), await handler.handle(records)

    assert once == twice
    assert len(once.facts) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "embedding"},
        {"kind": "predict"},
        {"status": "error"},
        {"status": "interrupted"},
        {"content_policy": "hash"},
        {"content_policy": "none"},
    ],
)
async def test_what_has_no_whole_readable_answer_is_not_judged(change: dict[str, str]) -> None:
    assert await scores(an_interaction_completed(**change)) == []


async def test_redacted_texts_are_judged() -> None:
    found = await scores(an_interaction_completed(content_policy="redacted"))

    assert [score.label for score in found] == ["none", "text"]


async def test_what_cannot_be_decoded_is_a_dead_letter_and_the_rest_goes_on() -> None:
    good = a_record(a_fact(an_interaction_completed()), seq=2)
    bad = a_record(a_fact(an_interaction_completed()), value=b"\xff")

    effect = await a_handler().handle([bad, good])

    assert [letter.record for letter in effect.dead_letters] == [bad]
    assert len(effect.facts) == 2


async def test_a_rate_of_zero_judges_nothing() -> None:
    record = a_record(a_fact(an_interaction_completed()))

    assert await a_handler(rate=0.0).handle([record]) == Effect([], [])


def test_a_sample_is_the_same_every_time_and_of_the_asked_size() -> None:
    ids = [str(UUID(int=n)) for n in range(2_000)]

    seen = [one for one in ids if is_sampled(one, "refusal", 0.25)]

    assert len(seen) == 494
    assert all(is_sampled(one, "refusal", 0.5) for one in seen)
    assert all(is_sampled(one, "refusal", 1.0) for one in ids)


def test_rates_name_evaluators_that_exist() -> None:
    assert rates_of([Empty()], {"empty": 0.5}, 1.0) == {"empty": 0.5}
    with pytest.raises(Invalid, match="no evaluator refusals"):
        rates_of(every_evaluator(), {"refusals": 0.5}, 1.0)


def test_rates_lie_between_none_and_all() -> None:
    with pytest.raises(Invalid) as refused:
        Settings(rates={"refusal": 1.5})

    assert "less than or equal to 1" in refused.value.faults[0]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ('[{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}]', True),
        ('[{"role":"assistant","content":[{"type":"tool_use","name":"f"}]}]', True),
        ('[{"type":"function_call","name":"f"}]', True),
        ('[{"role":"assistant","parts":[{"type":"tool_call"}]}]', True),
        ('[{"role":"assistant","content":"\\"tool_calls\\"","tool_calls":null}]', False),
        ("[{", False),
        ("", False),
    ],
)
def test_a_call_of_a_tool_is_seen_in_every_protocol(messages: str, *, expected: bool) -> None:
    message = an_interaction_completed(output_messages=messages)

    assert interaction_of(message).calls_tools is expected


def test_options_that_are_no_object_are_none() -> None:
    assert interaction_of(an_interaction_completed(request_options="[1]")).options == {}


@pytest.mark.parametrize(
    ("output", "messages", "expected"),
    [
        ("Four.", "", True),
        ("", '[{"role":"assistant","content":null}]', True),
        ("", '[{"role":"assistant","content":""}]', True),
        ("", '[{"role":"assistant","parts":[{"type":"text","content":""}]}]', True),
        ("", '[{"role":"assistant","content":[{"type":"image","url":"x"}]}]', False),
        ("", '[{"role":"assistant","finish_reason":"stop"}]', False),
        ("", "", False),
    ],
)
def test_a_text_is_known_where_it_was_recorded(
    output: str, messages: str, *, expected: bool
) -> None:
    message = an_interaction_completed(output_messages=messages)
    message.output_text = output

    assert interaction_of(message).text_known is expected


async def test_an_answer_that_nobody_recorded_fails_no_question() -> None:
    message = an_interaction_completed(
        finish_reasons=["stop"], request_options='{"response_format":{"type":"json_object"}}'
    )
    message.ClearField("input_text")
    message.ClearField("output_text")
    every = every_evaluator()
    handler = EvaluationHandler(every, rates_of(every, {}, 1.0), SimulatedClock(NOW))

    effect = await handler.handle([a_record(a_fact(message))])

    found = [InteractionScored.FromString(fact.value) for fact in effect.facts]
    assert [(score.evaluator, score.passed) for score in found] == [("length", True)]
