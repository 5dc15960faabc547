from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DriftMeasured(_message.Message):
    __slots__ = ("window_id", "tenant", "environment", "request_model", "feature", "variant", "begins_at_us", "window_seconds", "rows", "late_rows", "total", "lowest", "highest", "watched_rows", "mean_statistic", "highest_statistic", "threshold", "_producer", "_epoch", "_seq", "_partition", "_offset", "_accepted_at_us")
    WINDOW_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MODEL_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    BEGINS_AT_US_FIELD_NUMBER: _ClassVar[int]
    WINDOW_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    LATE_ROWS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    LOWEST_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_FIELD_NUMBER: _ClassVar[int]
    WATCHED_ROWS_FIELD_NUMBER: _ClassVar[int]
    MEAN_STATISTIC_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_STATISTIC_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    _PRODUCER_FIELD_NUMBER: _ClassVar[int]
    _EPOCH_FIELD_NUMBER: _ClassVar[int]
    _SEQ_FIELD_NUMBER: _ClassVar[int]
    _PARTITION_FIELD_NUMBER: _ClassVar[int]
    _OFFSET_FIELD_NUMBER: _ClassVar[int]
    _ACCEPTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    window_id: str
    tenant: str
    environment: str
    request_model: str
    feature: str
    variant: str
    begins_at_us: int
    window_seconds: int
    rows: int
    late_rows: int
    total: float
    lowest: float
    highest: float
    watched_rows: int
    mean_statistic: float
    highest_statistic: float
    threshold: float
    _producer: str
    _epoch: str
    _seq: int
    _partition: int
    _offset: int
    _accepted_at_us: int
    def __init__(self, window_id: _Optional[str] = ..., tenant: _Optional[str] = ..., environment: _Optional[str] = ..., request_model: _Optional[str] = ..., feature: _Optional[str] = ..., variant: _Optional[str] = ..., begins_at_us: _Optional[int] = ..., window_seconds: _Optional[int] = ..., rows: _Optional[int] = ..., late_rows: _Optional[int] = ..., total: _Optional[float] = ..., lowest: _Optional[float] = ..., highest: _Optional[float] = ..., watched_rows: _Optional[int] = ..., mean_statistic: _Optional[float] = ..., highest_statistic: _Optional[float] = ..., threshold: _Optional[float] = ..., _producer: _Optional[str] = ..., _epoch: _Optional[str] = ..., _seq: _Optional[int] = ..., _partition: _Optional[int] = ..., _offset: _Optional[int] = ..., _accepted_at_us: _Optional[int] = ...) -> None: ...
