"""What people ask the registry to do: it makes the ids, the times and the keys, and keeps the rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from services.registry.domain import (
    Change,
    Entity,
    Environment,
    Kept,
    Key,
    Origin,
    Project,
    Stop,
    Tenant,
)
from services.registry.seed import key_of
from services.registry.store import Ledger, Page, Store
from shared.clock import Clock
from shared.config import KeyConfig
from shared.errors import Conflict, Invalid, NotFound
from shared.policy import policy_of
from shared.tokens import new_token

E = TypeVar("E", Tenant, Project, Environment, Key)


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key just made, and its token, which is shown this once and never kept."""

    kept: Kept
    token: str


class Registry:
    """The control plane's verbs. `actor` is who asks; `announce` is called after each change."""

    def __init__(
        self, store: Store, pepper: bytes, clock: Clock, announce: Callable[[], None]
    ) -> None:
        self._store = store
        self._pepper = pepper
        self._clock = clock
        self._announce = announce

    async def entities(self, of: type[Entity], tenant: str | None, page: Page) -> Sequence[Kept]:
        """The entities of a type, of one tenant or (None) of all."""
        return await self._store.entities(of, tenant, page)

    async def add_tenant(self, tenant: Tenant, actor: str) -> Kept:
        """A new tenant with a project `default` and an environment `production`. Raises `Conflict`."""
        now = self._clock.now()
        async with self._store.writing(actor, now) as ledger:
            if await ledger.find(Tenant, tenant.entity_id) is not None:
                raise Conflict(f"There is a tenant '{tenant.tenant}' already.")
            kept = await _put(ledger, tenant, actor, now)
            await _put(ledger, Project(tenant.tenant, "default"), actor, now)
            await _put(ledger, Environment(tenant.tenant, "production"), actor, now)
        self._announce()
        return kept

    async def add(self, part: Project | Environment, actor: str) -> Kept:
        """A new part of a tenant. Raises `NotFound` without the tenant, and `Conflict`."""
        now = self._clock.now()
        async with self._store.writing(actor, now) as ledger:
            await _require(ledger, Tenant, part.tenant)
            if await ledger.kept(type(part), part.entity_id) is not None:
                raise Conflict(f"There is {part.entity} '{part.entity_id}' already.")
            kept = await _put(ledger, part, actor, now)
        self._announce()
        return kept

    async def add_key(self, tenant: str, wish: KeyConfig, actor: str) -> MadeKey:
        """A new key. Raises `NotFound` for an unknown tenant, project or environment, and `Conflict`."""
        now = self._clock.now()
        if wish.expires_at is not None and wish.expires_at <= now:
            raise Invalid(f"expires_at is in the past: {wish.expires_at.isoformat()}.")
        async with self._store.writing(actor, now) as ledger:
            await _require(ledger, Tenant, tenant)
            await _require(ledger, Project, f"{tenant}/{wish.project}")
            await _require(ledger, Environment, f"{tenant}/{wish.environment}")
            if any(key.lives(now) for key in await ledger.keys_named(tenant, wish.name)):
                raise Conflict(f"The tenant '{tenant}' has a living key '{wish.name}' already.")
            token = new_token(wish.environment)
            key = key_of(tenant, wish, token, self._pepper)
            made = MadeKey(await _put(ledger, key, actor, now), token)
        self._announce()
        return made

    async def stop(self, stop: Stop, actor: str) -> Kept:
        """Stop what it names, from now on and until it is started again; once more tells another reason."""
        now = self._clock.now()
        async with self._store.writing(actor, now) as ledger:
            kept = await _put(ledger, stop, actor, now)
        self._announce()
        return kept

    async def start(self, stop_id: str, actor: str) -> Kept:
        """Serve again what a stop named. Raises `NotFound` when there is none."""
        now = self._clock.now()
        async with self._store.writing(actor, now) as ledger:
            kept = await ledger.kept(Stop, stop_id)
            if kept is None:
                raise NotFound(f"Nothing is stopped as '{stop_id}'.")
            await ledger.write(Change(kept.entity, kept.origin, deleted=True))
        self._announce()
        return replace(kept, changed_at=now, changed_by=actor)

    async def revoke_key(self, key_id: str, tenant: str | None, actor: str) -> Kept:
        """End a key now; once more changes nothing. Raises `NotFound`, also for another tenant's key."""
        now = self._clock.now()
        async with self._store.writing(actor, now) as ledger:
            held = await _held_key(ledger, key_id, tenant)
            if held.key.revoked:
                return held.kept
            revoked = replace(held.key, revoked=True)
            await ledger.write(Change(revoked, held.kept.origin))
        self._announce()
        return replace(held.kept, entity=revoked, changed_at=now, changed_by=actor)

    async def rotate_key(
        self, key_id: str, tenant: str | None, overlap: timedelta, actor: str
    ) -> MadeKey:
        """A new key in the place of a living one, which ends after `overlap`. Raises `NotFound`, `Conflict`.

        The new key inherits who keeps it: the file's key of this name is from now on the new one.
        """
        now = self._clock.now()
        async with self._store.writing(actor, now) as ledger:
            held = await _held_key(ledger, key_id, tenant)
            if not held.key.lives(now):
                raise Conflict(f"The key '{key_id}' has ended: make a new one.")
            token = new_token(held.key.environment)
            fresh = key_of(held.key.tenant, _wish_of(held.key), token, self._pepper)
            await ledger.write(Change(held.key.expiring_by(now + overlap), Origin.API))
            kept = await _put(ledger, fresh, actor, now, held.kept.origin)
        self._announce()
        return MadeKey(kept, token)


@dataclass(frozen=True, slots=True)
class _HeldKey:
    key: Key
    kept: Kept


async def _held_key(ledger: Ledger, key_id: str, tenant: str | None) -> _HeldKey:
    kept = await ledger.kept(Key, key_id)
    if kept is None or not isinstance(kept.entity, Key) or tenant not in {None, kept.entity.tenant}:
        raise NotFound(f"There is no key '{key_id}'.")
    return _HeldKey(kept.entity, kept)


async def _require(ledger: Ledger, of: type[E], entity_id: str) -> E:
    found = await ledger.find(of, entity_id)
    if found is None:
        raise NotFound(f"There is no {of.entity} '{entity_id}'.")
    return found


async def _put(
    ledger: Ledger, entity: Entity, actor: str, now: datetime, origin: Origin = Origin.API
) -> Kept:
    await ledger.write(Change(entity, origin))
    return Kept(entity, origin, created_at=now, changed_at=now, changed_by=actor)


def _wish_of(key: Key) -> KeyConfig:
    return KeyConfig(
        name=key.name,
        scopes=key.scopes,
        project=key.project,
        environment=key.environment,
        expires_at=key.expires_at,
        policy=policy_of(dict(key.policy)),
    )
