"""The one gate before every upstream, check by check: what is cheap and final comes first, what holds something last."""

from services.serving.api import CALLS, SCOPE
from services.serving.ceiling import DearestRoute
from services.serving.domain.budget import AlwaysSufficient, BudgetHeld
from services.serving.domain.gate import EnvironmentKnown, Gate, ScopeHeld
from services.serving.guards.admission import InputGuards
from services.serving.guards.bounds import CostBounded, ModelAllowed, OutputBounded
from services.serving.guards.rails import Switchyard
from services.serving.limits.check import LimitsHeld
from services.serving.limits.limiter import Limiter
from services.serving.limits.stops import NotStopped
from services.serving.prompts.check import PromptWritten
from services.serving.prompts.port import PromptSource
from shared.live import LiveView


def gate_of(
    live: LiveView,
    prompts: PromptSource,
    ceiling: DearestRoute,
    limiter: Limiter,
    guards: Switchyard,
) -> Gate:
    """The gate of every call, and of everything that passes through."""
    return Gate(
        [
            ScopeHeld(SCOPE),
            EnvironmentKnown(live),
            PromptWritten(prompts, dict(CALLS.values())),
            ModelAllowed(live),
            NotStopped(live),
            OutputBounded(live),
            CostBounded(live, ceiling),
            LimitsHeld(live, limiter),
            BudgetHeld(AlwaysSufficient(), ceiling.of),
            InputGuards(guards),
        ]
    )
