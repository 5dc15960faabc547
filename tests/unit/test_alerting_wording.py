"""What an alert says, and the SQL that it hands over."""

import doctest
from datetime import timedelta
from decimal import Decimal

import pytest

from services.alerting.domain import sketch, wording
from services.alerting.domain.alert import Alert, Change, Signal, advanced, joined, opened
from services.alerting.domain.notification import notification_of
from services.alerting.domain.queries import query
from services.alerting.domain.rule import Place, Rule, When
from services.alerting.rulebook import rules_of
from services.alerting.settings import Settings
from shared import addresses
from shared.config import RuleConfig
from tests.alerting import (
    DETECTION_EVIDENCE,
    ERROR_EVIDENCE,
    NOW,
    a_detection,
    a_detection_rule,
    a_firing_alert,
    a_rule,
    a_signal,
)


def an_alert(rule: Rule, signal: Signal) -> Alert:
    told_at = NOW + timedelta(seconds=30)
    return advanced(opened("a1", rule, signal, NOW), rule, told_at, told_at).alert


@pytest.mark.parametrize("module", [wording, sketch, addresses], ids=lambda one: one.__name__)
def test_the_examples_in_docstrings_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_a_detection_says_what_where_since_when_and_how_sure() -> None:
    told = notification_of("n1", an_alert(a_detection_rule(), a_detection()), Change.FIRED)

    assert told.title == "Drift in refusal_rate: model demo, tenant acme"
    assert told.body == (
        "Rule drift fires, since 2026-01-01 12:00:00 UTC.\n"
        "- 2026-01-01 12:00:00 UTC: Refusals rose from 1.0% to 9.5% over the last 200 observations."
        " Detector cusum: statistic 12.35, threshold 9, 200 observations against 2000 of the"
        " reference; the change began about 2026-01-01 11:30:00 UTC."
    )
    assert told.sql == (
        "SELECT interaction_id, started_at, status, input_text, output_text\n"
        "FROM leeway.interactions_v1\n"
        "WHERE tenant = 'acme' AND request_model = 'demo' AND interaction_id IN ('i1', 'i2')\n"
        "ORDER BY started_at"
    )


def test_errors_say_how_many_of_how_many_in_which_time_and_how() -> None:
    told = notification_of("n1", an_alert(a_rule(), a_signal()), Change.FIRED)

    assert told.title == "25.0% of calls fail: model demo, tenant acme"
    assert told.body == (
        "Rule errors fires, since 2026-01-01 12:00:00 UTC.\n"
        "5 of 20 calls in the 5 minutes to 2026-01-01 12:00:00 UTC failed: 25.0%, the threshold is"
        " 10.0%. Errors: timeout 4, rate_limited 1."
    )


def test_slowness_says_how_slow() -> None:
    rule = a_rule(name="slow", when=When.LATENCY_P95)
    evidence = {**ERROR_EVIDENCE, "value": "8.1", "threshold": "5", "p50_seconds": 1.2}
    told = notification_of("n1", an_alert(rule, a_signal(evidence=evidence)), Change.FIRED)

    assert told.title == "Calls are slow, p95 8.1 s: model demo, tenant acme"
    assert told.body.splitlines()[1] == (
        "Of 20 calls in the 5 minutes to 2026-01-01 12:00:00 UTC, 5 % took longer than 8.1 s"
        " (the median is 1.2 s); the threshold is 5 s."
    )


def test_spending_says_how_much() -> None:
    rule = a_rule(name="spend", when=When.SPEND)
    evidence = {**ERROR_EVIDENCE, "value": "120.5", "threshold": "100", "window_seconds": 3600}
    told = notification_of("n1", an_alert(rule, a_signal(evidence=evidence)), Change.FIRED)

    assert told.title == "120.5 USD spent in 1 hour: model demo, tenant acme"
    assert told.body.splitlines()[1] == (
        "20 interactions in the 1 hour to 2026-01-01 12:00:00 UTC cost 120.5 USD;"
        " the threshold is 100 USD."
    )


def test_the_end_says_how_often_and_since_when_it_is_quiet() -> None:
    alert = joined(a_firing_alert(), a_signal(), NOW)

    told = notification_of("n1", alert, Change.RESOLVED)

    assert told.body.splitlines()[0] == (
        "Rule errors is quiet since 2026-01-01 12:00:00 UTC: seen 2 times since"
        " 2026-01-01 12:00:00 UTC. What it was about:"
    )


def test_a_name_from_outside_is_one_visible_line() -> None:
    place = Place("acme", model="demo\r\nBcc: x@example.com\u202e" + "m" * 200)
    told = notification_of("n1", an_alert(a_rule(), a_signal(place=place)), Change.FIRED)

    assert "\n" not in told.title
    assert "\u202e" not in told.title
    assert len(told.title) <= 200


def test_a_name_from_outside_cannot_leave_its_string_in_the_sql() -> None:
    place = Place("acme", model="x' OR 1=1 -- \\")

    sql = query(an_alert(a_rule(), a_signal(place=place)), NOW)

    assert "request_model = 'x\\' OR 1=1 -- \\\\' AND ended_at" in sql


def test_a_detection_without_examples_hands_over_the_detections() -> None:
    evidence = {**DETECTION_EVIDENCE, "interaction_ids": []}
    place = Place("acme", model="demo", feature="refusal_rate")
    alert = an_alert(a_detection_rule(), a_detection(evidence=evidence, place=place))

    assert query(alert, NOW) == (
        "SELECT detected_at, feature, direction, statistic, threshold, summary\n"
        "FROM leeway.detections_v1\n"
        "WHERE tenant = 'acme' AND request_model = 'demo' AND feature = 'refusal_rate'"
        " AND detected_at >= '2026-01-01 12:00:00'\n"
        "ORDER BY detected_at"
    )


def test_without_rules_detections_and_errors_are_told_to_every_channel() -> None:
    rules = rules_of([], ["log", "pager"], Settings())

    assert {rule.name: (rule.when, rule.channels) for rule in rules.values()} == {
        "delivery": (When.DELIVERY, ("log", "pager")),
        "drift": (When.DETECTION, ("log", "pager")),
        "errors": (When.ERROR_RATE, ("log", "pager")),
    }


def test_a_configured_rule_takes_the_place_of_the_built_in_ones() -> None:
    configured = RuleConfig("mine", "spend", ("log",), threshold=Decimal(5), window_seconds=3600)

    rules = rules_of([configured], ["log"], Settings())

    assert sorted(rules) == ["delivery", "mine"]
    assert (rules["mine"].quiet_seconds, rules["mine"].group_wait_seconds) == (3600, 0)
