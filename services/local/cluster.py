"""A whole cluster on one machine: Kafka and PostgreSQL as plain processes, and every service by itself."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.cli.topics import apply_topics
from services.local.broker import Broker
from services.local.certificates import Validity, files_of, make_certificates
from services.local.postgres import a_postgres
from services.placement import CLUSTER
from services.settings import Installation
from services.supervisor import Child, Ports
from shared.clock import Clock
from shared.log.kafka.cluster import Cluster
from shared.secrets_folder import SecretsFolder

CERTIFICATES_DAYS = 90
WAREHOUSE, REGISTRY, EDGE = "warehouse", "registry", "edge"


@dataclass(frozen=True, slots=True)
class Outside:
    """The systems that a cluster stands on, as they answer now."""

    kafka: str
    database_url: str
    broker_pid: int
    postgres_pid: int


@asynccontextmanager
async def outside(installation: Installation) -> AsyncIterator[Outside]:
    """Start both in the data folder, with every topic made; they end with the block, last of all."""
    broker = Broker(installation.data / "kafka")
    async with a_postgres(installation.data / "postgres") as postgres:
        await asyncio.to_thread(broker.start)
        try:
            await apply_topics(Cluster(broker.servers))
            yield Outside(broker.servers, postgres.url, broker.pid, postgres.process.pid)
        finally:
            await asyncio.to_thread(broker.stop)


def members(
    installation: Installation, ports: Ports, outside: Outside, clock: Clock
) -> list[Child]:
    """A child for each process of the cluster; only the edges, the registry and the store listen.

    Each has a data folder of its own, as on a host of its own; the store's is the installation's, where
    the passwords of SQL are. Between them gRPC speaks mTLS.
    """
    secrets, grpc_port = SecretsFolder(installation.data), _free_port()
    certificates = _certificates(installation.data / "certificates", clock)
    common = {
        "LEEWAY_KAFKA": outside.kafka,
        "LEEWAY_CLICKHOUSE_URL": f"http://127.0.0.1:{ports.sql_port}",
        "LEEWAY_CLICKHOUSE_PASSWORD": secrets.operator_password(),
        "LEEWAY_PEPPER": secrets.pepper().hex(),
        "LEEWAY_REGISTRY_ADDRESS": f"127.0.0.1:{grpc_port}",
        "LEEWAY_REGISTRY_DATABASE_URL": outside.database_url,
        "LEEWAY_ALERTING_DATABASE_URL": outside.database_url,
        "OPENBLAS_NUM_THREADS": "1",
    }
    own: Mapping[str, Mapping[str, str]] = {
        EDGE: {
            "LEEWAY_INGEST_GRPC_PORT": str(installation.otlp_port),
            "LEEWAY_INGEST_GRPC_TLS": "false",  # as embedded: applications call it on loopback
        },
        REGISTRY: {"LEEWAY_REGISTRY_GRPC_PORT": str(grpc_port), "LEEWAY_PORT": "0"},
        WAREHOUSE: {"LEEWAY_WAREHOUSE_LISTEN_FD": str(ports.sql.fileno())},
    }
    return [
        Child(
            name,
            CLUSTER[process],
            ports.http if process == EDGE else None,
            {
                **common,
                **own.get(process, {}),
                **_identity(certificates, process),
                "LEEWAY_DATA": str(_data_of(installation.data, process, name)),
            },
            _generation(process),
        )
        for process, count in _replicas(installation).items()
        for name in ([process] if count == 1 else [f"{process}-{n}" for n in range(count)])
    ]


def _replicas(installation: Installation) -> Mapping[str, int]:
    return {name: installation.edge_workers if name == EDGE else 1 for name in CLUSTER}


def _generation(process: str) -> int:
    """When it is told to end: the doors first, the store last."""
    return {EDGE: 0, WAREHOUSE: 2}.get(process, 1)


def _data_of(data: Path, process: str, name: str) -> Path:
    return data if process == WAREHOUSE else data / "processes" / name


def _certificates(folder: Path, clock: Clock) -> Path:
    """A new CA at every start: nothing outlives a start that could still use the old one."""
    validity = Validity.days_from(clock.now(), CERTIFICATES_DAYS)
    make_certificates(folder, list(CLUSTER), validity, force=True)
    return folder


def _identity(folder: Path, process: str) -> Mapping[str, str]:
    files = files_of(folder, process)
    return {
        "LEEWAY_TLS_CA": str(files.ca),
        "LEEWAY_TLS_CERT": str(files.certificate),
        "LEEWAY_TLS_KEY": str(files.key),
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
