"""interaction.completed.v1 in, usage.rated.v1 out: decode, rate, encode."""

from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.usage_pb2 import UsageRated

from services.billing.domain import DUPLICATE, Ending, rated
from services.billing.served import AppSpan, Served
from shared.clock import Clock, from_micros, micros
from shared.errors import Rejected
from shared.ids import derived_id
from shared.log.record import DeadLetter, Effect, Fact, Record
from shared.prices.book import Book
from shared.prices.exact import decimal_text
from shared.prices.rate import Call, Rating
from shared.topics import USAGE_RATED


class Rater:
    """Rates each interaction once: the fact of a repeat has the same ids, and takes its place.

    A call through the gateway may be told again, by the app's own instrumentation. What was served is
    remembered before a batch is rated, so that the order within it does not matter. A span that was
    rated in an earlier batch than its served call keeps its price.
    """

    def __init__(self, book: Book, served: Served, clock: Clock) -> None:
        self._book = book
        self._served = served
        self._clock = clock

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over what was served."""
        self._served.restore(states)

    async def handle(self, records: Sequence[Record]) -> Effect:
        interactions: list[tuple[Record, InteractionCompleted]] = []
        facts: dict[str, Fact] = {}
        dead: list[DeadLetter] = []
        for record in records:
            try:
                interactions.append((record, _decoded(record)))
            except Rejected as rejected:
                dead.append(DeadLetter(record, rejected.message))
        states = self._served.remember(_span_around(i) for _, i in interactions if _was_served(i))
        for record, interaction in interactions:
            try:
                fact = self._rate(interaction)
            except Rejected as rejected:
                dead.append(DeadLetter(record, rejected.message))
                continue
            facts[fact.event_id] = fact
        return Effect(facts=[*facts.values()], dead_letters=dead, states=states)

    def _rate(self, interaction: InteractionCompleted) -> Fact:
        usage = _usage(interaction, self._rating(interaction), micros(self._clock.now()))
        return Fact(
            topic=USAGE_RATED,
            key=interaction.tenant,
            event_id=derived_id("usage", interaction.tenant, interaction.interaction_id),
            value=usage.SerializeToString(deterministic=True),
        )

    def _rating(self, interaction: InteractionCompleted) -> Rating:
        if interaction.source == "otlp" and _span_of(interaction) in self._served:
            return DUPLICATE
        ending = Ending(interaction.kind, interaction.status, interaction.streaming)
        return rated(self._book, _call(interaction), ending)


def _was_served(interaction: InteractionCompleted) -> bool:
    """Whether the gateway answered, under a span of the caller's: one that it failed may be made elsewhere."""
    answered = interaction.source == "serving" and interaction.status != "error"
    return answered and bool(interaction.trace_id and interaction.parent_span_id)


def _span_around(interaction: InteractionCompleted) -> AppSpan:
    return AppSpan(interaction.tenant, interaction.trace_id, interaction.parent_span_id)


def _span_of(interaction: InteractionCompleted) -> AppSpan:
    return AppSpan(interaction.tenant, interaction.trace_id, interaction.span_id)


def _decoded(record: Record) -> InteractionCompleted:
    try:
        interaction = InteractionCompleted.FromString(record.value)
    except DecodeError as fault:
        raise Rejected(f"The value is no InteractionCompleted: {fault}.") from fault
    if not interaction.tenant or not interaction.interaction_id:
        raise Rejected("The interaction names no tenant or has no id.")
    return interaction


def _call(interaction: InteractionCompleted) -> Call:
    """The call to price: as the last upstream that was tried says, then as it was asked, then as named here."""
    last = interaction.attempts[-1] if interaction.attempts else None
    try:
        at = from_micros(interaction.started_at_us)
    except OverflowError as fault:
        raise Rejected(f"started_at_us is no time: {interaction.started_at_us}.") from fault
    # An interrupted answer of the gateway carries the deltas that it passed on; other sources do not.
    estimate = interaction.output_tokens if interaction.source == "serving" else 0
    return Call(
        provider=interaction.provider or (last.provider if last else ""),
        models=(
            interaction.response_model,
            last.model if last else "",
            interaction.request_model,
        ),
        usage_json=interaction.usage_json,
        dialect=interaction.usage_dialect,
        service_tier=interaction.service_tier,
        at=at,
        # A finish reason comes with the last event of an answer, even of one whose reader had left.
        ended=interaction.status == "ok" or bool(interaction.finish_reasons),
        output_estimate=estimate,
        kept=bool(interaction.cache),
    )


def _usage(interaction: InteractionCompleted, rating: Rating, rated_at_us: int) -> UsageRated:
    """The fact. Seconds of audio are no tokens: they stand in the cost by class and the raw usage."""
    tokens = {name: str(n) for name, n in rating.tokens.items() if isinstance(n, int)}
    costs = {name: decimal_text(cost) for name, cost in rating.cost_by_class_usd.items()}
    return UsageRated(
        usage_id=interaction.interaction_id,
        interaction_id=interaction.interaction_id,
        tenant=interaction.tenant,
        project=interaction.project,
        environment=interaction.environment,
        key_id=interaction.key_id,
        provider=interaction.provider,
        request_model=interaction.request_model,
        response_model=interaction.response_model,
        status=rating.status,
        reason=rating.reason,
        cost_usd=None if rating.cost_usd is None else decimal_text(rating.cost_usd),
        tokens=tokens,
        cost_by_class_usd=costs,
        price_ids=rating.price_ids,
        started_at_us=interaction.started_at_us,
        rated_at_us=rated_at_us,
        session_id=interaction.session_id,
        user_id=interaction.user_id,
        tags=interaction.tags,
    )
