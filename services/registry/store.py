"""Every SQL statement of the registry: entities and their changes, written together."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy import RowMapping, Select, Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

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
    Revision,
    Route,
    Snapshot,
    Stop,
    Tenant,
)
from services.registry.tables import (
    CHANGES,
    ENVIRONMENTS,
    INSTALLATION,
    KEYS,
    MODELS,
    PROJECTS,
    PROVIDERS,
    STOPS,
    TENANTS,
)
from shared.clock import from_micros
from shared.database import Database

E = TypeVar("E", Tenant, Project, Environment, Key, Provider, Model, Stop)

# In the order in which rows refer to each other.
_TABLES: Mapping[type[Entity], Table] = {
    Tenant: TENANTS,
    Project: PROJECTS,
    Environment: ENVIRONMENTS,
    Key: KEYS,
    Provider: PROVIDERS,
    Model: MODELS,
    Stop: STOPS,
}
_NEVER = from_micros(0)


@dataclass(frozen=True, slots=True)
class Page:
    """A bounded part of a list: at most `limit` entities whose id comes behind `after`."""

    limit: int = 100
    after: str = ""


class Store:
    """The control plane's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def writing(self, actor: str, now: datetime) -> AsyncIterator["Ledger"]:
        """A transaction in which `actor` reads and changes entities. Raises `Unavailable`."""
        async with self._database.writing() as connection:
            yield Ledger(connection, actor, now)

    async def entities(self, of: type[Entity], tenant: str | None, page: Page) -> Sequence[Kept]:
        """The entities of a type, of one tenant or (None) of all, by id."""
        table = _TABLES[of]
        query = _living(table).where(table.c.entity_id > page.after).limit(page.limit)
        if tenant is not None:
            query = query.where(table.c.tenant == tenant)
        async with self._database.reading() as connection:
            rows = await connection.execute(query)
            return [_kept(of, row) for row in rows.mappings()]

    async def last_revision(self) -> int:
        """The newest revision; 0 when nothing was ever changed."""
        async with self._database.reading() as connection:
            return int(await connection.scalar(select(func.max(CHANGES.c.revision))) or 0)

    async def snapshot(self) -> Snapshot:
        """All that lives, as of the newest revision."""
        last_ones = select(func.max(CHANGES.c.revision)).group_by(
            CHANGES.c.entity, CHANGES.c.entity_id
        )
        query = select(CHANGES).where(CHANGES.c.revision.in_(last_ones))
        # One statement sees one moment, in every database.
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(CHANGES.c.revision))
            last = [_revision(row) for row in rows.mappings()]
        newest = last[-1].revision if last else 0
        return Snapshot(newest, tuple(one for one in last if not one.deleted))

    async def changes_after(self, revision: int, limit: int) -> Sequence[Revision]:
        """The oldest changes behind a revision. Writers go one after another: none comes in between later."""
        query = select(CHANGES).where(CHANGES.c.revision > revision)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(CHANGES.c.revision).limit(limit))
            return [_revision(row) for row in rows.mappings()]

    async def installation_id(self) -> str:
        """The name that tells this control plane's facts from every other's."""
        async with self._database.reading() as connection:
            return str(await connection.scalar(select(INSTALLATION.c.installation_id)))

    async def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Revision]:
        """The oldest changes that are not told and not claimed, from now on claimed by the caller.

        A claim that is not followed by `mark_published` lapses at `until`: another then tells them.
        """
        open_ones = (
            select(CHANGES.c.revision)
            .where(CHANGES.c.published_at.is_(None), CHANGES.c.claimed_until <= now)
            .order_by(CHANGES.c.revision)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            if await connection.scalar(open_ones) is None:
                return ()
        async with self._database.writing() as connection:
            revisions = (await connection.scalars(open_ones)).all()
            mine = CHANGES.c.revision.in_(revisions)
            await connection.execute(update(CHANGES).where(mine).values(claimed_until=until))
            rows = await connection.execute(
                select(CHANGES).where(mine).order_by(CHANGES.c.revision)
            )
            return [_revision(row) for row in rows.mappings()]

    async def mark_published(self, revisions: Sequence[int], now: datetime) -> None:
        """These changes are told; nobody need claim them again."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(CHANGES).where(CHANGES.c.revision.in_(revisions)).values(published_at=now)
            )


class Ledger:
    """One transaction of the control plane: what it changes, it also puts down to be told."""

    def __init__(self, connection: AsyncConnection, actor: str, now: datetime) -> None:
        self._connection = connection
        self._actor = actor
        self._now = now

    async def name_installation(self, installation_id: str) -> None:
        """Give the control plane its name, unless it has one."""
        if await self._connection.scalar(select(INSTALLATION.c.installation_id)) is None:
            await self._connection.execute(
                insert(INSTALLATION).values(installation_id=installation_id)
            )

    async def find(self, of: type[E], entity_id: str) -> E | None:
        """The entity of this id, unless it is deleted."""
        kept = await self.kept(of, entity_id)
        return kept.entity if kept is not None and isinstance(kept.entity, of) else None

    async def kept(self, of: type[Entity], entity_id: str) -> Kept | None:
        """The entity of this id with its history, unless it is deleted."""
        table = _TABLES[of]
        rows = await self._connection.execute(_living(table).where(table.c.entity_id == entity_id))
        row = rows.mappings().one_or_none()
        return None if row is None else _kept(of, row)

    async def keys_named(self, tenant: str, name: str) -> Sequence[Key]:
        """The tenant's keys of this name, those that ended included."""
        query = _living(KEYS).where(KEYS.c.tenant == tenant, KEYS.c.name == name)
        rows = await self._connection.execute(query)
        return [_key(row) for row in rows.mappings()]

    async def everything(self) -> Sequence[Kept]:
        """All that is kept."""
        found: list[Kept] = []
        for of, table in _TABLES.items():
            rows = await self._connection.execute(_living(table))
            found += [_kept(of, row) for row in rows.mappings()]
        return found

    async def write(self, change: Change) -> None:
        """Store the entity's new state, and the change with the next revision."""
        entity, table = change.entity, _TABLES[type(change.entity)]
        row = {
            **asdict(entity),
            "origin": change.origin,
            "deleted": change.deleted,
            "changed_at": self._now,
            "changed_by": self._actor,
        }
        here = table.c.entity_id == entity.entity_id
        updated = await self._connection.execute(update(table).where(here).values(row))
        if updated.rowcount == 0:
            identity = {"entity_id": entity.entity_id, "created_at": self._now}
            await self._connection.execute(insert(table).values(row | identity))
        await self._connection.execute(
            insert(CHANGES).values(
                tenant=entity.tenant,
                entity=entity.entity,
                entity_id=entity.entity_id,
                deleted=change.deleted,
                body="" if change.deleted else orjson.dumps(entity).decode(),
                actor=self._actor,
                changed_at=self._now,
                claimed_until=_NEVER,
            )
        )


def _living(table: Table) -> Select[Any]:
    return select(table).where(table.c.deleted.is_(False)).order_by(table.c.entity_id)


def _kept(of: type[Entity], row: RowMapping) -> Kept:
    return Kept(
        _entity(of, row),
        Origin(row["origin"]),
        row["created_at"],
        row["changed_at"],
        row["changed_by"],
    )


def _entity(of: type[Entity], row: RowMapping) -> Entity:
    if of is Key:
        return _key(row)
    values = {field.name: row[field.name] for field in fields(of)}
    if of is Model:
        values["routes"] = tuple(_route(route) for route in row["routes"])
        values["fallbacks"] = tuple(row["fallbacks"])
    return of(**values)


def _route(body: Mapping[str, Any]) -> Route:
    lists = {name: tuple(body.get(name, ())) for name in ("tenants", "tags")}
    return Route(**{**body, **lists})


def _key(row: RowMapping) -> Key:
    values = {field.name: row[field.name] for field in fields(Key)}
    return Key(**values | {"scopes": tuple(row["scopes"])})


def _revision(row: RowMapping) -> Revision:
    return Revision(**{field.name: row[field.name] for field in fields(Revision)})
