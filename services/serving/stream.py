"""Facts out: a call is open in the outbox while it runs, and an interaction once it has ended."""

import structlog

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.serving.domain.call import Call, opened
from shared.clock import Clock
from shared.interactions import Interaction, interaction_fact
from shared.live import LiveView
from shared.log.record import Fact, OpenCall, Outbox
from shared.topics import INTERACTION_COMPLETED

log = structlog.get_logger()


class OutboxJournal:
    """Accounts for calls in an outbox; satisfies `Journal`."""

    def __init__(self, outbox: Outbox, live: LiveView, clock: Clock) -> None:
        self._outbox = outbox
        self._live = live
        self._clock = clock

    async def begin(self, call: Call) -> None:
        value = self._fact(call, opened(call)).value
        await self._outbox.open(OpenCall(call.interaction_id, call.started_at, value))

    async def end(self, call: Call, interaction: Interaction) -> None:
        fact = self._fact(call, interaction)
        await self._outbox.append([fact], closes=[call.interaction_id])

    async def recover(self) -> int:
        """Account for the calls that an earlier life left open; how many there were."""
        orphans = self._outbox.orphans()
        for orphan in orphans:
            tenant = InteractionCompleted.FromString(orphan.value).tenant
            fact = Fact(INTERACTION_COMPLETED, tenant, orphan.call_id, orphan.value)
            await self._outbox.append([fact], closes=[orphan.call_id])
        if orphans:
            log.warning("calls.recovered", count=len(orphans))
        return len(orphans)

    def _fact(self, call: Call, interaction: Interaction) -> Fact:
        policy = self._live.content_policy(call.caller.tenant)
        return interaction_fact(interaction, call.caller, policy, self._clock.now())
