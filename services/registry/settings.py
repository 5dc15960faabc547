"""The registry's settings."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.database import sqlite_url
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Prefix `LEEWAY_REGISTRY_`. Without a database URL the control plane is a file in the data folder."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_REGISTRY_", frozen=True, extra="ignore")

    database_url: SecretStr = SecretStr("")
    publish_seconds: float = Field(default=0.2, gt=0, le=60)

    def url(self, data: Path) -> str:
        """The control database's URL, for this data folder."""
        return self.database_url.get_secret_value() or sqlite_url(data / "control.db")
