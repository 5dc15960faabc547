"""infra/grafana: dashboards whose panels have a place each, and ask data sources that are provisioned."""

import re
from itertools import combinations
from typing import Any

import pytest

from tests.deployment import INFRA, Document, dashboards, documents, queries
from tests.promql import faults, metrics_of, told

DASHBOARDS = dashboards()
PROVISIONING = INFRA / "grafana" / "provisioning"


def _sources() -> dict[str, str]:
    [document] = documents(PROVISIONING / "datasources" / "leeway.yaml")
    return {source["uid"]: source["type"] for source in document["datasources"]}


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (apart_x or apart_y)


def _asked(dashboard: Document) -> list[Any]:
    panels = [panel["datasource"] for panel in dashboard["panels"]]
    targets = [t["datasource"] for panel in dashboard["panels"] for t in panel["targets"]]
    return panels + targets + [v["datasource"] for v in dashboard["templating"]["list"]]


def test_there_is_one_for_serving_one_for_facts_and_one_for_quality() -> None:
    assert {name: each["title"] for name, each in DASHBOARDS.items()} == {
        "serving": "Serving",
        "facts": "Facts",
        "quality": "Quality and drift",
    }
    assert len({each["uid"] for each in DASHBOARDS.values()}) == 3


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_panel_has_a_number_of_its_own_a_title_and_a_query(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["targets"] for panel in panels)
    assert {panel["type"] for panel in panels} <= {"timeseries", "stat", "table"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_panel_covers_another_or_leaves_the_grid(name: str) -> None:
    places = [panel["gridPos"] for panel in DASHBOARDS[name]["panels"]]

    assert not [pair for pair in combinations(places, 2) if _overlap(*pair)]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_data_source_is_provisioned(name: str) -> None:
    sources = _sources()

    assert [s for s in _asked(DASHBOARDS[name]) if sources.get(s["uid"]) != s["type"]] == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_of_prometheus_asks_for_metrics_and_labels_that_are_told(name: str) -> None:
    found = {query: faults(query) for query in queries(DASHBOARDS[name], "expr")}

    assert {query: wrong for query, wrong in found.items() if wrong} == {}


def test_every_metric_of_the_platform_is_on_a_dashboard() -> None:
    asked = {query for each in DASHBOARDS.values() for query in queries(each, "expr")}
    shown = {metric for query in asked for metric in metrics_of(query)}

    assert {family(name) for name in told() if name != "up"} == {family(name) for name in shown}


def family(series: str) -> str:
    """The metric that a series belongs to."""
    return re.sub(r"_(total|bucket|count|sum)$", "", series)


def test_the_folder_that_is_provisioned_is_where_they_are_mounted() -> None:
    [document] = documents(PROVISIONING / "dashboards" / "leeway.yaml")
    compose = (INFRA.parent / "docker-compose.yml").read_text(encoding="utf-8")

    assert f"./infra/grafana/dashboards:{document['providers'][0]['options']['path']}:ro" in compose
    assert "./infra/grafana/provisioning:/etc/grafana/provisioning:ro" in compose
