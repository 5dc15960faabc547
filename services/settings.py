"""The installation's own settings: where its data lies, and the ports it answers on."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Installation(ServiceSettings):
    """Prefix `LEEWAY_`. Port 0 picks a free port."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_", frozen=True, extra="ignore")

    data: Path = Path(".leeway")
    config: Path | None = None  # leeway.yaml beside the start folder, when there is one
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    sql_port: int = Field(default=8123, ge=0, le=65535)
    otlp_port: int = Field(default=4317, ge=0, le=65535)
    edge_workers: int = Field(default=1, ge=1, le=64)
    log_synchronous: str = Field(default="NORMAL", pattern="^(NORMAL|FULL)$")
    drain_seconds: float = Field(default=30.0, gt=0)

    @property
    def config_path(self) -> Path | None:
        """The configuration to load: the one named, else ./leeway.yaml if it is there."""
        if self.config is not None:
            return self.config
        default = Path("leeway.yaml")
        return default if default.exists() else None

    @property
    def log_folder(self) -> Path:
        """Where the outboxes lie."""
        return self.data / "log"
