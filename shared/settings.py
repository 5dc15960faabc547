"""Settings: one frozen model per service, read once from the environment and from nowhere else."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """The base of every service's settings; each sets its own prefix `LEEWAY_<SERVICE>_`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
