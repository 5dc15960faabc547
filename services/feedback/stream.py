"""Feedback becomes facts, and the facts become durable."""

from collections.abc import Sequence

from leeway_pb.v1.feedback_pb2 import FeedbackReceived

from services.feedback.domain import FIXED_LABELS, Feedback, read_feedback
from shared.batches import Draft, Refused, drafts_of, items_of, store
from shared.clock import Clock, micros
from shared.content import kept_name, kept_tags, kept_text
from shared.fields import Fields
from shared.ids import new_id
from shared.live import Caller, LiveView
from shared.log.record import Fact, Outbox
from shared.topics import FEEDBACK_RECEIVED


class Intake:
    """Takes feedback. When it answers, the accepted items are stored."""

    def __init__(self, outbox: Outbox, live: LiveView, clock: Clock) -> None:
        self._outbox = outbox
        self._live = live
        self._clock = clock

    async def feedback(self, caller: Caller, body: bytes) -> Sequence[Draft | Refused]:
        """Store the feedback of a body of POST /v1/feedback. Raises `Invalid` and `Unavailable`."""
        now = self._clock.now()
        policy = self._live.content_policy(caller.tenant)

        def read(item: Fields) -> Feedback:
            feedback = read_feedback(item, fresh_id=new_id(), now=now)
            fault = self._live.misplaced(caller, feedback.environment)
            if fault:
                item.fault("environment", fault)
            return feedback

        def drafts() -> Sequence[Draft | Refused]:
            return drafts_of(
                items_of(body, "feedback", bare=True),
                read,
                lambda feedback: feedback_fact(feedback, caller, policy),
            )

        return await store(drafts, len(body), self._outbox)


def feedback_fact(feedback: Feedback, caller: Caller, policy: str) -> Fact:
    """The fact of a piece of feedback: tenant and key from the caller, the rest by the tenant's policy."""
    message = FeedbackReceived(
        feedback_id=feedback.feedback_id,
        tenant=caller.tenant,
        project=caller.project,
        environment=kept_name(feedback.environment, policy) or caller.environment,
        interaction_id=feedback.interaction_id,
        session_id=kept_name(feedback.session_id, policy),
        kind=feedback.kind,
        name=kept_name(feedback.name, policy),
        value=feedback.value,
        label=_label(feedback, policy),
        text=kept_text(feedback.text, policy),
        ranking=[kept_name(one, policy) for one in feedback.ranking],
        rater_id=kept_name(feedback.rater.rater_id, policy),
        rater_kind=feedback.rater.kind,
        observed_at_us=micros(feedback.observed_at),
        source=kept_name(feedback.source, policy),
        supersedes=feedback.supersedes,
        tags=kept_tags(feedback.tags, policy),
        key_id=caller.key_id,
    )
    _put_optional(message, feedback, policy)
    return Fact(
        topic=FEEDBACK_RECEIVED,
        key=caller.tenant,
        event_id=feedback.feedback_id,
        value=message.SerializeToString(),
    )


def _label(feedback: Feedback, policy: str) -> str:
    """The label: one of a few words for some kinds, and what somebody wrote for the others."""
    fixed = feedback.kind in FIXED_LABELS
    return feedback.label if fixed else kept_text(feedback.label, policy)


def _put_optional(message: FeedbackReceived, feedback: Feedback, policy: str) -> None:
    if feedback.about_at is not None:
        message.about_at_us = micros(feedback.about_at)
    if feedback.scale is not None:
        message.range_min, message.range_max = feedback.scale
    preference = feedback.preference
    if preference is None:
        return
    message.chosen = kept_name(preference.chosen, policy)
    message.rejected = kept_name(preference.rejected, policy)
    if preference.chosen_position is not None:
        message.chosen_position = preference.chosen_position
    if preference.rejected_position is not None:
        message.rejected_position = preference.rejected_position
