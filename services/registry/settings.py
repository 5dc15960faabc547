"""The registry's settings."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.database import sqlite_url
from shared.settings import ServiceSettings

SERVICES = frozenset(
    {
        *("core", "edge"),
        *("alerting", "billing", "drift", "evaluation", "feedback", "ingest"),
        *("registry", "serving", "warehouse"),
    }
)


class Settings(ServiceSettings):
    """Prefix `LEEWAY_REGISTRY_`. Without a database URL the control plane is a file in the data folder.

    With `grpc_port` 0 there is no gRPC: whoever shares the log follows registry.changed.v1 instead.
    """

    model_config = SettingsConfigDict(env_prefix="LEEWAY_REGISTRY_", frozen=True, extra="ignore")

    database_url: SecretStr = SecretStr("")
    publish_seconds: float = Field(default=0.2, gt=0, le=60)
    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(default=0, ge=0, le=65_535)
    grpc_callers: frozenset[str] = SERVICES  # who may ask, by the name in their certificate
    grpc_heartbeat_seconds: float = Field(default=5.0, gt=0, le=60)
    grpc_stop_seconds: float = Field(default=5.0, gt=0)

    def url(self, data: Path) -> str:
        """The control database's URL, for this data folder."""
        return self.database_url.get_secret_value() or sqlite_url(data / "control.db")
