"""What may be asked of the registry over HTTP: bodies and queries, checked as a whole."""

from datetime import UTC, timedelta
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from starlette.requests import Request

from services.registry.domain import Stop
from shared.config import KeyConfig
from shared.config.kinds import ID_PATTERN, NAME_PATTERN
from shared.errors import Invalid
from shared.http import json_object, read_body
from shared.policy import policy_body, policy_of

MAX_BODY_BYTES = 64 * 1024


def _checked_policy(body: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(policy_body(policy_of(body)))
    except Invalid as fault:
        raise ValueError(f"{fault.message} (at {fault.param})") from fault


Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
Scope = Literal["serve", "ingest", "feedback", "read", "admin"]
PolicyBody = Annotated[dict[str, Any], AfterValidator(_checked_policy)]
Moment = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ListQuery(_Strict):
    """A page of a list; operators may name a tenant."""

    tenant: Id | None = None
    limit: int = Field(default=100, ge=1, le=1_000)
    after: str = Field(default="", max_length=256)


class TenantBody(_Strict):
    """A new tenant."""

    tenant: Id
    name: str = Field(default="", max_length=256)
    content: Literal["full", "redacted", "hash", "none"] = "full"
    policy: PolicyBody = Field(default_factory=dict)


class ProjectBody(_Strict):
    """A new project; the tenant is the caller's own unless an operator names another."""

    tenant: Id | None = None
    project: Id
    policy: PolicyBody = Field(default_factory=dict)


class EnvironmentBody(_Strict):
    """A new environment; the tenant is the caller's own unless an operator names another."""

    tenant: Id | None = None
    environment: Id


class KeyBody(_Strict):
    """A new key; the tenant is the caller's own unless an operator names another."""

    tenant: Id | None = None
    name: Name
    scopes: list[Scope] = Field(min_length=1)
    project: Id = "default"
    environment: Id = "production"
    expires_at: Moment | None = None
    policy: PolicyBody = Field(default_factory=dict)

    def wish(self) -> KeyConfig:
        """The key as the registry is asked for it."""
        return KeyConfig(
            name=self.name,
            scopes=tuple(dict.fromkeys(self.scopes)),
            project=self.project,
            environment=self.environment,
            expires_at=self.expires_at,
            policy=policy_of(self.policy),
        )


class StopBody(_Strict):
    """What is to be stopped: `all`, or the calls of one tenant, key, model or provider by its `name`."""

    what: Literal["all", "tenant", "key", "model", "provider"]
    name: str = Field(default="", max_length=256, pattern=rf"^({NAME_PATTERN})?$")
    reason: str = Field(default="", max_length=1_000)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if bool(self.name) is (self.what == "all"):
            raise ValueError("a name belongs to everything but 'all'")
        return self

    def stop(self) -> Stop:
        """The stop as the registry keeps it."""
        return Stop(self.what, self.name, self.reason)


class RotateBody(_Strict):
    """For how long the old key still opens: a day unless said otherwise, a month at most."""

    overlap_seconds: int = Field(default=86_400, ge=0, le=31 * 86_400)

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.overlap_seconds)


B = TypeVar("B", bound=BaseModel)


async def body_of(request: Request, of: type[B]) -> B:
    """The request's body; raises `Invalid` with every fault."""
    return _checked(json_object(await read_body(request, MAX_BODY_BYTES) or b"{}"), of)


def query_of(request: Request) -> ListQuery:
    """The request's query; raises `Invalid` with every fault."""
    return _checked(dict(request.query_params), ListQuery)


def _checked(value: dict[str, object], of: type[B]) -> B:
    try:
        return of.model_validate(value)
    except ValidationError as error:
        faults = tuple(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise Invalid(f"The request has a fault in {faults[0]}.", faults=faults) from error
