"""What every evaluator promises: the same judgement every time, in bounds, whatever the texts."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluation.app import every_evaluator
from services.evaluation.domain import Evaluator, Interaction
from tests.builders import INTERACTION_ID

EVALUATORS = every_evaluator()
EVERY = pytest.mark.parametrize("evaluator", EVALUATORS, ids=lambda one: one.name)
SECRET_WORDS = "zanzibar@example.org, you idiot zanzibar"

TEXT = st.text(max_size=120) | st.sampled_from(
    [
        "",
        "I can't help with that.",
        "Call 020 7946 0958, you moron.",
        '{"a": 1}',
        "Das ist leider nicht die Antwort, die ich auf die Frage geben kann.",
        "[EMAIL]",
        "x" * 5_000,
    ]
)
OPTIONS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"max_tokens": 10},
        {"max_tokens": "ten", "response_format": 7, "text": []},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 7}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}},
        {"response_format": {"type": "json_schema", "json_schema": None}},
    ]
)
INTERACTIONS = st.builds(
    Interaction,
    interaction_id=st.uuids().map(str),
    output_text=TEXT,
    input_text=TEXT,
    input_messages=TEXT,
    options=OPTIONS,
    finish_reasons=st.lists(st.sampled_from(["stop", "length", "odd"]), max_size=2).map(tuple),
    output_tokens=st.none() | st.integers(0, 1_000),
    calls_tools=st.booleans(),
    redacted=st.booleans(),
)


@EVERY
@given(interaction=INTERACTIONS)
def test_any_interaction_is_judged_in_bounds_or_abstained_from(
    evaluator: Evaluator, interaction: Interaction
) -> None:
    judgement = evaluator.judge(interaction)

    assert judgement is None or (0 <= judgement.value <= 1 and judgement.label)
    assert evaluator.judge(replace(interaction)) == judgement


@EVERY
def test_names_are_in_snake_case_and_versions_are_set(evaluator: Evaluator) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", evaluator.name)
    assert evaluator.version


def test_every_name_is_used_once() -> None:
    names = [evaluator.name for evaluator in EVALUATORS]

    assert len(set(names)) == len(names) == 7


@EVERY
def test_no_judgement_quotes_the_texts(evaluator: Evaluator) -> None:
    judgement = evaluator.judge(
        Interaction(
            interaction_id=INTERACTION_ID,
            output_text=f'{{"zanzibar": "{SECRET_WORDS}"}}',
            input_text="Who?",
            options={
                "max_tokens": 1,
                "response_format": {"type": "json_schema", "schema": {"required": ["town"]}},
            },
            finish_reasons=("length",),
            output_tokens=9,
        )
    )

    told = f"{judgement.label} {judgement.explanation}" if judgement else ""
    assert "zanzibar" not in told.lower()
    assert "idiot" not in told.lower()
