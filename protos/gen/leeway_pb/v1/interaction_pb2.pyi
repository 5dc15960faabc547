from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Attempt(_message.Message):
    __slots__ = ("provider", "model", "started_at_us", "ended_at_us", "status", "http_status", "error_type", "cost_usd", "key", "hedged")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    HEDGED_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model: str
    started_at_us: int
    ended_at_us: int
    status: str
    http_status: int
    error_type: str
    cost_usd: str
    key: str
    hedged: bool
    def __init__(self, provider: _Optional[str] = ..., model: _Optional[str] = ..., started_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., status: _Optional[str] = ..., http_status: _Optional[int] = ..., error_type: _Optional[str] = ..., cost_usd: _Optional[str] = ..., key: _Optional[str] = ..., hedged: _Optional[bool] = ...) -> None: ...

class InteractionCompleted(_message.Message):
    __slots__ = ("interaction_id", "tenant", "project", "environment", "key_id", "kind", "source", "status", "error_type", "error_message", "http_status", "provider", "request_model", "response_model", "streaming", "started_at_us", "ended_at_us", "first_token_at_us", "finish_reasons", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "usage_json", "usage_dialect", "service_tier", "session_id", "user_id", "trace_id", "span_id", "parent_span_id", "prompt_name", "prompt_version", "tags", "content_policy", "input_messages", "output_messages", "input_text", "output_text", "request_options", "embedding", "decision", "decision_score", "features", "attempts", "time_suspect", "cache", "cache_saved_usd", "_producer", "_epoch", "_seq", "_partition", "_offset", "_accepted_at_us")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INTERACTION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MODEL_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_MODEL_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_AT_US_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASONS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_READ_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_TOKENS_FIELD_NUMBER: _ClassVar[int]
    USAGE_JSON_FIELD_NUMBER: _ClassVar[int]
    USAGE_DIALECT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIER_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_NAME_FIELD_NUMBER: _ClassVar[int]
    PROMPT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_POLICY_FIELD_NUMBER: _ClassVar[int]
    INPUT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    INPUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_SCORE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    TIME_SUSPECT_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    CACHE_SAVED_USD_FIELD_NUMBER: _ClassVar[int]
    _PRODUCER_FIELD_NUMBER: _ClassVar[int]
    _EPOCH_FIELD_NUMBER: _ClassVar[int]
    _SEQ_FIELD_NUMBER: _ClassVar[int]
    _PARTITION_FIELD_NUMBER: _ClassVar[int]
    _OFFSET_FIELD_NUMBER: _ClassVar[int]
    _ACCEPTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    interaction_id: str
    tenant: str
    project: str
    environment: str
    key_id: str
    kind: str
    source: str
    status: str
    error_type: str
    error_message: str
    http_status: int
    provider: str
    request_model: str
    response_model: str
    streaming: bool
    started_at_us: int
    ended_at_us: int
    first_token_at_us: int
    finish_reasons: _containers.RepeatedScalarFieldContainer[str]
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    usage_json: str
    usage_dialect: str
    service_tier: str
    session_id: str
    user_id: str
    trace_id: str
    span_id: str
    parent_span_id: str
    prompt_name: str
    prompt_version: str
    tags: _containers.ScalarMap[str, str]
    content_policy: str
    input_messages: str
    output_messages: str
    input_text: str
    output_text: str
    request_options: str
    embedding: _containers.RepeatedScalarFieldContainer[float]
    decision: str
    decision_score: float
    features: str
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    time_suspect: bool
    cache: str
    cache_saved_usd: str
    _producer: str
    _epoch: str
    _seq: int
    _partition: int
    _offset: int
    _accepted_at_us: int
    def __init__(self, interaction_id: _Optional[str] = ..., tenant: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., key_id: _Optional[str] = ..., kind: _Optional[str] = ..., source: _Optional[str] = ..., status: _Optional[str] = ..., error_type: _Optional[str] = ..., error_message: _Optional[str] = ..., http_status: _Optional[int] = ..., provider: _Optional[str] = ..., request_model: _Optional[str] = ..., response_model: _Optional[str] = ..., streaming: _Optional[bool] = ..., started_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., first_token_at_us: _Optional[int] = ..., finish_reasons: _Optional[_Iterable[str]] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cache_read_tokens: _Optional[int] = ..., cache_write_tokens: _Optional[int] = ..., reasoning_tokens: _Optional[int] = ..., usage_json: _Optional[str] = ..., usage_dialect: _Optional[str] = ..., service_tier: _Optional[str] = ..., session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., parent_span_id: _Optional[str] = ..., prompt_name: _Optional[str] = ..., prompt_version: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., content_policy: _Optional[str] = ..., input_messages: _Optional[str] = ..., output_messages: _Optional[str] = ..., input_text: _Optional[str] = ..., output_text: _Optional[str] = ..., request_options: _Optional[str] = ..., embedding: _Optional[_Iterable[float]] = ..., decision: _Optional[str] = ..., decision_score: _Optional[float] = ..., features: _Optional[str] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., time_suspect: _Optional[bool] = ..., cache: _Optional[str] = ..., cache_saved_usd: _Optional[str] = ..., _producer: _Optional[str] = ..., _epoch: _Optional[str] = ..., _seq: _Optional[int] = ..., _partition: _Optional[int] = ..., _offset: _Optional[int] = ..., _accepted_at_us: _Optional[int] = ...) -> None: ...
