"""Drift, built: one consumer over what is asked, what is said of it, and how it is scored."""

from services.drift.domain import Policy
from services.drift.fleet import Fleet
from services.drift.places import Places
from services.drift.settings import Hosting, Settings
from services.drift.store import Shelf, StoredPlaces
from services.drift.stream import DriftHandler
from services.drift.whereabouts import Whereabouts
from services.drift.windows import Terms, Windows
from shared.clickhouse import ClickHouse
from shared.embedding import WordLlamaEmbedder
from shared.lifecycle import App, Group, Host
from shared.log.consumer import ConsumerLimits
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED, INTERACTION_SCORED

TOPICS = (INTERACTION_COMPLETED, FEEDBACK_RECEIVED, INTERACTION_SCORED)


def build(settings: Settings, host: Host) -> App:
    """The embedder is loaded and the shelf cleared before the first batch."""
    embedder = WordLlamaEmbedder()
    shelf = Shelf(host.data / "drift" / "shelf.sqlite")
    fleet = Fleet(_policy(settings), shelf, settings.resident_streams, settings.streams_per_tenant)
    clickhouse = ClickHouse(host.clickhouse)
    places = Places(
        Whereabouts(settings.remembered_interactions, settings.remembered_interactions_in_all),
        StoredPlaces(clickhouse, settings.lookup_seconds),
        host.clock,
    )
    handler = DriftHandler(embedder, fleet, Windows(_terms(settings)), places, host.clock)
    consumer = _consumer(settings, host, handler)
    return App("drift", resources=(embedder, shelf, clickhouse), tasks=[consumer.run])


def _consumer(settings: Settings, host: Host, handler: DriftHandler) -> Group:
    if settings.host is Hosting.FAUST and host.tabled is not None:
        return host.tabled("drift", TOPICS, handler, ConsumerLimits(), settings.stall_seconds)
    return host.group("drift", TOPICS, handler, ConsumerLimits())


def _terms(settings: Settings) -> Terms:
    return Terms(
        window_seconds=settings.window_seconds,
        grace_seconds=settings.grace_seconds,
        most_of_tenant=settings.streams_per_tenant,
    )


def _policy(settings: Settings) -> Policy:
    return Policy(
        reference_size=settings.reference_size,
        quality_reference_size=settings.quality_reference_size,
        target_run_length=settings.target_run_length,
        cooldown=settings.cooldown_observations,
        relearn_after=settings.relearn_after_repeats,
        seed=settings.seed,
    )
