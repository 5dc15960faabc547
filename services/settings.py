"""The installation's own settings: where its data lies, and the ports it answers on."""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.bodies import BUDGET_BYTES
from shared.errors import Invalid
from shared.failpoints import Failpoints
from shared.lifecycle import ClickHouseAddress
from shared.rpc.tls import TlsFiles
from shared.settings import ServiceSettings


class Installation(ServiceSettings):
    """Prefix `LEEWAY_`. Port 0 picks a free port; certificates are given whole (see `leeway certs`)."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_", frozen=True, extra="ignore")

    data: Path = Path(".leeway")
    config: Path | None = None  # leeway.yaml beside the start folder, when there is one
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    sql_port: int = Field(default=8123, ge=0, le=65535)
    otlp_port: int = Field(default=4317, ge=0, le=65535)
    edge_workers: int = Field(default=1, ge=1, le=64)
    log_synchronous: str = Field(default="NORMAL", pattern="^(NORMAL|FULL)$")
    name: str = ""  # of this process in a cluster: stable, and no other's; else the host's
    kafka: str = ""  # its servers, host:port,host:port; without them the log is embedded
    kafka_prefix: str = ""  # before every topic and group of this installation
    kafka_tls: bool = False
    kafka_ca: Path | None = None  # whom to trust with TLS; else whom the system does
    kafka_username: str = ""  # SASL, SCRAM-SHA-512
    kafka_password: SecretStr = SecretStr("")
    registry_address: str = ""  # of the registry's gRPC, host:port: in a cluster
    clickhouse_url: str = ""  # of the ClickHouse server: in a cluster
    clickhouse_user: str = "leeway"
    clickhouse_password: SecretStr = SecretStr("")
    prometheus_url: str = Field(
        default="", pattern=r"^(https?://.+)?$"
    )  # that scrapes every process: `leeway doctor` asks it
    pepper: SecretStr = SecretStr("")  # 64 hexadecimal digits, the same for every process
    nice: int = Field(default=0, ge=0, le=19)  # how far this process gives way to others
    log_file: Path | None = None  # of this process; else its standard output
    drain_seconds: float = Field(default=30.0, gt=0)
    header_seconds: float = Field(default=10.0, gt=0)  # for a client to send a request's headers
    body_seconds: float = Field(default=60.0, gt=0)  # and then its body
    body_budget_bytes: int = Field(
        default=BUDGET_BYTES, ge=1024 * 1024
    )  # all that one holds at once
    stall_seconds: float = Field(default=5.0, gt=0)  # for the event loop to stand still
    operations_host: str = "127.0.0.1"
    operations_port: int = Field(default=0, ge=0, le=65535)  # of each process: 0 where several live
    fail_at: str = ""  # the failpoint to die at, in a test (shared/failpoints.py)
    otlp_endpoint: str = Field(
        default="", pattern=r"^(https?://.+)?$"
    )  # where traces go, if at all
    trace_ratio: float = Field(default=0.1, ge=0, le=1)  # of requests that are traced
    tls_ca: Path | None = None  # whom to trust
    tls_cert: Path | None = None  # who this process is
    tls_key: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = [path is not None for path in (self.tls_ca, self.tls_cert, self.tls_key)]
        if any(given) and not all(given):
            raise ValueError("LEEWAY_TLS_CA, LEEWAY_TLS_CERT and LEEWAY_TLS_KEY belong together")
        if self.kafka_ca is not None and not self.kafka_tls:
            raise ValueError("LEEWAY_KAFKA_CA is for TLS: set LEEWAY_KAFKA_TLS=true")
        if re.fullmatch(r"([0-9a-f]{64})?", self.pepper.get_secret_value()) is None:
            raise ValueError(
                "LEEWAY_PEPPER is 64 hexadecimal digits, as `openssl rand -hex 32` makes"
            )
        return self

    @field_validator("fail_at")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            Failpoints(value)
        except Invalid as fault:
            raise ValueError(fault.message) from fault
        return value

    @field_validator("config", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return value or None

    @property
    def tls(self) -> TlsFiles | None:
        """The files of this process's certificate, or None: then gRPC is plain."""
        if self.tls_ca is None or self.tls_cert is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_ca, self.tls_cert, self.tls_key)

    @property
    def pepper_bytes(self) -> bytes | None:
        """The key under which API keys are hashed, where it is given; else the data folder has one."""
        return bytes.fromhex(self.pepper.get_secret_value()) or None

    @property
    def clickhouse(self) -> ClickHouseAddress:
        """The ClickHouse server of a cluster, and who we are there."""
        password = self.clickhouse_password.get_secret_value()
        return ClickHouseAddress(self.clickhouse_url, self.clickhouse_user, password)

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
