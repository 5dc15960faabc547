"""The configuration, the installation's secrets, and the control database."""

from collections.abc import AsyncIterator

from services.cli.doctor.findings import Finding, fail, ok, warn
from services.cli.doctor.place import Place
from services.cli.seeding import configured
from services.registry.domain import Key
from services.registry.store import Page, Store
from shared.clock import Clock
from shared.database import Database
from shared.errors import Invalid, Unavailable
from shared.reloading import state_of
from shared.secrets_folder import OPERATORS, SecretsFolder

MANY_KEYS = 10_000


def configuration(place: Place) -> Finding:
    """Whether leeway.yaml is valid as a whole."""
    path = place.installation.config_path
    try:
        config = configured(place.installation)
    except Invalid as error:
        return fail("configuration", " ".join([error.message, *error.faults]))
    state = state_of(place.data)
    if state is not None and state.faults:
        told = " ".join(state.faults)
        return warn("configuration", f"What runs is older: its last reading was refused. {told}")
    where = path or "Built in: there is no leeway.yaml"
    return ok(
        "configuration",
        f"{where}; {len(config.tenants)} tenants, {len(config.models)} models.",
    )


def secrets(place: Place) -> Finding:
    """Whether the installation's own are there: without them nobody is known."""
    folder = place.data / "secrets"
    if not (folder / "pepper").exists() and not place.installation.pepper_bytes:
        return fail("secrets", f"There is no {folder}/pepper: no API key can be told from another.")
    try:
        kept = SecretsFolder(place.data).credentials()
    except Invalid as error:
        return fail("secrets", error.message)
    if OPERATORS not in kept.sql_passwords and not place.installation.clickhouse_url:
        return fail("secrets", f"{folder} keeps no SQL password of the operators.")
    return ok("secrets", f"{folder} keeps the pepper and the operators' SQL password.")


async def database(place: Place, clock: Clock) -> AsyncIterator[Finding]:
    """Whether it answers, what it holds, and whether anybody can call."""
    url = place.database_url
    kind, _, file = url.partition(":///")
    if kind.startswith("sqlite") and not (place.data / "control.db").exists():
        yield fail("registry", f"There is no control database {file}: `leeway up` makes it.")
        return
    named = "PostgreSQL" if kind.startswith("postgresql") else file
    try:
        async with Database(url) as connected:
            store = Store(connected)
            revision = await store.last_revision()
            kept = await store.entities(Key, None, Page(limit=MANY_KEYS))
    except Unavailable as error:
        yield fail("registry", f"{named}: {error.message}")
        return
    yield ok("registry", f"{named} answers; the registry is at revision {revision}.")
    now = clock.now()
    keys = [one.entity for one in kept if isinstance(one.entity, Key)]
    usable = [k for k in keys if not k.revoked and (k.expires_at is None or k.expires_at > now)]
    if not usable:
        yield fail("keys", "No API key opens anything: `leeway keys create` makes one.")
        return
    soon = [k for k in usable if k.expires_at is not None and (k.expires_at - now).days < 14]
    if soon:
        names = ", ".join(f"{key.tenant}/{key.name}" for key in soon)
        yield warn("keys", f"{names} end within 14 days: `leeway keys rotate` makes the next.")
    else:
        yield ok("keys", f"{len(usable)} open something.")
