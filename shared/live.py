"""What is live: the tenants, keys, providers and models that the registry's facts say may run now."""

import hashlib
import hmac
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import structlog

from leeway_pb.v1.registry_pb2 import RegistryChanged

from shared.content import NONE, POLICIES
from shared.errors import Denied, Invalid
from shared.metrics import LIVE_REFUSED
from shared.policy import NO_POLICY, Policy, policy_of

log = structlog.get_logger()

T = TypeVar("T")
Identity = tuple[str, str]  # an entity's kind and its id
Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as the registry tells it: never its secret, only the keyed hash of it."""

    key_id: str
    tenant: str
    project: str
    environment: str
    scopes: frozenset[str]
    secret_hash: str
    expires_at: datetime | None = None
    revoked: bool = False
    policy: Policy = NO_POLICY


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as its key says. A body can change nothing of it but name another of the tenant's
    environments."""

    tenant: str
    project: str
    environment: str
    key_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Route:
    """One way to answer a public model name: the provider and the model name that it knows.

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
    """A public model name, its routes, and the public names to fall back to, in order."""

    name: str
    routes: tuple[Route, ...]
    fallbacks: tuple[str, ...] = ()
    policy: Policy = NO_POLICY


@dataclass(frozen=True, slots=True)
class Provider:
    """An upstream. `api_key` is a `${ENV}` reference or empty: never the secret itself."""

    name: str
    kind: str
    base_url: str = ""
    api_key: str = ""
    options: Mapping[str, object] = field(default_factory=dict)


class LiveView:
    """The registry's facts, folded: the newest revision of each entity wins, whatever the order."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper
        self._revisions: dict[Identity, int] = {}
        self._refused: dict[Identity, int] = {}  # the revision that could not be read
        self.keys: dict[str, Key] = {}
        self.models: dict[str, Model] = {}
        self.providers: dict[str, Provider] = {}
        self.content_policies: dict[str, str] = {}
        self.tenant_policies: dict[str, Policy] = {}
        self.project_policies: dict[str, Policy] = {}  # by tenant/project
        self.environments: dict[str, frozenset[str]] = {}  # by tenant
        self.stops: dict[str, str] = {}  # why, by what is stopped: all, tenant/acme, model/gpt, ...
        self.revision = 0

    def apply(self, change: RegistryChanged) -> None:
        """Fold one `registry.changed.v1` fact; an older revision of the same entity changes nothing.

        An entity that cannot be read, as one of a newer registry may not, stays as it was: one row takes
        no process down.
        """
        at = _identity(change)
        if change.revision <= self._revisions.get(at, 0):
            return
        self._revisions[at] = change.revision
        self.revision = max(self.revision, change.revision)
        try:
            self._fold(change.entity, change.entity_id, _body(change))
        except Invalid as fault:
            self._refuse(change, fault)
        else:
            self._refused.pop(at, None)
        LIVE_REFUSED.set(len(self._refused))

    def become(self, changes: Sequence[RegistryChanged], revision: int) -> None:
        """Hold exactly these, as of one revision: what is not among them is gone, however new it was."""
        for entity, entity_id in self._revisions.keys() - {_identity(each) for each in changes}:
            self._fold(entity, entity_id, None)
            self._refused.pop((entity, entity_id), None)
        self._revisions.clear()
        for change in changes:
            self.apply(change)
        self.revision = revision
        LIVE_REFUSED.set(len(self._refused))

    def _refuse(self, change: RegistryChanged, fault: Invalid) -> None:
        at = _identity(change)
        if self._refused.get(at) != change.revision:  # a snapshot tells it again and again
            log.error(
                "live.refused",
                entity=change.entity,
                entity_id=change.entity_id,
                revision=change.revision,
                reason=fault.message,
            )
        self._refused[at] = change.revision

    def _fold(self, entity: str, entity_id: str, body: Body | None) -> None:
        """Put what a body says in its place, or with None take it away. Raises `Invalid`, and then changes nothing."""
        try:
            match entity:
                case "key":
                    _put(self.keys, entity_id, None if body is None else _key(entity_id, body))
                case "model":
                    _put(self.models, entity_id, None if body is None else _model(entity_id, body))
                case "provider":
                    provider = None if body is None else _provider(entity_id, body)
                    _put(self.providers, entity_id, provider)
                case "tenant":
                    self._fold_tenant(entity_id, body)
                case "project":
                    _put(self.project_policies, entity_id, None if body is None else _policy(body))
                case "environment":
                    self._fold_environment(entity_id, there=body is not None)
                case "stop":
                    _put(self.stops, entity_id, None if body is None else _reason(body))
                case _:
                    pass  # of a newer registry
        except (KeyError, TypeError, ValueError) as fault:
            raise _unreadable(entity, entity_id, fault) from fault

    def _fold_tenant(self, tenant: str, body: Body | None) -> None:
        policy = None if body is None else _policy(body)
        content = None if body is None else str(body.get("content", NONE))
        _put(self.tenant_policies, tenant, policy)
        _put(self.content_policies, tenant, content)

    def _fold_environment(self, entity_id: str, *, there: bool) -> None:
        tenant, _, name = entity_id.partition("/")
        others = self.environments.get(tenant, frozenset()) - {name}
        # A new set each time: a thread that reads a large batch may be looking at the old one.
        self.environments[tenant] = others | {name} if there else others

    @property
    def tenants(self) -> Collection[str]:
        """The tenants that are live."""
        return self.content_policies.keys()

    def content_policy(self, tenant: str) -> str:
        """How the tenant's texts are stored. Of a tenant that is not known (yet), none is."""
        policy = self.content_policies.get(tenant, NONE)
        return policy if policy in POLICIES else NONE

    def policies(self, caller: Caller, model: str) -> tuple[Policy, Policy, Policy, Policy]:
        """What holds for a call: the policies of its tenant, its project, its key and its public model."""
        key, public = self.keys.get(caller.key_id), self.models.get(model)
        return (
            self.tenant_policies.get(caller.tenant, NO_POLICY),
            self.project_policies.get(f"{caller.tenant}/{caller.project}", NO_POLICY),
            NO_POLICY if key is None else key.policy,
            NO_POLICY if public is None else public.policy,
        )

    def misplaced(self, caller: Caller, environment: str) -> str:
        """Why a caller may not file under an environment that it names; empty when it may.

        It may under its key's own (so under none named), and under those registered for its tenant.
        """
        own = self.environments.get(caller.tenant, frozenset()) | {caller.environment}
        if not environment or environment in own:
            return ""
        return f"expected one of {', '.join(sorted(own))}, got {environment[:64]!r}"

    def caller(self, token: str, now: datetime) -> Caller:
        """The caller of an API key. Raises `Denied` for a wrong, expired or revoked key."""
        key_id, secret = split_key(token)
        key = self.keys.get(key_id)
        given = hash_secret(self._pepper, secret)
        if key is None or not hmac.compare_digest(given, key.secret_hash):
            raise Denied("The API key is not known here.", authenticate=True)
        if key.revoked:
            raise Denied("The API key was revoked.", authenticate=True)
        if key.expires_at is not None and key.expires_at <= now:
            raise Denied("The API key has expired.", authenticate=True)
        return Caller(key.tenant, key.project, key.environment, key.key_id, key.scopes)


