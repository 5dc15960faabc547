"""The Kafka that an installation's settings name."""

import ssl
from pathlib import Path

from services.local.broker import ADDRESS
from services.settings import Installation
from shared.addresses import is_loopback
from shared.errors import Invalid
from shared.log.kafka.cluster import Cluster


def cluster_of(installation: Installation) -> Cluster | None:
    """The Kafka that is the log, or None while the log is embedded.

    Where the settings name none it is that of a cluster which runs on this machine, in this data folder.
    Raises `Invalid` for an authority that cannot be read, and for a user without TLS.
    """
    address = installation.data / "kafka" / ADDRESS
    servers = installation.kafka or (address.read_text() if address.exists() else "")
    if not servers:
        return None
    _require_tls(installation, servers)
    return Cluster(
        servers=servers,
        prefix=installation.kafka_prefix,
        tls=_trust(installation.kafka_ca) if installation.kafka_tls else None,
        username=installation.kafka_username,
        password=installation.kafka_password.get_secret_value(),
    )


def _require_tls(installation: Installation, servers: str) -> None:
    """What SASL says is only for the broker: it crosses no network in the clear."""
    hosts = [server.rpartition(":")[0].strip(" []") for server in servers.split(",")]
    if (
        installation.kafka_username
        and not installation.kafka_tls
        and not all(map(is_loopback, hosts))
    ):
        raise Invalid(
            f"LEEWAY_KAFKA_USERNAME needs TLS to reach {servers}: set LEEWAY_KAFKA_TLS=true."
        )


def _trust(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise Invalid(f"LEEWAY_KAFKA_CA={authority} is no certificate: {error}.") from error
