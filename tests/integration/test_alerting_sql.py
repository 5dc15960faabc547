"""The SQL that an alert hands to a person runs, as the tenant whose alert it is."""

from pathlib import Path

import aiohttp
import pytest

from services.alerting.domain.alert import Signal, opened
from services.alerting.domain.queries import query
from services.alerting.domain.rule import Place, Rule, When
from services.alerting.drill import drill
from tests.alerting import DETECTION_EVIDENCE, NOW, a_detection, a_detection_rule, a_rule, a_signal
from tests.stores import TENANTS, a_store

PLACE = Place("acme", "default", "production", "openai", "it's \\ a model", "refusal_rate")
CASES: list[tuple[Rule, Signal]] = [
    (a_detection_rule(), a_detection(place=PLACE)),
    (
        a_detection_rule(),
        a_detection(place=PLACE, evidence={**DETECTION_EVIDENCE, "interaction_ids": []}),
    ),
    *(
        (a_rule(when=when), a_signal(place=PLACE))
        for when in (When.ERROR_RATE, When.LATENCY_P95, When.SPEND)
    ),
    (a_rule(when=When.DELIVERY), a_signal(place=Place("acme", channel="pager"))),
]


async def test_every_query_runs_as_the_tenants_user(tmp_path: Path) -> None:
    queries = [query(opened("a1", rule, signal, NOW), NOW) for rule, signal in CASES]
    queries.append(drill("pager", NOW)[0].notification.sql)
    login = {"X-ClickHouse-User": "acme", "X-ClickHouse-Key": TENANTS["acme"]}
    async with (
        a_store(tmp_path) as store,
        aiohttp.ClientSession(headers=login) as session,
    ):
        for sql in queries:
            async with session.post(store.url, data=sql) as answer:
                assert answer.status == 200, f"{sql}\n{await answer.text()}"


@pytest.mark.parametrize("rule_and_signal", CASES, ids=lambda case: case[0].when)
def test_every_query_names_its_tenant(rule_and_signal: tuple[Rule, Signal]) -> None:
    rule, signal = rule_and_signal

    assert "tenant = 'acme'" in query(opened("a1", rule, signal, NOW), NOW)
