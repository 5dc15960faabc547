"""The settings of drift."""

from enum import StrEnum

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Hosting(StrEnum):
    """What reads the facts and keeps the states in a cluster; embedded, it is always the log."""

    FAUST = "faust"
    LOG = "log"


class Settings(ServiceSettings):
    """How much is learnt before watching, how often false alarms may come, and what is kept."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_DRIFT_", frozen=True, extra="ignore")

    host: Hosting = Hosting.FAUST
    stall_seconds: float = Field(default=120.0, gt=0)  # longer than fitting and calibrating take
    reference_size: int = Field(default=400, ge=60, le=5000)
    quality_reference_size: int = Field(default=300, ge=20, le=100_000)
    target_run_length: float = Field(default=10_000, ge=100)  # calls of a model, all its streams
    cooldown_observations: int = Field(default=500, ge=1)
    relearn_after_repeats: int = Field(default=0, ge=0)  # 0: never take a lasting shift for normal
    resident_streams: int = Field(default=200, ge=1)
    streams_per_tenant: int = Field(default=500, ge=1)
    window_seconds: int = Field(default=60, ge=1, le=86_400)
    grace_seconds: float = Field(default=60.0, ge=0)  # for rows of a window that come late
    remembered_interactions: int = Field(default=20_000, ge=0)  # of each tenant
    remembered_interactions_in_all: int = Field(default=200_000, ge=0)
    lookup_seconds: float = Field(default=2.0, gt=0)  # for those that are not remembered
    seed: int = 0
