from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class FeedbackReceived(_message.Message):
    __slots__ = ("feedback_id", "tenant", "project", "environment", "interaction_id", "session_id", "kind", "name", "value", "range_min", "range_max", "label", "text", "ranking", "chosen", "rejected", "chosen_position", "rejected_position", "rater_id", "rater_kind", "about_at_us", "observed_at_us", "source", "supersedes", "tags", "key_id", "_producer", "_epoch", "_seq", "_partition", "_offset", "_accepted_at_us")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    INTERACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    RANGE_MIN_FIELD_NUMBER: _ClassVar[int]
    RANGE_MAX_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_POSITION_FIELD_NUMBER: _ClassVar[int]
    REJECTED_POSITION_FIELD_NUMBER: _ClassVar[int]
    RATER_ID_FIELD_NUMBER: _ClassVar[int]
    RATER_KIND_FIELD_NUMBER: _ClassVar[int]
    ABOUT_AT_US_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_US_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    _PRODUCER_FIELD_NUMBER: _ClassVar[int]
    _EPOCH_FIELD_NUMBER: _ClassVar[int]
    _SEQ_FIELD_NUMBER: _ClassVar[int]
    _PARTITION_FIELD_NUMBER: _ClassVar[int]
    _OFFSET_FIELD_NUMBER: _ClassVar[int]
    _ACCEPTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    tenant: str
    project: str
    environment: str
    interaction_id: str
    session_id: str
    kind: str
    name: str
    value: float
    range_min: float
    range_max: float
    label: str
    text: str
    ranking: _containers.RepeatedScalarFieldContainer[str]
    chosen: str
    rejected: str
    chosen_position: int
    rejected_position: int
    rater_id: str
    rater_kind: str
    about_at_us: int
    observed_at_us: int
    source: str
    supersedes: str
    tags: _containers.ScalarMap[str, str]
    key_id: str
    _producer: str
    _epoch: str
    _seq: int
    _partition: int
    _offset: int
    _accepted_at_us: int
    def __init__(self, feedback_id: _Optional[str] = ..., tenant: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., interaction_id: _Optional[str] = ..., session_id: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., value: _Optional[float] = ..., range_min: _Optional[float] = ..., range_max: _Optional[float] = ..., label: _Optional[str] = ..., text: _Optional[str] = ..., ranking: _Optional[_Iterable[str]] = ..., chosen: _Optional[str] = ..., rejected: _Optional[str] = ..., chosen_position: _Optional[int] = ..., rejected_position: _Optional[int] = ..., rater_id: _Optional[str] = ..., rater_kind: _Optional[str] = ..., about_at_us: _Optional[int] = ..., observed_at_us: _Optional[int] = ..., source: _Optional[str] = ..., supersedes: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., key_id: _Optional[str] = ..., _producer: _Optional[str] = ..., _epoch: _Optional[str] = ..., _seq: _Optional[int] = ..., _partition: _Optional[int] = ..., _offset: _Optional[int] = ..., _accepted_at_us: _Optional[int] = ...) -> None: ...
