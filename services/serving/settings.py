"""What serving can be told: how much a request may hold, and how long clients and upstreams may take."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Prefix `LEEWAY_SERVING_`."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_SERVING_", frozen=True, extra="ignore")

    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    max_form_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)  # sounds, pictures and files
    max_reply_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    max_event_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    client_idle_seconds: float = Field(default=60.0, gt=0)  # for a client to take what it is sent
    quiet_seconds: float = Field(default=15.0, gt=0)  # of a stream, before a sign of life
    state_url: SecretStr = SecretStr("")  # valkey:// or redis://; empty: this machine's files
    state_timeout_seconds: float = Field(default=0.5, gt=0)
    idempotency_keep_seconds: float = Field(default=86_400.0, gt=0)
    idempotency_max_reply_bytes: int = Field(default=1024 * 1024, ge=1024)
    idempotency_wait_seconds: float = Field(default=60.0, ge=0)
    cache_bytes: int = Field(default=64 * 1024 * 1024, ge=0)  # of one worker's memory
    cache_max_answer_bytes: int = Field(default=1024 * 1024, ge=1024)
    cache_questions: int = Field(default=500, ge=1, le=10_000)  # of one group, that are compared
    prompts: Path | None = None  # a folder of prompt files
    max_attempts: int = Field(default=3, ge=1, le=20)
    retry_share: float = Field(default=0.2, ge=0, le=1)  # of an upstream's calls
    retry_floor: int = Field(default=3, ge=0)  # and so many more in ten seconds
    breaker_consecutive: int = Field(default=10, ge=1)
    breaker_failure_rate: float = Field(default=0.5, gt=0, le=1)
    breaker_min_calls: int = Field(default=20, ge=1)
    breaker_window_seconds: float = Field(default=30.0, gt=0)
    breaker_open_seconds: float = Field(default=5.0, gt=0)
    queue_seconds: float = Field(default=1.0, ge=0)  # for an upstream that is full
    upstream_connect_seconds: float = Field(default=10.0, gt=0)
    upstream_idle_seconds: float = Field(default=300.0, gt=0)
    upstream_total_seconds: float = Field(default=1800.0, gt=0)
    upstream_connections: int = Field(default=1024, ge=1)
    upstream_keep_alive_seconds: float = Field(default=15.0, gt=0)
    upstream_warm_connections: int = Field(default=1, ge=0)
