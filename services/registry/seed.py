"""Seeding: the control plane becomes what leeway.yaml wants; what people made by the API stays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import NamedTuple

from services.registry.domain import (
    Change,
    Entity,
    Environment,
    Kept,
    Key,
    Model,
    Origin,
    Project,
    Provider,
    Route,
    Tenant,
    differences,
)
from services.registry.store import Ledger, Store
from shared.config import Config, KeyConfig, RouteConfig
from shared.ids import new_id
from shared.live import hash_secret, split_key
from shared.policy import NO_POLICY, policy_body
from shared.secrets_folder import OPERATORS
from shared.tokens import new_token, token_prefix

ACTOR = "leeway.yaml"
OPERATOR_KEY = "operator"


class NewKey(NamedTuple):
    """A key that was made now; its token is shown this once."""

    tenant: str
    name: str
    token: str


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the installation must show: the keys that this start made, and no others; and its tenants now."""

    keys: tuple[NewKey, ...]
    tenants: frozenset[str]


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A key of the file, and its token when it was made just now."""

    key: Key
    token: str = ""


async def seed(store: Store, config: Config, pepper: bytes, now: datetime) -> Seeded:
    """Bring the control plane to what the file says, in one transaction; the same file changes nothing."""
    async with store.writing(ACTOR, now) as ledger:
        await ledger.name_installation(new_id())
        kept = await ledger.everything()
        made = await _seed_operators(ledger, kept, pepper, now)
        keys = wanted_keys(config, kept, pepper)
        for change in differences([*wanted_entities(config), *(one.key for one in keys)], kept):
            await ledger.write(change)
    made += [NewKey(one.key.tenant, one.key.name, one.token) for one in keys if one.token]
    return Seeded(tuple(made), _tenants(config, kept))


def _tenants(config: Config, kept: Sequence[Kept]) -> frozenset[str]:
    """Those of the file, those that it does not keep, and the operators."""
    others = {
        one.entity.tenant
        for one in kept
        if isinstance(one.entity, Tenant) and one.origin is not Origin.FILE
    }
    return frozenset({OPERATORS} | {tenant.tenant for tenant in config.tenants} | others)


async def _seed_operators(
    ledger: Ledger, kept: Sequence[Kept], pepper: bytes, now: datetime
) -> list[NewKey]:
    """The operators' tenant and a key for administration, whenever no such key lives."""
    entities = [one.entity for one in kept if one.entity.tenant == OPERATORS]
    if any(isinstance(one, Key) and one.lives(now) and "admin" in one.scopes for one in entities):
        return []
    token = new_token("production")
    ours: tuple[Entity, ...] = (
        Tenant(OPERATORS, "Operators", content="none"),
        Project(OPERATORS, "default"),
        Environment(OPERATORS, "production"),
        key_of(OPERATORS, KeyConfig(OPERATOR_KEY, ("admin",)), token, pepper),
    )
    for entity in ours:
        if entity not in entities:
            await ledger.write(Change(entity, Origin.INSTALLATION))
    return [NewKey(OPERATORS, OPERATOR_KEY, token)]


def wanted_entities(config: Config) -> Iterator[Entity]:
    """All that the file wants but keys, in the order in which they refer to each other."""
    for tenant in config.tenants:
        yield Tenant(
            tenant.tenant, tenant.name or tenant.tenant, tenant.content, policy_body(tenant.policy)
        )
        for name in tenant.projects:
            policy = tenant.project_policies.get(name, NO_POLICY)
            yield Project(tenant.tenant, name, policy_body(policy))
        yield from (Environment(tenant.tenant, name) for name in tenant.environments)
    for provider in config.providers:
        yield Provider(
            provider.name,
            provider.kind,
            provider.base_url,
            provider.api_key,
            dict(provider.options),
        )
    for model in config.models:
        routes = tuple(_route(one) for one in model.routes)
        yield Model(model.name, routes, model.fallbacks, policy_body(model.policy))


def _route(wanted: RouteConfig) -> Route:
    return Route(**{each.name: getattr(wanted, each.name) for each in fields(RouteConfig)})


def wanted_keys(config: Config, kept: Sequence[Kept], pepper: bytes) -> list[WantedKey]:
    """The keys that the file wants: those it had keep their secret, and revoked ones stay revoked."""
    held = [(one.entity, one.origin) for one in kept if isinstance(one.entity, Key)]
    revoked = {key.key_id for key, _ in held if key.revoked}
    of_file = {(key.tenant, key.name): key for key, origin in held if origin is Origin.FILE}

    def want(tenant: str, wish: KeyConfig) -> WantedKey:
        known = of_file.get((tenant, wish.name))
        if given := config.secret(wish.secret):
            key = key_of(tenant, wish, given, pepper)
            return WantedKey(replace(key, revoked=key.key_id in revoked))
        if known is not None:
            return WantedKey(_as_wished(known, wish))
        token = new_token(wish.environment)
        return WantedKey(key_of(tenant, wish, token, pepper), token)

    return [want(tenant.tenant, wish) for tenant in config.tenants for wish in tenant.keys]


def key_of(tenant: str, wish: KeyConfig, token: str, pepper: bytes) -> Key:
    """The key that a token opens."""
    key_id, secret = split_key(token)
    return Key(
        key_id=key_id,
        tenant=tenant,
        name=wish.name,
        project=wish.project,
        environment=wish.environment,
        scopes=wish.scopes,
        prefix=token_prefix(wish.environment, key_id),
        secret_hash=hash_secret(pepper, secret),
        expires_at=wish.expires_at,
        policy=policy_body(wish.policy),
    )


def _as_wished(key: Key, wish: KeyConfig) -> Key:
    return replace(
        key,
        project=wish.project,
        environment=wish.environment,
        scopes=wish.scopes,
        expires_at=wish.expires_at,
        policy=policy_body(wish.policy),
    )
