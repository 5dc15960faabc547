from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordRequest(_message.Message):
    __slots__ = ("interactions",)
    INTERACTIONS_FIELD_NUMBER: _ClassVar[int]
    interactions: _containers.RepeatedCompositeFieldContainer[InteractionDraft]
    def __init__(self, interactions: _Optional[_Iterable[_Union[InteractionDraft, _Mapping]]] = ...) -> None: ...

class InteractionDraft(_message.Message):
    __slots__ = ("id", "kind", "status", "model", "provider", "response_model", "started_at_us", "ended_at_us", "first_token_at_us", "streaming", "input", "input_messages", "output", "output_messages", "options", "usage", "usage_dialect", "finish_reasons", "error", "session_id", "user_id", "trace_id", "span_id", "parent_span_id", "prompt", "environment", "tags", "embedding", "decision", "decision_score", "features")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_MODEL_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_AT_US_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    USAGE_DIALECT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASONS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_SCORE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    status: str
    model: str
    provider: str
    response_model: str
    started_at_us: int
    ended_at_us: int
    first_token_at_us: int
    streaming: bool
    input: str
    input_messages: str
    output: str
    output_messages: str
    options: str
    usage: str
    usage_dialect: str
    finish_reasons: _containers.RepeatedScalarFieldContainer[str]
    error: CallError
    session_id: str
    user_id: str
    trace_id: str
    span_id: str
    parent_span_id: str
    prompt: PromptUsed
    environment: str
    tags: _containers.ScalarMap[str, str]
    embedding: _containers.RepeatedScalarFieldContainer[float]
    decision: str
    decision_score: float
    features: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., status: _Optional[str] = ..., model: _Optional[str] = ..., provider: _Optional[str] = ..., response_model: _Optional[str] = ..., started_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., first_token_at_us: _Optional[int] = ..., streaming: _Optional[bool] = ..., input: _Optional[str] = ..., input_messages: _Optional[str] = ..., output: _Optional[str] = ..., output_messages: _Optional[str] = ..., options: _Optional[str] = ..., usage: _Optional[str] = ..., usage_dialect: _Optional[str] = ..., finish_reasons: _Optional[_Iterable[str]] = ..., error: _Optional[_Union[CallError, _Mapping]] = ..., session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., parent_span_id: _Optional[str] = ..., prompt: _Optional[_Union[PromptUsed, _Mapping]] = ..., environment: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., embedding: _Optional[_Iterable[float]] = ..., decision: _Optional[str] = ..., decision_score: _Optional[float] = ..., features: _Optional[str] = ...) -> None: ...

class CallError(_message.Message):
    __slots__ = ("type", "message", "status")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    type: str
    message: str
    status: int
    def __init__(self, type: _Optional[str] = ..., message: _Optional[str] = ..., status: _Optional[int] = ...) -> None: ...

class PromptUsed(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class RecordReply(_message.Message):
    __slots__ = ("accepted", "rejected", "verdicts")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    rejected: int
    verdicts: _containers.RepeatedCompositeFieldContainer[Verdict]
    def __init__(self, accepted: _Optional[int] = ..., rejected: _Optional[int] = ..., verdicts: _Optional[_Iterable[_Union[Verdict, _Mapping]]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("id", "faults")
    ID_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    faults: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., faults: _Optional[_Iterable[str]] = ...) -> None: ...
