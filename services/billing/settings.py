"""The settings of billing."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """How many interactions are rated at once, and how long the first of them waits for the others."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_BILLING_")

    batch_records: int = Field(default=500, ge=1, le=10_000)
    batch_seconds: float = Field(default=0.2, gt=0, le=10)
