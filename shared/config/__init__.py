"""leeway.yaml: what this installation serves, for whom, and whom it tells. Validated as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shared.policy import NO_POLICY, Policy


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """An upstream: `kind` is openai (any compatible URL), anthropic or demo; `api_key` a ${ENV} reference.

    `prices_of` names the provider of the price book whose prices hold; empty: told by kind and URL.
    """

    name: str
    kind: str
    base_url: str = ""
    api_key: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    prices_of: str = ""


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """One way to answer a public model name.

    Only calls of `tenants` (empty: of all) that carry every one of the `tags` (`name=value`) may go there;
    `max_input_tokens` is what it can read, where that is known.
    """

    provider: str
    model: str
    weight: int = 1
    tenants: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    max_input_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A public model name: its weighted routes and the public names it falls back to."""

    name: str
    routes: tuple[RouteConfig, ...]
    fallbacks: tuple[str, ...] = ()
    policy: Policy = NO_POLICY


@dataclass(frozen=True, slots=True)
class KeyConfig:
    """A key to create. `secret` is a ${ENV} reference to a whole `lk_...` key, or empty: made and shown once."""

    name: str
    scopes: tuple[str, ...]
    project: str = "default"
    environment: str = "production"
    secret: str = ""
    expires_at: datetime | None = None
    policy: Policy = NO_POLICY


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """A tenant: `content` says how its prompts and answers are stored (full, redacted, hash, none).

    `sql_password` is a ${ENV} reference, or empty: made at the first start. The SQL user is the tenant's id.
    """

    tenant: str
    name: str = ""
    content: str = "full"
    projects: tuple[str, ...] = ("default",)
    environments: tuple[str, ...] = ("production",)
    keys: tuple[KeyConfig, ...] = ()
    sql_password: str = ""
    policy: Policy = NO_POLICY
    project_policies: Mapping[str, Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """Where alerts go. `kind`: webhook, slack, pagerduty, opsgenie, teams, email, log; the rest is its options."""

    name: str
    kind: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """When to alert. `when`: detection, error_rate, latency_p95 (seconds), spend (USD in the window)."""

    name: str
    when: str
    channels: tuple[str, ...]
    threshold: Decimal | None = None
    window_seconds: int = 300
    minimum_count: int = 20
    severity: str = "warning"
    renotify_seconds: int = 3600
    group_by: tuple[str, ...] = ("tenant", "model")
    tenant: str = ""  # empty: every tenant


@dataclass(frozen=True, slots=True)
class PriceConfig:
    """A price of this installation's own, in USD per million tokens by token class; it wins over the book."""

    provider: str
    model: str
    rates_per_million_usd: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file, validated; `secrets` resolves its ${ENV} references."""

    providers: Sequence[ProviderConfig] = ()
    models: Sequence[ModelConfig] = ()
    tenants: Sequence[TenantConfig] = ()
    channels: Sequence[ChannelConfig] = ()
    rules: Sequence[RuleConfig] = ()
    prices: Sequence[PriceConfig] = ()
    webhook_allow: Sequence[str] = ()  # private networks (CIDR) that webhooks may reach
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def secret(self, reference: str) -> str:
        """The value behind a `${ENV}` reference; the empty string for the empty reference."""
        return self.secrets[reference[2:-1]] if reference else ""
