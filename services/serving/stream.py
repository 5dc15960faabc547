"""Facts out: a call is open in the outbox while it runs, and an interaction once it has ended."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.serving.domain.call import Call, opened
from services.serving.domain.verdict import Verdict, merged
from shared.clock import Clock
from shared.ids import derived_id
from shared.interactions import Interaction, interaction_fact
from shared.live import LiveView
from shared.log.record import Fact, OpenCall, Outbox
from shared.scores import Score, score_fact
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

    async def end(
        self, call: Call, interaction: Interaction, verdicts: Sequence[Verdict] = ()
    ) -> None:
        fact = self._fact(call, interaction)
        await self._account(fact, self._scores(fact, verdicts) if verdicts else ())

    async def recover(self) -> int:
        """Account for the calls that an earlier life left open; how many there were.

        Of one that the disk has damaged it is not sure whose it was: it is told of, and stays.
        """
        orphans = self._outbox.orphans()
        for orphan in orphans:
            if orphan.damage:
                log.error("call.damaged", id=orphan.call_id, bytes=len(orphan.value))
                continue
            tenant = InteractionCompleted.FromString(orphan.value).tenant
            await self._account(Fact(INTERACTION_COMPLETED, tenant, orphan.call_id, orphan.value))
        if orphans:
            log.warning("calls.recovered", count=len(orphans))
        return len(orphans)

    async def _account(self, fact: Fact, scores: Sequence[Fact] = ()) -> None:
        """Store what became of a call, under another id where its own was taken meanwhile.

        A stream's id is told at its beginning: who sends an interaction under it before the stream has
        ended would else have the call for nothing.
        """
        refused = await self._outbox.append([fact, *scores], closes=[fact.event_id])
        if all(one.topic is not INTERACTION_COMPLETED for one in refused):
            return
        message = InteractionCompleted.FromString(fact.value)
        message.interaction_id = derived_id("serving", "taken", fact.event_id)
        log.warning("call.id_taken", id=fact.event_id, told_as=message.interaction_id)
        value = message.SerializeToString()
        await self._outbox.append([replace(fact, event_id=message.interaction_id, value=value)])

    def _scores(self, fact: Fact, verdicts: Sequence[Verdict]) -> Sequence[Fact]:
        """Verdicts as scores: 1 where a guard was sure of what it objects to, and never what that was."""
        message, now = InteractionCompleted.FromString(fact.value), self._clock.now()
        return [score_fact(message, _score(verdict), now) for verdict in merged(verdicts)]

    def _fact(self, call: Call, interaction: Interaction) -> Fact:
        policy = self._live.content_policy(call.caller.tenant)
        return interaction_fact(interaction, call.caller, policy, self._clock.now())


def _score(verdict: Verdict) -> Score:
    return Score(
        evaluator=f"guard.{verdict.guard}.{verdict.stage}.{verdict.category}",
        version="1",
        value=verdict.score,
        label=verdict.action,
        passed=verdict.action == "flag",
        explanation=verdict.explanation,
    )
