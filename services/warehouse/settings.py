"""The warehouse's settings."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings

_MIGRATIONS = Path(__file__).parents[2] / "infra" / "clickhouse" / "migrations"


class Settings(ServiceSettings):
    """Prefix `LEEWAY_WAREHOUSE_`. Embedded, the warehouse is the store; else it writes to a server."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_WAREHOUSE_", frozen=True, extra="ignore")

    embedded: bool = True
    listen_fd: int | None = None  # an open socket to answer SQL on; else host and port
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8123, ge=0, le=65535)
    cluster: str = Field(
        default="", pattern=r"^\w*$"
    )  # of ClickHouse servers: tables are sharded over it
    migrations: Path = _MIGRATIONS
    protos: Path = Path(__file__).parents[2] / "protos" / "leeway_pb" / "v1"
    readers: int = Field(default=4, ge=1, le=64)
    writers: int = Field(default=4, ge=1, le=64)
    memory_bytes: int = Field(default=4 * 1024**3, ge=256 * 1024**2)  # of the engine as a whole,
    memory_share: float = Field(default=0.5, gt=0, le=0.9)  # and no more of the machine's than this
    batch_records: int = Field(default=5_000, ge=1, le=100_000)
    batch_seconds: float = Field(default=0.2, gt=0, le=60)
