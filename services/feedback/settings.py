"""Settings of feedback: how large a request may be."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Feedback's settings."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_FEEDBACK_")

    max_body_bytes: int = Field(default=8 * 1024 * 1024, gt=0)
