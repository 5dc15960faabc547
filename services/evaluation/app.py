"""Composition of evaluation: interactions -> evaluators -> scores."""

from services.evaluation.domain import Evaluator, rates_of
from services.evaluation.evaluators.empty import Empty
from services.evaluation.evaluators.json_valid import JsonValid
from services.evaluation.evaluators.language_switch import LanguageSwitch
from services.evaluation.evaluators.length import Length
from services.evaluation.evaluators.pii_seen import PiiSeen
from services.evaluation.evaluators.refusal import Refusal
from services.evaluation.evaluators.toxicity import Toxicity
from services.evaluation.settings import Settings
from services.evaluation.stream import EvaluationHandler
from shared.lifecycle import App, Host
from shared.log.consumer import ConsumerLimits
from shared.topics import INTERACTION_COMPLETED


def build(settings: Settings, host: Host) -> App:
    """One consumer that judges; raises `Invalid` when a rate names no evaluator."""
    evaluators = every_evaluator()
    rates = rates_of(evaluators, settings.rates, settings.default_rate)
    handler = EvaluationHandler(evaluators, rates, host.clock)
    consumer = host.group("evaluation", [INTERACTION_COMPLETED], handler, ConsumerLimits())
    return App(name="evaluation", tasks=[consumer.run])


def every_evaluator() -> list[Evaluator]:
    """Every evaluator there is, in the order in which they judge."""
    return [
        Empty(),
        Length(),
        JsonValid(),
        Refusal(),
        LanguageSwitch(),
        Toxicity(),
        PiiSeen(),
    ]
