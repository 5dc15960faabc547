"""The cache of a worker: in its memory, and where there is a server of all workers also there."""

from services.serving.cache.answers import AnswerCache
from services.serving.cache.everywhere import ForgettingEverywhere
from services.serving.cache.local import LocalCache
from services.serving.cache.meaning import Meaning
from services.serving.cache.valkey import ValkeyCache
from services.serving.settings import Settings
from services.serving.state.opening import OpenState
from services.serving.state.valkey import ValkeyState
from shared.embedding import Embedder
from shared.lifecycle import Host


def worker_memory(settings: Settings, host: Host, state: OpenState) -> ForgettingEverywhere:
    """What one worker keeps in memory; its `run` is a task of the process."""
    memory = LocalCache(
        host.clock, capacity_bytes=settings.cache_bytes, questions=settings.cache_questions
    )
    return ForgettingEverywhere(memory, state, host.clock)


def answer_cache(
    settings: Settings,
    host: Host,
    embedder: Embedder,
    state: OpenState,
    memory: ForgettingEverywhere,
) -> AnswerCache:
    """The cache as calls use it."""
    shared = (
        ValkeyCache(state.server, host.clock, questions=settings.cache_questions)
        if isinstance(state, ValkeyState)
        else memory
    )
    return AnswerCache(
        host.live,
        host.clock,
        Meaning(embedder),
        memory,
        shared,
        max_answer_bytes=settings.cache_max_answer_bytes,
    )
