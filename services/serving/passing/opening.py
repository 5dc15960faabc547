"""What passes through, composed: its routes over the gate, the way out and the books of every other call."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from services.serving.api import Door
from services.serving.domain.call import Journal
from services.serving.domain.gate import Gate
from services.serving.guards.rails import Switchyard
from services.serving.passing.api import PassingDoor, passing_routes
from services.serving.passing.calls import PassedCalls
from services.serving.passing.files import StoreDoor, StoreRoutes
from services.serving.passing.finding import Passages
from services.serving.passing.ids import Ids
from services.serving.passing.store import BatchMeter, Store
from services.serving.reach import Reach
from services.serving.settings import Settings
from shared.secrets_folder import SecretsFolder


def passing_of(
    settings: Settings, door: Door, gate: Gate, reach: Reach, guards: Switchyard, journal: Journal
) -> Sequence[BaseRoute]:
    """The routes of operations that pass through, and of files and batches."""
    host, passages = reach.host, Passages(reach.catalogue.provider)
    passed = PassedCalls(
        gate,
        reach.planner(passages.answers),
        reach.asker(passages.answering),
        guards,
        journal,
        reach.pricer,
        host.clock,
        quiet_seconds=settings.quiet_seconds,
    )
    ids = Ids(SecretsFolder(host.data).pepper())
    meter = BatchMeter(host.outbox, host.live, host.clock)
    planner = reach.planner(passages.takes_batches)
    held = StoreDoor(
        Store(gate, planner, passages, guards, ids, meter),
        ids,
        host.live,
        host.clock,
        door.in_flight,
        settings.max_body_bytes,
        settings.max_form_bytes,
    )
    passing = PassingDoor(door, passed, settings.max_form_bytes)
    return [*passing_routes(passing), *StoreRoutes(held).routes()]
