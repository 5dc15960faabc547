"""What policies and a request's `cache-control` let a cache do."""

import pytest
from msgspec import structs

from services.serving.cache.control import ANY, Control, control_of
from services.serving.cache.terms import OFF, Terms, terms_of
from shared.policy import CachePolicy, Policy, policy_body, policy_of


def test_nothing_is_kept_unless_a_policy_says_so() -> None:
    assert terms_of([CachePolicy(), CachePolicy(semantic_distance=0.1)]) == OFF
    assert OFF.seconds == 0
    assert not OFF.exact_at(0)
    assert not OFF.semantic_at(0, tools=False)


@pytest.mark.parametrize(
    ("name", "one", "other", "least"),
    [
        ("exact_seconds", 60, 3600, 60),
        ("exact_seconds", 60, None, 60),
        ("exact_seconds", 60, 0, 0),
        ("exact_max_temperature", 0.5, 1, 0.5),
        ("semantic_seconds", 60, 10, 10),
        ("semantic_distance", 0.01, 0.2, 0.01),
        ("semantic_distance", 0.2, None, 0.2),
        ("semantic_max_temperature", 1, 2, 1),
        ("semantic_tools", True, False, False),
        ("semantic_tools", True, None, True),
    ],
)
def test_of_what_is_said_the_strictest_holds(
    name: str, one: object, other: object, least: object
) -> None:
    on = CachePolicy(exact_seconds=100_000, semantic_seconds=100_000)
    said = [structs.replace(on, **{name: value}) for value in (one, other)]

    assert getattr(terms_of([CachePolicy(), *said]), name) == least
    assert getattr(terms_of([*reversed(said)]), name) == least


def test_the_same_request_may_be_answered_at_any_temperature_unless_a_policy_bounds_it() -> None:
    assert Terms(exact_seconds=60).exact_at(2)
    assert Terms(exact_seconds=60, exact_max_temperature=0.5).exact_at(0.5)
    assert not Terms(exact_seconds=60, exact_max_temperature=0.5).exact_at(0.6)


def test_a_near_question_is_answered_at_low_temperatures_and_without_tools_unless_asked() -> None:
    terms = Terms(semantic_seconds=60)

    assert terms.semantic_at(0.2, tools=False)
    assert not terms.semantic_at(0.3, tools=False)
    assert not terms.semantic_at(0, tools=True)
    asked = Terms(semantic_seconds=60, semantic_tools=True, semantic_max_temperature=1)
    assert asked.semantic_at(1, tools=True)


def test_an_answer_is_kept_as_long_as_it_serves_anything() -> None:
    assert Terms(exact_seconds=60, semantic_seconds=10).seconds == 60
    assert Terms(exact_seconds=60, semantic_seconds=100).seconds == 100


def test_a_policy_is_read_as_it_was_written() -> None:
    body = {"cache": {"exact_seconds": 0, "semantic_seconds": 60, "semantic_tools": True}}

    policy = policy_of(body)

    assert policy == Policy(
        cache=CachePolicy(exact_seconds=0, semantic_seconds=60, semantic_tools=True)
    )
    assert policy_body(policy) == body


@pytest.mark.parametrize(
    ("header", "control"),
    [
        ("", ANY),
        ("no-cache", Control(reads=False)),
        ("NO-CACHE", Control(reads=False)),
        ("no-store", Control(reads=False, writes=False)),
        ("max-age=60", Control(max_age=60)),
        ('max-age="60"', Control(max_age=60)),
        ("max-age=60, max-age=5", Control(max_age=5)),
        ("max-age=-1", Control(max_age=0)),
        ("max-age", Control(max_age=0)),
        ("max-age=²", Control(max_age=0)),
        ("max-age=" + "9" * 5000, Control(max_age=9_999_999_999)),
        ("only-if-cached , no-transform", Control(only_kept=True)),
        ("no-cache, only-if-cached", Control(reads=False, only_kept=True)),
        ("private, min-fresh=3, x=y, ,", ANY),
    ],
)
def test_a_header_says_what_may_be_given_and_kept(header: str, control: Control) -> None:
    assert control_of(header) == control
