"""Where an installation can be looked at from here: its folders, its SQL, its control database, its Kafka."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.cluster import cluster_of
from services.endpoints import endpoints_of
from services.local import postgres
from services.placement import CLUSTER, EMBEDDED
from services.registry.settings import Settings as RegistrySettings
from services.settings import Installation
from shared.lifecycle import ClickHouseAddress
from shared.log.kafka.cluster import Cluster
from shared.secrets_folder import OPERATORS, SecretsFolder


@dataclass(frozen=True, slots=True)
class Place:
    """What the settings and the data folder say. Nothing is made or changed by looking."""

    installation: Installation
    sql_url: str = ""
    prometheus: str = ""

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.installation.data

    @property
    def folders(self) -> list[Path]:
        """It, and those of the processes of a cluster on this machine."""
        return [self.data, *sorted(self.data.glob("processes/*"))]

    @property
    def cluster(self) -> Cluster | None:
        """The Kafka, or None while the log is embedded."""
        return cluster_of(self.installation)

    @property
    def prometheus_url(self) -> str:
        """Where a Prometheus that scrapes every process can be asked; empty where none is named."""
        return self.prometheus or self.installation.prometheus_url

    def missing(self, names: Iterable[str]) -> Sequence[str]:
        """The kinds of process of which none is among these: `edge-0` is an edge."""
        found = [*names]
        kinds = EMBEDDED if self.cluster is None else CLUSTER
        return [kind for kind in kinds if not any(_is_of(name, kind) for name in found)]

    @property
    def sql(self) -> ClickHouseAddress:
        """Where SQL is asked, as the operators' user."""
        if self.installation.clickhouse_url and not self.sql_url:
            return self.installation.clickhouse
        kept = SecretsFolder(self.data).credentials().sql_passwords.get(OPERATORS, "")
        url = self.sql_url or endpoints_of(self.installation).sql_url
        return ClickHouseAddress(url, OPERATORS, kept)

    @property
    def database_url(self) -> str:
        """The control database: the one given, that of a cluster on this machine, or a file."""
        settings = RegistrySettings()
        given = settings.database_url.get_secret_value()
        return given or postgres.running_in(self.data / "postgres") or settings.url(self.data)


def _is_of(name: str, kind: str) -> bool:
    return name == kind or name.startswith(f"{kind}-")
