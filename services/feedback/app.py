"""Composition of feedback: door -> intake -> outbox."""

from services.feedback.api import Api
from services.feedback.settings import Settings
from services.feedback.stream import Intake
from shared.lifecycle import App, Host


def build(settings: Settings, host: Host) -> App:
    """Feedback's HTTP route."""
    intake = Intake(host.outbox, host.live, host.clock)
    api = Api(intake, host.live, host.clock, settings)
    return App(name="feedback", routes=api.routes())
