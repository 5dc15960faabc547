"""infra/k8s, each process by itself: who it is to the others, whom it follows, and how much room it has."""

import re

import pytest

from tests.deployment import INFRA, PROCESSES, ROOT, Document
from tests.kustomize import build, of_kind

OVERLAYS = INFRA / "k8s" / "overlays"
ALARM_BYTES = 2_000_000_000  # OutboxDisk of infra/prometheus/rules.yml


@pytest.fixture(scope="module", params=["small", "production"])
def resources(request: pytest.FixtureRequest) -> list[Document]:
    return build(OVERLAYS / request.param)


@pytest.fixture(scope="module")
def production() -> list[Document]:
    return build(OVERLAYS / "production")


def test_a_process_shows_a_certificate_of_its_own(resources: list[Document]) -> None:
    for name in PROCESSES:
        pod = _pod(resources, name)
        given = _given(pod)
        assert {"name": "tls", "secret": {"secretName": f"{name}-tls"}} in pod["volumes"]
        assert (given["LEEWAY_TLS_CERT"], given["LEEWAY_TLS_KEY"], given["LEEWAY_TLS_CA"]) == (
            "/etc/leeway-tls/tls.crt",
            "/etc/leeway-tls/tls.key",
            "/etc/leeway-tls/ca.crt",
        )


def test_the_registry_follows_itself_before_its_service_leads_to_anybody(
    resources: list[Document],
) -> None:
    given = _given(_pod(resources, "registry"))

    assert given["LEEWAY_REGISTRY_ADDRESS"] == f"127.0.0.1:{given['LEEWAY_REGISTRY_GRPC_PORT']}"


def test_what_ends_at_a_door_without_tls_is_said_to_be_so(resources: list[Document]) -> None:
    plain = [
        (service["metadata"]["name"], port["name"])
        for service in of_kind(resources, "Service").values()
        for port in service["spec"]["ports"]
        if port.get("appProtocol") == "kubernetes.io/h2c"
    ]

    assert plain == [("edge", "otlp")]
    assert _given(_pod(resources, "edge"))["LEEWAY_INGEST_GRPC_TLS"] == "false"


def test_a_doors_volume_holds_what_its_autoscaler_asks_of_it(production: list[Document]) -> None:
    docs = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    [sum_] = re.findall(r"r x \(([\d.]+) KB x 3,600 x \(1 \+ h\) \+ (\d+) B x 604,800\)", docs)
    record_bytes, id_bytes = float(sum_[0]) * 1_000, float(sum_[1])
    [metric] = of_kind(production, "HorizontalPodAutoscaler")["edge"]["spec"]["metrics"]
    facts_per_second = int(metric["pods"]["target"]["averageValue"])
    [hours] = map(int, re.findall(r"with Kafka away for (\d+) hours", docs))
    room = _room_bytes(of_kind(production, "StatefulSet")["edge"])

    wanted = facts_per_second * (record_bytes * 3_600 * (1 + hours) + id_bytes * 604_800)
    assert f"{facts_per_second}/s" in docs
    assert room - ALARM_BYTES >= wanted


def test_no_volume_is_so_small_that_its_own_alarm_rings(resources: list[Document]) -> None:
    sets = of_kind(resources, "StatefulSet")

    assert min(_room_bytes(sets[name]) for name in PROCESSES) > 2 * ALARM_BYTES


def _given(pod: Document) -> dict[str, str]:
    """What a pod's process is told in the manifest itself."""
    [container] = pod["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def _room_bytes(workload: Document) -> int:
    [claim] = workload["spec"]["volumeClaimTemplates"]
    return int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 1024**3


def _pod(resources: list[Document], name: str) -> Document:
    pod: Document = of_kind(resources, "StatefulSet")[name]["spec"]["template"]["spec"]
    return pod
