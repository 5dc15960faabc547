"""What the registry keeps, and which changes lead from what is kept to what is wanted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class Origin(StrEnum):
    """Who keeps an entity: leeway.yaml, the API, or the installation itself."""

    FILE = "file"
    API = "api"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant; `content` says how its texts are stored: full, redacted, hash or none."""

    entity: ClassVar[str] = "tenant"
    tenant: str
    name: str
    content: str = "full"
    policy: Mapping[str, object] = field(default_factory=dict)  # see shared/policy.py

    @property
    def entity_id(self) -> str:
        return self.tenant


@dataclass(frozen=True, slots=True)
class Project:
    """A part of a tenant's work."""

    entity: ClassVar[str] = "project"
    tenant: str
    project: str
    policy: Mapping[str, object] = field(default_factory=dict)  # see shared/policy.py

    @property
    def entity_id(self) -> str:
        return f"{self.tenant}/{self.project}"


@dataclass(frozen=True, slots=True)
class Environment:
    """A stage of a tenant's work, like production."""

    entity: ClassVar[str] = "environment"
    tenant: str
    environment: str

    @property
    def entity_id(self) -> str:
        return f"{self.tenant}/{self.environment}"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: its secret only as a keyed hash, and the `prefix` that may be shown."""

    entity: ClassVar[str] = "key"
    key_id: str
    tenant: str
    name: str
    project: str
    environment: str
    scopes: tuple[str, ...]
    prefix: str
    secret_hash: str
    expires_at: datetime | None = None
    revoked: bool = False
    policy: Mapping[str, object] = field(default_factory=dict)  # see shared/policy.py

    @property
    def entity_id(self) -> str:
        return self.key_id

    def lives(self, now: datetime) -> bool:
        """Whether the key still opens anything."""
        return not self.revoked and (self.expires_at is None or self.expires_at > now)

    def expiring_by(self, moment: datetime) -> "Key":
        """The same key, ending then at the latest."""
        if self.expires_at is not None and self.expires_at < moment:
            return self
        return replace(self, expires_at=moment)


@dataclass(frozen=True, slots=True)
class Provider:
    """An upstream; its `api_key` is a `${ENV}` reference."""

    entity: ClassVar[str] = "provider"
    tenant: ClassVar[str] = ""
    name: str
    kind: str
    base_url: str = ""
    api_key: str = ""
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def entity_id(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Route:
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
class Model:
    """A public model name, its routes, and the public names that it falls back to."""

    entity: ClassVar[str] = "model"
    tenant: ClassVar[str] = ""
    name: str
    routes: tuple[Route, ...]
    fallbacks: tuple[str, ...] = ()
    policy: Mapping[str, object] = field(default_factory=dict)  # see shared/policy.py

    @property
    def entity_id(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Stop:
    """What is not served now: everything (`what` is all), or the calls of one tenant, key, model or provider.

    Its id alone says what is stopped, so that whoever cannot read the rest stops it all the same.
    """

    entity: ClassVar[str] = "stop"
    tenant: ClassVar[str] = ""
    what: str
    name: str = ""
    reason: str = ""

    @property
    def entity_id(self) -> str:
        return f"{self.what}/{self.name}" if self.name else self.what


Entity = Tenant | Project | Environment | Key | Provider | Model | Stop


@dataclass(frozen=True, slots=True)
class Kept:
    """An entity as the registry keeps it, and what happened to it last."""

    entity: Entity
    origin: Origin
    created_at: datetime
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Change:
    """The whole new state of one entity, or its end."""

    entity: Entity
    origin: Origin
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Revision:
    """A change as it was stored: the fact that is still to be told."""

    revision: int
    tenant: str
    entity: str
    entity_id: str
    deleted: bool
    body: str
    actor: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The last change of every living entity, oldest first, as of one revision."""

    revision: int
    living: tuple[Revision, ...]


def differences(wanted: Sequence[Entity], kept: Sequence[Kept]) -> tuple[Change, ...]:
    """What must change so that all that the file wants is there, and nothing of the file that it does not want.

    What the file wants becomes the file's, whoever made it. What a tenant had goes with the tenant.
    """
    known = {_identity(one.entity): one for one in kept}
    changes = [
        Change(entity, Origin.FILE)
        for entity in wanted
        if not _is_kept(entity, known.get(_identity(entity)))
    ]
    return (*changes, *_removals({_identity(entity) for entity in wanted}, kept))


def _is_kept(entity: Entity, kept: Kept | None) -> bool:
    return kept is not None and kept.entity == entity and kept.origin is Origin.FILE


def _removals(wanted: set[tuple[str, str]], kept: Sequence[Kept]) -> Iterator[Change]:
    unwanted = [
        one for one in kept if one.origin is Origin.FILE and _identity(one.entity) not in wanted
    ]
    tenants = {one.entity.tenant for one in unwanted if isinstance(one.entity, Tenant)}
    for one in kept:
        if one in unwanted or one.entity.tenant in tenants:
            yield Change(one.entity, one.origin, deleted=True)


def _identity(entity: Entity) -> tuple[str, str]:
    return entity.entity, entity.entity_id
