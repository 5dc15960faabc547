"""The Kafka that an installation's settings name."""

import ssl

from services.local.broker import ADDRESS
from services.settings import Installation
from shared.log.kafka.cluster import Cluster


def cluster_of(installation: Installation) -> Cluster | None:
    """The Kafka that is the log, or None while the log is embedded.

    Where the settings name none it is that of a cluster which runs on this machine, in this data folder.
    """
    address = installation.data / "kafka" / ADDRESS
    servers = installation.kafka or (address.read_text() if address.exists() else "")
    if not servers:
        return None
    return Cluster(
        servers=servers,
        prefix=installation.kafka_prefix,
        tls=ssl.create_default_context() if installation.kafka_tls else None,
        username=installation.kafka_username,
        password=installation.kafka_password.get_secret_value(),
    )
