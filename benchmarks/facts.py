"""Facts as production makes them: an interaction of about 1.5 KB, serialized, each with an id of its own."""

from collections.abc import Iterator

from shared.ids import new_id
from shared.log.record import Fact
from shared.topics import INTERACTION_COMPLETED
from tests.builders import an_interaction_completed

QUESTION = "The thermostat shows E4 after last night's power cut and will not pair again. " * 3
ANSWER = "Hold the wheel for ten seconds until the ring turns amber, then choose your network. " * 3
MESSAGES = '[{"role":"user","content":"%s"}]'


def facts(count: int, tenant: str = "acme") -> Iterator[Fact]:
    """That many facts of one tenant."""
    message = an_interaction_completed(
        tenant=tenant,
        usage_json='{"prompt_tokens":61,"completion_tokens":58,"total_tokens":119}',
        usage_dialect="openai",
        session_id="session-7",
        user_id="user-7",
        tags={"team": "support", "release": "2026.11"},
        input_messages=MESSAGES % QUESTION,
        output_messages=MESSAGES % ANSWER,
        input_text=QUESTION,
        output_text=ANSWER,
        request_options='{"temperature":0.2,"max_tokens":400}',
    )
    for _ in range(count):
        message.interaction_id = new_id()
        yield Fact(
            INTERACTION_COMPLETED, tenant, message.interaction_id, message.SerializeToString()
        )
