"""What the registry answers over HTTP: entities with their last change, and never a secret's hash."""

from collections.abc import Sequence
from dataclasses import asdict

from services.registry.domain import Kept
from services.registry.registry import MadeKey
from services.registry.store import Page


def view(kept: Kept) -> dict[str, object]:
    """An entity, who keeps it, and what happened to it last."""
    shown = {name: value for name, value in asdict(kept.entity).items() if name != "secret_hash"}
    history = {
        "origin": kept.origin.value,
        "created_at": kept.created_at,
        "changed_at": kept.changed_at,
        "changed_by": kept.changed_by,
    }
    return shown | history


def made_view(made: MadeKey) -> dict[str, object]:
    """A new key with its token."""
    return {**view(made.kept), "token": made.token}


def page_view(kept: Sequence[Kept], page: Page) -> dict[str, object]:
    """A page, and what to ask for with `after` to get the next one."""
    full = len(kept) == page.limit
    return {
        "data": [view(one) for one in kept],
        "next": kept[-1].entity.entity_id if full else None,
    }
