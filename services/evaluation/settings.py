"""Settings of evaluation: which share of the interactions each evaluator sees."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings

Rate = Annotated[float, Field(ge=0, le=1)]


class Settings(ServiceSettings):
    """Evaluation's settings; `rates` overrides `default_rate` by the name of the evaluator."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_EVALUATION_")

    default_rate: Rate = 1.0
    rates: dict[str, Rate] = Field(default_factory=dict)