def split_key(token: str) -> tuple[str, str]:
    """The public id and the secret of `lk_<environment>_<id8>_<secret43>_<crc6>`; checks the checksum."""
    body, _, checksum = token.strip().rpartition("_")
    parts = body.split("_", 3)
    if len(parts) != 4 or parts[0] != "lk" or key_checksum(body) != checksum:
        raise Denied(
            "The API key is malformed: expected one that begins with lk_.", authenticate=True
        )
    return parts[2], parts[3]


def key_checksum(body: str) -> str:
    """Six hexadecimal digits by which a secret scanner, or a typing error, is recognised."""
    return f"{zlib.crc32(body.encode()) & 0xFFFFFF:06x}"


def hash_secret(pepper: bytes, secret: str) -> str:
    """HMAC-SHA256 of a key's secret under the installation's pepper, in hexadecimal."""
    return hmac.new(pepper, secret.encode(), hashlib.sha256).hexdigest()


def _put(table: dict[str, T], name: str, value: T | None) -> None:
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value


def _identity(change: RegistryChanged) -> Identity:
    return change.entity, change.entity_id


def _body(change: RegistryChanged) -> Body | None:
    """What the fact says of its entity, None when it was deleted. Raises `Invalid`."""
    if change.deleted:
        return None
    try:
        return _object(json.loads(change.body or "{}"))
    except (TypeError, ValueError) as fault:
        raise _unreadable(change.entity, change.entity_id, fault) from fault


def _unreadable(entity: str, entity_id: str, fault: Exception) -> Invalid:
    return Invalid(f"The {entity} '{entity_id}' has a form that is not known here: {fault!r}.")


def _key(key_id: str, body: Body) -> Key:
    return Key(
        key_id=key_id,
        tenant=str(body["tenant"]),
        project=str(body["project"]),
        environment=str(body["environment"]),
        scopes=frozenset(map(str, _list(body["scopes"]))),
        secret_hash=str(body["secret_hash"]),
        expires_at=_moment(body.get("expires_at")),
        revoked=bool(body.get("revoked", False)),
        policy=_policy(body),
    )


def _reason(body: Body) -> str:
    """Why it is stopped; whatever else a newer registry says of it, it is stopped."""
    return str(body.get("reason", ""))


def _policy(body: Body) -> Policy:
    return policy_of(_object(body.get("policy", {})))


def _model(name: str, body: Body) -> Model:
    return Model(
        name=name,
        routes=tuple(_route(_object(each)) for each in _list(body["routes"])),
        fallbacks=tuple(map(str, _list(body.get("fallbacks", [])))),
        policy=_policy(body),
    )


def _route(body: Body) -> Route:
    weight = body.get("weight", 1)
    if not isinstance(weight, int):
        raise TypeError(f"expected a whole number as weight, got {type(weight).__name__}")
    readable = body.get("max_input_tokens")
    if not isinstance(readable, int | None):
        raise TypeError("expected a whole number as max_input_tokens")
    return Route(
        provider=str(body["provider"]),
        model=str(body["model"]),
        weight=weight,
        tenants=tuple(map(str, _list(body.get("tenants", [])))),
        tags=tuple(map(str, _list(body.get("tags", [])))),
        max_input_tokens=readable,
    )


def _provider(name: str, body: Body) -> Provider:
    return Provider(
        name=name,
        kind=str(body["kind"]),
        base_url=str(body.get("base_url", "")),
        api_key=str(body.get("api_key", "")),
        options=_object(body.get("options", {})),
    )


def _moment(value: object) -> datetime | None:
    moment = datetime.fromisoformat(str(value)) if value else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError("expected a time with its zone")
    return moment


def _object(value: object) -> Body:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {type(value).__name__}")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, got {type(value).__name__}")
    return value
