"""infra/prometheus: rules of metrics that are told, on every process, each with what to do about it."""

import re

import pytest

from services.cli.root import VERBS
from tests.deployment import INFRA, PROCESSES, Document, documents
from tests.promql import faults, told

PROMETHEUS = INFRA / "prometheus"
_COMMAND = re.compile(r"`leeway (\w+)")


def _rules() -> dict[str, Document]:
    [document] = documents(PROMETHEUS / "rules.yml")
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"]}


def _scrapes(name: str) -> dict[str, Document]:
    [document] = documents(PROMETHEUS / name)
    return {each["job_name"]: each for each in document["scrape_configs"]}


def _operations_port() -> str:
    image = (INFRA / "docker" / "Dockerfile").read_text(encoding="utf-8")
    return image.partition("LEEWAY_OPERATIONS_PORT=")[2].split()[0]


def test_every_rule_asks_for_metrics_and_labels_that_are_told() -> None:
    found = {name: faults(rule["expr"]) for name, rule in _rules().items()}

    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_a_metric_that_nobody_tells_is_found_out() -> None:
    assert faults("rate(leeway_nonsense_total[5m])") == ["no metric leeway_nonsense_total"]
    assert faults("sum by (topic) (leeway_consumer_halted)") == [
        "no label topic of ['leeway_consumer_halted']"
    ]
    with pytest.raises(ValueError, match="paren"):
        faults("sum(leeway_consumer_halted")


def test_what_can_go_wrong_with_facts_wakes_somebody() -> None:
    rules = _rules()
    paging = {name for name, rule in rules.items() if rule["labels"]["severity"] == "page"}

    assert {rule["labels"]["severity"] for rule in rules.values()} == {"page", "ticket"}
    assert {
        *("FactGap", "ConsumerHalted", "LagWithoutProgress", "Stale"),
        *("OutboxBacklog", "OutboxDisk", "ServerErrors", "RegistryStale", "ProcessDown"),
    } <= paging


def test_every_rule_says_what_it_means_and_names_no_command_that_is_not_there() -> None:
    for rule in _rules().values():
        assert set(rule["annotations"]) == {"summary", "description"}
        assert set(_COMMAND.findall(rule["annotations"]["description"])) <= VERBS.keys()


def test_every_process_is_scraped_where_its_operations_answer() -> None:
    [names] = _scrapes("prometheus.yml")["leeway"]["dns_sd_configs"]

    assert sorted(names["names"]) == sorted(PROCESSES)
    assert str(names["port"]) == _operations_port()


def test_in_kubernetes_the_operations_port_of_every_pod_is_scraped() -> None:
    relabels = _scrapes("kubernetes.yml")["leeway"]["relabel_configs"]

    assert relabels[0] == {
        "source_labels": ["__meta_kubernetes_pod_container_port_name"],
        "regex": "operations",
        "action": "keep",
    }
    assert {each["target_label"] for each in relabels[1:]} == {"process", "namespace", "pod"}


def test_the_adapter_makes_the_metrics_that_the_autoscalers_ask_for() -> None:
    [values] = documents(PROMETHEUS / "adapter.yaml")
    adapter = values["rules"]
    scalers = [
        scaler
        for name in ("edge.yaml", "consumers.yaml")
        for scaler in documents(INFRA / "k8s" / "autoscaling" / name)
    ]
    asked = {(m["type"].lower(), _named(m)) for s in scalers for m in s["spec"]["metrics"]}

    assert asked == {
        ("pods", adapter["custom"][0]["name"]["as"]),
        ("external", adapter["external"][0]["name"]["as"]),
    }
    for rule in [*adapter["custom"], *adapter["external"]]:
        assert rule["seriesQuery"].partition("{")[0] in told()


def _named(metric: Document) -> str:
    return str(metric[metric["type"].lower()]["metric"]["name"])
