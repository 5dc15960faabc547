"""Settings of ingest: where gRPC listens, and how large a request may be."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Ingest's settings; with `grpc_port` 0 there is no gRPC door (4317 is OTLP's own port)."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_INGEST_")

    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(default=0, ge=0, le=65_535)
    grpc_tls: bool = True  # where the process has a certificate; off behind a proxy that ends TLS
    grpc_message_bytes: int = Field(default=4 * 1024 * 1024, gt=0)  # inflated
    grpc_call_seconds: float = Field(default=30.0, gt=0)
    grpc_stop_seconds: float = Field(default=5.0, gt=0)
    max_body_bytes: int = Field(default=8 * 1024 * 1024, gt=0)
    max_inflated_bytes: int = Field(default=32 * 1024 * 1024, gt=0)
