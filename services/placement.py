"""Which service runs in which process, and on what. Tables, not code: the services do not know them."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.backbone.backbone import Backbone
from services.settings import Installation
from shared.clock import Clock
from shared.lifecycle import App, Host
from shared.log.outbox import SqliteOutbox
from shared.settings import ServiceSettings

EMBEDDED: dict[str, tuple[str, ...]] = {
    "edge": ("serving", "ingest", "feedback", "registry"),
    "core": ("billing", "drift", "evaluation", "alerting"),
    "warehouse": ("warehouse",),
}

GROUPS = (*EMBEDDED["warehouse"], *EMBEDDED["core"])
"""The groups that must pass a record before it may be trimmed."""

CLUSTER: dict[str, tuple[str, ...]] = {
    "edge": ("serving", "ingest", "feedback"),
    "registry": ("registry",),
    **{name: (name,) for name in GROUPS},
}

SERVICES = (*EMBEDDED["edge"], *GROUPS)


@dataclass(frozen=True, slots=True)
class Placement:
    """What this process is: its name (which names its outbox), its services, and its inherited files.

    `listen_fd` is the socket of its HTTP port, or None; a byte on `ready_fd` says that it serves, and
    the end of `lifeline_fd` that its supervisor is gone.
    """

    name: str
    services: tuple[str, ...]
    listen_fd: int | None = None
    ready_fd: int | None = None
    lifeline_fd: int | None = None
    sql_port: int = 8123


def build_backbone(
    placement: Placement, installation: Installation, outbox: SqliteOutbox, clock: Clock
) -> Backbone:
    """The surroundings of a process. The other mode's is not even loaded: Kafka's client takes its time."""
    mode = "cluster" if installation.kafka else "embedded"
    module = importlib.import_module(f"services.backbone.{mode}")
    backbone: Backbone = module.build(placement, installation, outbox, clock)
    return backbone


def settings_kinds(services: Sequence[str]) -> list[type[ServiceSettings]]:
    """The kind of settings of each of these services. Nothing is read yet."""
    return [importlib.import_module(f"services.{name}.settings").Settings for name in services]


def build_apps(services: Sequence[str], host: Host) -> list[App]:
    """The apps of these services on this host, each with the settings that its environment gives."""
    return [
        importlib.import_module(f"services.{name}.app").build(kind(), host)
        for name, kind in zip(services, settings_kinds(services), strict=True)
    ]
