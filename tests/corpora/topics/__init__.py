"""The corpus of the wire: of each topic one fact as it really is, in protobuf's text format."""

from pathlib import Path
from typing import get_args

from google.protobuf import text_format

from leeway_pb.v1.alert_pb2 import AlertChanged
from leeway_pb.v1.detection_pb2 import DriftDetected
from leeway_pb.v1.embedding_pb2 import InteractionEmbedded
from leeway_pb.v1.feedback_pb2 import FeedbackReceived
from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.measurement_pb2 import DriftMeasured
from leeway_pb.v1.registry_pb2 import RegistryChanged
from leeway_pb.v1.score_pb2 import InteractionScored
from leeway_pb.v1.span_pb2 import SpanEnded
from leeway_pb.v1.usage_pb2 import UsageRated

from shared.topics import Topic

FOLDER = Path(__file__).parent

TopicMessage = (
    InteractionCompleted
    | SpanEnded
    | FeedbackReceived
    | InteractionScored
    | InteractionEmbedded
    | UsageRated
    | DriftDetected
    | DriftMeasured
    | AlertChanged
    | RegistryChanged
)


def message_type(topic: Topic) -> type[TopicMessage]:
    """The class of a topic's messages."""
    kinds: tuple[type[TopicMessage], ...] = get_args(TopicMessage)
    return {kind.DESCRIPTOR.name: kind for kind in kinds}[topic.message]


def an_example(topic: Topic) -> TopicMessage:
    """The topic's example. A field that its message does not have is an error."""
    text = (FOLDER / f"{topic.name}.textproto").read_text(encoding="utf-8")
    return text_format.Parse(text, message_type(topic)())


def wire(message: TopicMessage) -> bytes:
    """A message as bytes, the same each time: maps are sorted."""
    return message.SerializeToString(deterministic=True)
