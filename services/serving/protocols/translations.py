"""Every translation, by the kind of request that it makes a chat of."""

from collections.abc import Mapping

from services.serving.domain.request import Kind
from services.serving.protocols.completions import answering as completions_answering
from services.serving.protocols.completions import asking as completions_asking
from services.serving.protocols.completions.events import CompletionRetelling
from services.serving.protocols.messages import answering as messages_answering
from services.serving.protocols.messages import asking as messages_asking
from services.serving.protocols.messages.events import MessageRetelling
from services.serving.protocols.port import Translation
from services.serving.protocols.responses import answering as responses_answering
from services.serving.protocols.responses import asking as responses_asking
from services.serving.protocols.responses.events import ResponseRetelling

MESSAGES = Translation(
    Kind.MESSAGE,
    messages_asking.chat_request,
    messages_answering.message_reply,
    MessageRetelling,
)
RESPONSES = Translation(
    Kind.RESPONSE,
    responses_asking.chat_request,
    responses_answering.response_reply,
    ResponseRetelling,
)
COMPLETIONS = Translation(
    Kind.COMPLETION,
    completions_asking.chat_request,
    completions_answering.completion_reply,
    CompletionRetelling,
)
TRANSLATIONS: Mapping[Kind, Translation] = {
    each.kind: each for each in (MESSAGES, RESPONSES, COMPLETIONS)
}
