"""The Kafka that an installation's settings name."""

import ssl

from services.settings import Installation
from shared.log.kafka.cluster import Cluster


def cluster_of(installation: Installation) -> Cluster | None:
    """The Kafka that is the log, or None while the log is embedded."""
    if not installation.kafka:
        return None
    return Cluster(
        servers=installation.kafka,
        prefix=installation.kafka_prefix,
        tls=ssl.create_default_context() if installation.kafka_tls else None,
        username=installation.kafka_username,
        password=installation.kafka_password.get_secret_value(),
    )
