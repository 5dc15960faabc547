"""Policies: what a tenant, a project, a key or a model may ask and how it is answered, as leeway.yaml says it.

The registry keeps a policy as JSON and the live view reads it: `policy_of` is the one reading of both.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import structs

from shared.errors import Invalid

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=31 * 86_400)]
KeptSeconds = Annotated[float, msgspec.Meta(ge=0, le=31 * 86_400)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
Stage = Literal["input", "output"]
Action = Literal["block", "redact", "flag"]
Strategy = Literal["weighted", "priority", "latency", "cost", "context"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a policy: what is not said stands at its default, and is not written."""


class Limits(_Part, frozen=True):
    """How much may be asked; None is no limit, and 0 refuses every call."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrent: Count | None = None


class Guardrail(_Part, frozen=True):
    """One guard in the path. `options` are its own."""

    kind: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    on: tuple[Stage, ...] = ("input", "output")
    action: Action = "block"
    options: dict[str, Any] = {}


class CachePolicy(_Part, frozen=True):
    """Whether answers are kept, and for how long; of what several policies say the strictest holds.

    `exact` answers the same request again, `semantic` a question that lies within a cosine distance of an
    earlier one (0.05 unless said) where all else is equal. A time of 0 turns it off, whoever turned it on.
    A request above the temperature is asked anew: for `exact` there is none unless said, for `semantic` it
    is 0.2, and one with tools needs `semantic_tools`.
    """

    exact_seconds: KeptSeconds | None = None
    exact_max_temperature: Temperature | None = None
    semantic_seconds: KeptSeconds | None = None
    semantic_distance: Annotated[float, msgspec.Meta(gt=0, le=0.5)] | None = None
    semantic_max_temperature: Temperature | None = None
    semantic_tools: bool | None = None


class Routing(_Part, frozen=True):
    """How one of a model's routes is chosen, and what is tried when it fails.

    `sticky`: the calls of a session go one way as long as it is good. `retries` is how often one call may ask
    upstreams again; what asks to be left alone for up to `patience_seconds` is waited for. `hedge_after_ms`:
    how long an answer may take to begin before another upstream is asked beside it (None: never); "p95" is
    what 95 % of the upstream's answers took.
    """

    strategy: Strategy = "weighted"
    sticky: bool = True
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    patience_seconds: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.0
    hedge_after_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] | Literal["p95"] | None = None


class Policy(_Part, frozen=True):
    """Everything that can be said of one tenant, project, key or model.

    `models` are the public names that may be asked, as patterns (`*` any text); empty: every one.
    `max_output_tokens` bounds what one call may ask for, `max_cost_usd` what it may come to.
    """

    limits: Limits = Limits()
    guardrails: tuple[Guardrail, ...] = ()
    cache: CachePolicy = CachePolicy()
    routing: Routing = Routing()
    models: tuple[str, ...] = ()
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_cost_usd: Decimal | None = None


NO_POLICY = Policy()


def policy_of(body: object) -> Policy:
    """The policy that a JSON object says. Raises `Invalid`, whose `param` is the path of what is wrong."""
    try:
        policy = msgspec.convert(body, Policy, strict=True)
    except msgspec.ValidationError as fault:
        sentence, _, path = str(fault).partition(" - at `$")
        raise Invalid(
            f"The policy is wrong: {sentence}.", param=path.rstrip("`").lstrip(".")
        ) from fault
    cost = policy.max_cost_usd
    if cost is not None and not (cost.is_finite() and cost > 0):
        raise Invalid("The policy is wrong: expected an amount above 0.", param="max_cost_usd")
    return policy


def is_no_stricter(policy: Policy, than: Policy) -> bool:
    """Whether a policy forbids nothing, or just what another does; what only steers and spares does not count."""
    return _controls(policy) in (NO_POLICY, _controls(than))


def policy_body(policy: Policy) -> Mapping[str, object]:
    """The JSON object that says a policy: only what is not at its default."""
    body: Mapping[str, object] = msgspec.json.decode(msgspec.json.encode(policy))
    return body


def _controls(policy: Policy) -> Policy:
    return structs.replace(policy, cache=NO_POLICY.cache, routing=NO_POLICY.routing)
