"""Any interleaving of retries, failures, deaths and waits has one effect: a state machine over real claims."""

import asyncio
import math
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.serving.idempotency.claims import Claim, Idempotency, IdempotencyLimits
from services.serving.idempotency.sealing import KeptReply, Keyed
from services.serving.state.memory import Memory, MemoryState
from shared.clock import SimulatedClock
from shared.errors import Conflict
from tests.builders import NOW, a_caller

KEYED = Keyed(a_caller(), "token", "/v1/chat/completions", "k", b"{}")
LIMITS = IdempotencyLimits(wait_seconds=20.0, lease_seconds=9.0)


@dataclass
class Retry:
    """One client's request: it runs once it holds the claim, and ends as the machine says."""

    ends: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 200
    running: bool = False
    reply: KeptReply | None = None
    refused: bool = False


class Retries(RuleBasedStateMachine):
    """Three workers, one key, a clock that stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = SimulatedClock(NOW)
        memory = Memory()
        self.workers = [
            Idempotency(MemoryState(self.clock, memory), self.clock, LIMITS) for _ in range(3)
        ]
        self.tasks: dict[asyncio.Task[None], Retry] = {}
        self.answers: list[KeptReply] = []  # of calls that ended whole

    def teardown(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.run(self.settled())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)

    @rule(worker=st.integers(0, 2))
    def a_client_asks(self, worker: int) -> None:
        self.run(self._start(Retry(), self.workers[worker]))

    @precondition(lambda self: self.running)
    @rule(status=st.sampled_from([200, 200, 200, 400, 503]))
    def the_upstream_answers(self, status: int) -> None:
        retry = self.running[0]
        retry.status = status
        retry.ends.set()
        self.run(self.settled())

    @precondition(lambda self: self.running)
    @rule()
    def the_client_that_runs_leaves(self) -> None:
        task = next(task for task, retry in self.tasks.items() if retry is self.running[0])
        task.cancel()
        self.run(self.settled())

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 8.0]))
    def time_passes(self, seconds: float) -> None:
        for _ in range(math.ceil(seconds)):  # no worker stands still for as long as a lease
            self.clock.advance(min(seconds, 1.0))
            self.run(self.settled())

    @invariant()
    def one_runs_at_a_time(self) -> None:
        assert len(self.running) <= 1

    @invariant()
    def one_call_has_an_effect(self) -> None:
        assert len(self.answers) <= 1

    @invariant()
    def whoever_was_answered_was_answered_the_same(self) -> None:
        told = [retry.reply for retry in self.tasks.values() if retry.reply is not None]
        assert all(reply == self.answers[0] for reply in told)

    @property
    def running(self) -> list[Retry]:
        return [retry for retry in self.tasks.values() if retry.running]

    async def _start(self, retry: Retry, worker: Idempotency) -> None:
        self.tasks[asyncio.create_task(self._ask(retry, worker.claim(KEYED)))] = retry
        await self.settled()

    async def _ask(self, retry: Retry, claiming: Claim) -> None:
        try:
            async with claiming as claim:
                retry.reply = claim.reply or await self._call(retry, claim)
        except Conflict:
            retry.refused = True

    async def _call(self, retry: Retry, claim: Claim) -> KeptReply | None:
        retry.running = True
        try:
            claim.asked()
            await retry.ends.wait()
            reply = KeptReply(retry.status, [], b"%d" % id(retry))
            await claim.keep(reply, retry.status)
        finally:
            retry.running = False
        if retry.status == 503:
            return None
        self.answers.append(reply)
        return reply

    async def settled(self) -> None:
        """Let every task come as far as it can without time."""
        for _ in range(20):
            await asyncio.sleep(0)


TestRetries = Retries.TestCase
TestRetries.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
