"""What serving can be told: how much a request may hold, and how long clients and upstreams may take."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Prefix `LEEWAY_SERVING_`."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_SERVING_", frozen=True, extra="ignore")

    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    max_reply_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    max_event_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    client_idle_seconds: float = Field(default=60.0, gt=0)  # for a client to take what it is sent
    max_attempts: int = Field(default=3, ge=1, le=20)
    upstream_connect_seconds: float = Field(default=10.0, gt=0)
    upstream_idle_seconds: float = Field(default=300.0, gt=0)
    upstream_total_seconds: float = Field(default=1800.0, gt=0)
    upstream_connections: int = Field(default=1024, ge=1)
    upstream_keep_alive_seconds: float = Field(default=15.0, gt=0)
