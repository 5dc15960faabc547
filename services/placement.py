"""Which service runs in which process. A table, not code: the services do not know it."""

import importlib
from collections.abc import Sequence

from shared.lifecycle import App, Host

EMBEDDED: dict[str, tuple[str, ...]] = {
    "edge": ("serving", "ingest", "feedback", "registry"),
    "core": ("warehouse", "billing", "drift", "evaluation", "alerting"),
}

GROUPS = EMBEDDED["core"]
"""The groups that must pass a record before it may be trimmed."""


def build_apps(services: Sequence[str], host: Host) -> list[App]:
    """The apps of these services on this host, each with the settings that its environment gives."""
    apps = []
    for name in services:
        settings = importlib.import_module(f"services.{name}.settings").Settings()
        apps.append(importlib.import_module(f"services.{name}.app").build(settings, host))
    return apps
