"""Alerting's settings: how late is too late, how long is quiet, how patient delivery is."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.alerting.domain.delivery import Patience
from shared.database import sqlite_url
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Prefix `LEEWAY_ALERTING_`. Without a database URL the state is in the control plane's file."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_ALERTING_", frozen=True, extra="ignore")

    database_url: SecretStr = SecretStr("")
    lateness_seconds: int = Field(default=600, gt=0)  # older facts count, but wake nobody
    detection_lateness_seconds: int = Field(default=86_400, gt=0)  # older detections are history
    group_wait_seconds: int = Field(default=30, ge=0)  # detections that share a notification
    detection_quiet_seconds: int = Field(
        default=86_400, gt=0
    )  # a lasting drift is seen again, rarely
    max_places: int = Field(default=1000, gt=0)  # of a rule and tenant, then "(other)"
    round_seconds: float = Field(default=1.0, gt=0)
    claim_seconds: float = Field(default=60.0, gt=0)  # longer than an attempt takes
    keep_days: int = Field(default=30, ge=2)
    max_attempts: int = Field(default=40, gt=0)
    give_up_seconds: float = Field(default=86_400.0, gt=0)
    first_delay_seconds: float = Field(default=5.0, gt=0)
    longest_delay_seconds: float = Field(default=3_600.0, gt=0)

    def url(self, data: Path) -> str:
        """The database's URL, for this data folder."""
        return self.database_url.get_secret_value() or sqlite_url(data / "control.db")

    @property
    def patience(self) -> Patience:
        """How often, and for how long, a delivery is tried."""
        return Patience(
            max_attempts=self.max_attempts,
            give_up_seconds=self.give_up_seconds,
            first_delay_seconds=self.first_delay_seconds,
            longest_delay_seconds=self.longest_delay_seconds,
        )
