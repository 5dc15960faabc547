"""infra/k8s: consistent in itself, and the least that each process needs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.settings import Installation
from shared.topics import ALL
from tests.deployment import INFRA, PROCESSES, Document, documents, setting_names
from tests.kustomize import build, of_kind, pod_of

K8S = INFRA / "k8s"
OVERLAYS = ("small", "production")
SCALED = ("alerting", "billing", "drift", "edge", "evaluation", "warehouse")


@pytest.fixture(scope="module", params=OVERLAYS)
def resources(request: pytest.FixtureRequest) -> list[Document]:
    return build(K8S / "overlays" / request.param)


@pytest.fixture(scope="module")
def production() -> list[Document]:
    return build(K8S / "overlays" / "production")


@pytest.fixture(scope="module")
def small() -> list[Document]:
    return build(K8S / "overlays" / "small")


def _workloads(resources: list[Document]) -> list[Document]:
    return [r for r in resources if pod_of(r) is not None]


def _ours(resources: list[Document]) -> dict[str, Document]:
    """The pods' specifications of Leeway's own workloads, by name."""
    return {
        r["metadata"]["name"]: r["spec"]["template"]["spec"]
        for r in _workloads(resources)
        if r["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "leeway"
    }


def _labels(workload: Document) -> dict[str, str]:
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def _selects(selector: Document, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    among = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in among)
    return wanted.items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in among
    )


def _selected(selector: Document, resources: list[Document]) -> list[Document]:
    return [w for w in _workloads(resources) if _selects(selector, _labels(w))]


def _ports(workload: Document) -> dict[Any, int]:
    """The container ports of a workload, by name and by number."""
    containers = workload["spec"]["template"]["spec"]["containers"]
    ports = [port for container in containers for port in container.get("ports", [])]
    by_name = {port["name"]: port["containerPort"] for port in ports}
    return by_name | {port["containerPort"]: port["containerPort"] for port in ports}


def _reads(pod: Document, kind: str) -> Iterator[tuple[str, str | None]]:
    """Each Secret (or ConfigMap) that a pod names, and the key it reads of it."""
    key, many = {
        "Secret": ("secretKeyRef", "secretRef"),
        "ConfigMap": ("configMapKeyRef", "configMapRef"),
    }[kind]
    for container in pod["containers"]:
        for each in container.get("envFrom", []):
            if many in each:
                yield each[many]["name"], None
        for variable in container["env"]:
            if found := variable.get("valueFrom", {}).get(key):
                yield found["name"], found["key"]
    for volume in pod.get("volumes", []):
        if kind == "Secret" and "secret" in volume:
            yield volume["secret"]["secretName"], None
        if kind == "ConfigMap" and "configMap" in volume:
            yield volume["configMap"]["name"], None


def test_no_resource_is_there_twice(resources: list[Document]) -> None:
    names = [(r["kind"], r["metadata"]["name"]) for r in resources]

    assert len(set(names)) == len(names)


def test_every_process_is_a_stateful_set_with_a_volume_that_outlives_it(
    resources: list[Document],
) -> None:
    sets = of_kind(resources, "StatefulSet")
    kept = {"whenDeleted": "Retain", "whenScaled": "Retain"}

    assert set(PROCESSES) <= set(sets)
    assert not of_kind(resources, "Deployment")
    for name in PROCESSES:
        spec = sets[name]["spec"]
        assert spec["template"]["spec"]["containers"][0]["args"] == [name]
        assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["data"]
        assert spec["persistentVolumeClaimRetentionPolicy"] == kept


def test_every_process_has_no_rights(resources: list[Document]) -> None:
    for pod in _ours(resources).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_no_process_may_be_given_variables_by_services_of_the_same_name(
    resources: list[Document],
) -> None:
    assert all(pod["enableServiceLinks"] is False for pod in _ours(resources).values())


def test_every_pod_says_what_it_needs(resources: list[Document]) -> None:
    for workload in _workloads(resources):
        for container in workload["spec"]["template"]["spec"]["containers"]:
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_health_is_asked_on_the_operations_port(resources: list[Document]) -> None:
    paths = {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    sets = of_kind(resources, "StatefulSet")

    for name in PROCESSES:
        [container] = sets[name]["spec"]["template"]["spec"]["containers"]
        for probe, path in paths.items():
            assert container[probe]["httpGet"] == {"path": path, "port": "operations"}


def test_a_pod_has_longer_to_end_than_it_drains(resources: list[Document]) -> None:
    sets = of_kind(resources, "StatefulSet")
    drain = Installation().drain_seconds

    for name in PROCESSES:
        pod = sets[name]["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] > drain


def test_selectors_match_the_labels_of_their_pods(resources: list[Document]) -> None:
    for workload in _workloads(resources):
        if workload["kind"] == "StatefulSet":
            assert _selects(workload["spec"]["selector"], _labels(workload))
            assert len(_selected(workload["spec"]["selector"], resources)) == 1


def test_every_service_leads_to_ports_of_the_one_set_it_selects(resources: list[Document]) -> None:
    for service in of_kind(resources, "Service").values():
        [workload] = _selected({"matchLabels": service["spec"]["selector"]}, resources)
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in _ports(workload)
            assert port["port"] == _ports(workload)[port["targetPort"]]


def test_every_stateful_set_has_its_headless_service(resources: list[Document]) -> None:
    services = of_kind(resources, "Service")

    for workload in of_kind(resources, "StatefulSet").values():
        assert services[workload["spec"]["serviceName"]]["spec"]["clusterIP"] == "None"


def test_every_process_has_a_disruption_budget(resources: list[Document]) -> None:
    budgets = of_kind(resources, "PodDisruptionBudget")

    assert set(budgets) == set(PROCESSES)
    for name, budget in budgets.items():
        [workload] = _selected(budget["spec"]["selector"], resources)
        assert workload["metadata"]["name"] == name


def test_what_scales_has_no_count_of_its_own(production: list[Document]) -> None:
    sets = of_kind(production, "StatefulSet")
    scalers = of_kind(production, "HorizontalPodAutoscaler")
    counts = {name: sets[name]["spec"].get("replicas", 1) for name in PROCESSES}

    assert set(scalers) == set(SCALED)
    assert {s["spec"]["scaleTargetRef"]["name"] for s in scalers.values()} == set(SCALED)
    assert all("replicas" not in sets[name]["spec"] for name in SCALED)
    assert {s["spec"]["minReplicas"] for s in scalers.values()} == {3}
    assert {name: counts[name] for name in counts if name not in SCALED} == {"registry": 3}


def test_no_group_has_more_members_than_there_are_partitions(production: list[Document]) -> None:
    scalers = of_kind(production, "HorizontalPodAutoscaler")
    partitions = {topic.partitions for topic in ALL if not topic.compacted}

    for name in set(SCALED) - {"edge"}:
        assert {scalers[name]["spec"]["maxReplicas"]} == partitions
        [metric] = scalers[name]["spec"]["metrics"]
        assert metric["external"]["metric"]["selector"] == {"matchLabels": {"group": name}}


def test_a_trial_has_one_of_each_and_scales_nothing(small: list[Document]) -> None:
    assert not of_kind(small, "HorizontalPodAutoscaler")
    assert all("replicas" not in w["spec"] for w in of_kind(small, "StatefulSet").values())


def test_every_network_policy_selects_something_and_its_ports_exist(
    resources: list[Document],
) -> None:
    for policy in of_kind(resources, "NetworkPolicy").values():
        chosen = _selected(policy["spec"]["podSelector"], resources)
        assert chosen
        for rule in policy["spec"].get("ingress", []):
            ports = {port for workload in chosen for port in _ports(workload)}
            assert {port["port"] for port in rule["ports"]} <= ports


def test_nothing_is_open_but_what_a_policy_opens(resources: list[Document]) -> None:
    deny = of_kind(resources, "NetworkPolicy")["deny-all"]["spec"]

    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_processes_reach_each_other_and_the_stores_as_drawn(small: list[Document]) -> None:
    assert _edges(small) == {
        *((name, "registry", 50051) for name in set(PROCESSES) - {"registry"}),
        *((name, "kafka", 9092) for name in (*PROCESSES, "prepare")),
        *((name, "clickhouse", 8123) for name in ("drift", "prepare", "warehouse")),
        *((name, "postgres", 5432) for name in ("alerting", "prepare", "registry")),
        ("kafka", "kafka", 0),
    }


def test_what_one_side_may_send_the_other_may_receive(small: list[Document]) -> None:
    workloads = {w["metadata"]["name"]: w for w in _workloads(small)}

    for source, target, port in _edges(small):
        if port:
            assert _admits(small, workloads[target], _labels(workloads[source]), port)


def test_only_the_doors_and_alerting_reach_the_internet(resources: list[Document]) -> None:
    [rule] = of_kind(resources, "NetworkPolicy")["internet"]["spec"]["egress"]
    selector = of_kind(resources, "NetworkPolicy")["internet"]["spec"]["podSelector"]

    assert {w["metadata"]["name"] for w in _selected(selector, resources)} == {"edge", "alerting"}
    assert rule["ports"] == [{"port": 443}]
    assert "169.254.0.0/16" in rule["to"][0]["ipBlock"]["except"]


def _edges(resources: list[Document]) -> set[tuple[str, str, int]]:
    """Who may send to whom at which port (0: any), by the policies of egress between pods."""
    return {
        (source["metadata"]["name"], target["metadata"]["name"], port["port"])
        for policy in of_kind(resources, "NetworkPolicy").values()
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "podSelector" in peer and "namespaceSelector" not in peer
        for source in _selected(policy["spec"]["podSelector"], resources)
        for target in _selected(peer["podSelector"], resources)
        for port in rule.get("ports", [{"port": 0}])
    }


def _admits(resources: list[Document], target: Document, source: dict[str, str], port: int) -> bool:
    return any(
        _selects(peer.get("podSelector", {"matchLabels": {"no": "pod"}}), source)
        for policy in of_kind(resources, "NetworkPolicy").values()
        if _selects(policy["spec"]["podSelector"], _labels(target))
        for rule in policy["spec"].get("ingress", [])
        if port
        in {
            _ports(target)[each["port"]] for each in rule["ports"] if each["port"] in _ports(target)
        }
        for peer in rule.get("from", [])
    )


def test_one_image_runs_every_process_and_no_tag_moves(resources: list[Document]) -> None:
    pods = _ours(resources)
    images = {container["image"] for pod in pods.values() for container in pod["containers"]}
    every = [
        c["image"]
        for w in _workloads(resources)
        for c in w["spec"]["template"]["spec"]["containers"]
    ]

    assert len(images) == 1
    assert all(re.search(r":\d", image) for image in every)


def test_every_setting_that_a_pod_is_given_exists(resources: list[Document]) -> None:
    environment = set(of_kind(resources, "ConfigMap")["environment"]["data"])
    own = {
        variable["name"]
        for pod in _ours(resources).values()
        for container in pod["containers"]
        for variable in container["env"]
    }

    assert (environment | own) - setting_names() == set()


def test_every_secret_and_config_map_that_is_named_is_there(resources: list[Document]) -> None:
    secrets = {
        s["metadata"]["name"]: s["stringData"] for s in documents(K8S / "secrets.example.yaml")
    }
    by_hand = {f"{name}-tls" for name in PROCESSES}
    maps = of_kind(resources, "ConfigMap")

    for workload in _workloads(resources):
        pod = workload["spec"]["template"]["spec"]
        for name, key in _reads(pod, "Secret"):
            assert name in secrets.keys() | by_hand
            assert key is None or key in secrets[name]
        assert all(name in maps for name, _ in _reads(pod, "ConfigMap"))


def test_a_process_is_given_only_the_secrets_it_uses(resources: list[Document]) -> None:
    every = {"leeway", "leeway-providers"}
    special: dict[str, set[str]] = {
        "warehouse": {"leeway-clickhouse"},
        "drift": {"leeway-clickhouse"},
        "registry": {"leeway-database"},
        "alerting": {"leeway-database"},
        "prepare": {"leeway-clickhouse", "leeway-database"},
    }

    for name, pod in _ours(resources).items():
        read = {secret for secret, _ in _reads(pod, "Secret") if not secret.endswith("-tls")}
        assert read == every | special.get(name, set())


def test_every_mount_has_its_volume(resources: list[Document]) -> None:
    for workload in _workloads(resources):
        pod = workload["spec"]["template"]["spec"]
        claims = workload["spec"].get("volumeClaimTemplates", [])
        volumes = {v["name"] for v in pod.get("volumes", [])} | {
            c["metadata"]["name"] for c in claims
        }
        mounts = {mount["name"] for c in pod["containers"] for mount in c["volumeMounts"]}
        assert mounts == volumes


def test_the_operations_port_is_the_images_own(resources: list[Document]) -> None:
    image = (INFRA / "docker" / "Dockerfile").read_text(encoding="utf-8")
    sets = of_kind(resources, "StatefulSet")

    for name in PROCESSES:
        assert f"LEEWAY_OPERATIONS_PORT={_ports(sets[name])['operations']}\n" in image


def test_every_file_of_the_folder_is_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in K8S.rglob("kustomization.yaml"))
    files = {p.name for p in K8S.rglob("*.yaml")} - {"kustomization.yaml", "secrets.example.yaml"}

    assert {name for name in files if name not in text} == set()
    assert Path(K8S / "secrets.example.yaml").name not in text
