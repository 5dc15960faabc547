"""What each fact says that can be watched."""

import math

import pytest

from services.drift.domain import StreamKey
from services.drift.signals import Asked, asked, failure, input_row, opinion, verdict
from services.drift.whereabouts import Place
from tests.builders import INTERACTION_ID, a_feedback, a_score, an_interaction_completed


def test_a_text_is_watched_under_the_policies_that_keep_it_readable() -> None:
    hashed = an_interaction_completed(content_policy="hash", input_text="sha256:00")

    assert asked(an_interaction_completed(input_text=" Hi ")) == Asked((), "Hi")
    assert asked(hashed) == Asked((), "")


def test_the_clients_own_vector_is_watched_even_without_a_text() -> None:
    fact = an_interaction_completed(content_policy="none", embedding=[0.5, 1.0])

    assert asked(fact) == Asked((0.5, 1.0), "")
    assert input_row(fact, "e", asked(fact), "wordllama-256").key == StreamKey(
        "acme", "demo", "production", "embedding", "client-2"
    )


@pytest.mark.parametrize("number", [math.nan, math.inf, 1e20])
def test_a_vector_that_cannot_be_reckoned_with_is_no_vector(number: float) -> None:
    fact = an_interaction_completed(embedding=[number, 1.0])

    assert asked(fact) == Asked((), "What is two and two?")


def test_what_may_be_quoted_is_one_short_line() -> None:
    fact = an_interaction_completed(input_text="a\n b " * 500)

    assert input_row(fact, "e", asked(fact), "w").text == ("a b " * 40).strip() + " "


@pytest.mark.parametrize(("status", "value"), [("ok", 0.0), ("error", 1.0), ("interrupted", 1.0)])
def test_a_call_that_ended_by_itself_counts_for_the_error_rate(status: str, value: float) -> None:
    row = failure(an_interaction_completed(status=status), "e1")

    assert row is not None
    assert (row.key.feature, row.value, row.event_id) == ("error_rate", value, "e1")


def test_a_cancelled_call_says_nothing_of_the_model() -> None:
    assert failure(an_interaction_completed(status="cancelled"), "e1") is None


@pytest.mark.parametrize(("label", "value"), [("refusal", 1.0), ("hedged", 0.0), ("none", 0.0)])
def test_a_refusal_is_told_by_its_label(label: str, value: float) -> None:
    row = verdict(a_score(label=label), "e")

    assert row is not None
    assert (row.key.feature, row.value) == ("refusal_rate", value)


def test_other_evaluators_scores_are_watched_when_they_lie_in_0_to_1() -> None:
    good, wide = a_score(evaluator="length", value=0.25), a_score(evaluator="words", value=12.0)

    row = verdict(good, "e")

    assert row is not None
    assert (row.key.feature, row.value) == ("score:length", 0.25)
    assert verdict(wide, "e") is None


def test_a_thumb_is_about_the_place_its_interaction_ran_in() -> None:
    row = opinion(a_feedback(label="down"), "e", Place("gpt", "staging"))

    assert row is not None
    assert row.key == StreamKey("acme", "gpt", "staging", "thumbs_down_rate")
    assert (row.value, row.interaction_id) == (1.0, INTERACTION_ID)


def test_feedback_on_an_interaction_nobody_remembers_is_about_an_unknown_model() -> None:
    row = opinion(a_feedback(), "e", None)

    assert row is not None
    assert (row.key.model, row.key.environment) == ("unknown", "production")


def test_a_score_is_read_within_its_range() -> None:
    fact = a_feedback(kind="score", name="stars", value=4.0, range_min=1.0, range_max=5.0)

    row = opinion(fact, "e", None)

    assert row is not None
    assert (row.key.feature, row.value) == ("rating:stars", 0.75)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "comment", "text": "meh"},
        {"kind": "score", "value": 4.0},
        {"kind": "score", "value": 9.0, "range_min": 1.0, "range_max": 5.0},
        {"kind": "score", "value": 1.0, "range_min": 1.0, "range_max": 1.0},
        {"supersedes": "0190a6c8-0000-7000-8000-0000000000f0"},
        {"label": "sideways"},
    ],
)
def test_other_feedback_is_not_watched(changes: dict[str, object]) -> None:
    assert opinion(a_feedback(**changes), "e", None) is None
