"""The settings of billing."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """How many interactions are rated at once, and how long the first of them waits for the others.

    `served_calls_of_tenant` is how many of a tenant's last calls an app's own spans are compared with.
    """

    model_config = SettingsConfigDict(env_prefix="LEEWAY_BILLING_")

    batch_records: int = Field(default=500, ge=1, le=10_000)
    batch_seconds: float = Field(default=0.2, gt=0, le=10)
    served_calls_of_tenant: int = Field(default=10_000, ge=1, le=1_000_000)
