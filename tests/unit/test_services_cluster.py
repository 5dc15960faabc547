"""Claims of the Kafka that an installation's settings name: whom it trusts."""

import ssl
from pathlib import Path

import pytest

from services.cluster import cluster_of
from services.local.certificates import Validity, make_certificates
from services.settings import Installation
from shared.errors import Invalid
from tests.builders import NOW

KAFKA = "kafka.example.com:9093"


def test_an_authority_of_ones_own_is_trusted_and_no_other(tmp_path: Path) -> None:
    make_certificates(tmp_path, ["edge"], Validity.days_from(NOW, 30))
    installation = Installation(
        data=tmp_path, kafka=KAFKA, kafka_tls=True, kafka_ca=tmp_path / "ca.crt"
    )

    cluster = cluster_of(installation)

    assert cluster is not None
    assert cluster.tls is not None
    assert cluster.tls.verify_mode is ssl.CERT_REQUIRED
    assert len(cluster.tls.get_ca_certs()) == 1


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    nobody = tmp_path / "nobody.crt"
    installation = Installation(data=tmp_path, kafka=KAFKA, kafka_tls=True, kafka_ca=nobody)

    with pytest.raises(Invalid, match=f"LEEWAY_KAFKA_CA={nobody} is no certificate"):
        cluster_of(installation)


def test_an_authority_without_tls_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        Installation(data=tmp_path, kafka=KAFKA, kafka_ca=tmp_path / "ca.crt")

    [fault] = refused.value.faults
    assert "LEEWAY_KAFKA_CA is for TLS: set LEEWAY_KAFKA_TLS=true" in fault


@pytest.mark.parametrize("servers", [KAFKA, f"127.0.0.1:9092,{KAFKA}", "10.0.0.7:9092"])
def test_a_username_crosses_no_network_without_tls(servers: str, tmp_path: Path) -> None:
    installation = Installation(data=tmp_path, kafka=servers, kafka_username="leeway")

    with pytest.raises(Invalid, match=r"LEEWAY_KAFKA_USERNAME .+ set LEEWAY_KAFKA_TLS=true\."):
        cluster_of(installation)


@pytest.mark.parametrize("servers", ["127.0.0.1:9092", "localhost:9092,[::1]:9093"])
def test_a_username_on_this_machine_needs_no_tls(servers: str, tmp_path: Path) -> None:
    installation = Installation(data=tmp_path, kafka=servers, kafka_username="leeway")

    cluster = cluster_of(installation)

    assert cluster is not None
    assert (cluster.username, cluster.tls) == ("leeway", None)
