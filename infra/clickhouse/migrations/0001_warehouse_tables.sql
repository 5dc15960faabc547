-- The raw fact tables: a column for each field of the fact's message, and the record's position.
-- Owner: warehouse
-- Why: facts are inserted as protobuf bytes, so columns follow protos/leeway_pb/v1; times are clamped to DateTime64's 1900-2299.
-- Undo: none; facts live here.

CREATE TABLE IF NOT EXISTS leeway.interactions (
    interaction_id String,
    tenant LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    key_id LowCardinality(String),
    kind LowCardinality(String),
    source LowCardinality(String),
    status LowCardinality(String),
    error_type LowCardinality(String),
    error_message String,
    http_status UInt32,
    provider LowCardinality(String),
    request_model LowCardinality(String),
    response_model LowCardinality(String),
    streaming Bool,
    started_at_us Int64,
    ended_at_us Int64,
    first_token_at_us Nullable(Int64),
    finish_reasons Array(LowCardinality(String)),
    input_tokens Nullable(UInt64),
    output_tokens Nullable(UInt64),
    cache_read_tokens Nullable(UInt64),
    cache_write_tokens Nullable(UInt64),
    reasoning_tokens Nullable(UInt64),
    usage_json String CODEC(ZSTD(1)),
    usage_dialect LowCardinality(String),
    service_tier LowCardinality(String),
    session_id String,
    user_id String,
    trace_id String,
    span_id String,
    parent_span_id String,
    prompt_name LowCardinality(String),
    prompt_version LowCardinality(String),
    tags Map(LowCardinality(String), String),
    content_policy LowCardinality(String),
    input_messages String CODEC(ZSTD(1)),
    output_messages String CODEC(ZSTD(1)),
    input_text String CODEC(ZSTD(1)),
    output_text String CODEC(ZSTD(1)),
    request_options String CODEC(ZSTD(1)),
    embedding Array(Float32) CODEC(ZSTD(1)),
    decision LowCardinality(String),
    decision_score Nullable(Float64),
    features String CODEC(ZSTD(1)),
    attempts Array(Tuple(
        provider String, model String, started_at_us Int64, ended_at_us Int64,
        status String, http_status UInt32, error_type String)),
    time_suspect Bool,
    first_token_at Nullable(DateTime64(6, 'UTC')) MATERIALIZED fromUnixTimestamp64Micro(clamp(first_token_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    started_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(started_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    ended_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(ended_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX started_at_range started_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND interaction_id != '',
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, interaction_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS leeway.spans (
    trace_id String,
    span_id String,
    parent_span_id String,
    tenant LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    name LowCardinality(String),
    kind LowCardinality(String),
    status LowCardinality(String),
    status_message String,
    started_at_us Int64,
    ended_at_us Int64,
    service_name LowCardinality(String),
    session_id String,
    user_id String,
    attributes Map(LowCardinality(String), String),
    events String CODEC(ZSTD(1)),
    time_suspect Bool,
    started_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(started_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    ended_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(ended_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX started_at_range started_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND trace_id != '' AND span_id != '',
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, trace_id, span_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS leeway.feedback (
    feedback_id String,
    tenant LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    interaction_id String,
    session_id String,
    kind LowCardinality(String),
    name LowCardinality(String),
    value Nullable(Float64),
    range_min Nullable(Float64),
    range_max Nullable(Float64),
    label LowCardinality(String),
    text String CODEC(ZSTD(1)),
    ranking Array(String),
    chosen String,
    rejected String,
    chosen_position Nullable(UInt32),
    rejected_position Nullable(UInt32),
    rater_id String,
    rater_kind LowCardinality(String),
    about_at_us Nullable(Int64),
    observed_at_us Int64,
    source LowCardinality(String),
    supersedes String,
    tags Map(LowCardinality(String), String),
    key_id LowCardinality(String),
    about_at Nullable(DateTime64(6, 'UTC')) MATERIALIZED fromUnixTimestamp64Micro(clamp(about_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    observed_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(observed_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX observed_at_range observed_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND feedback_id != '',
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, feedback_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS leeway.scores (
    score_id String,
    tenant LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    interaction_id String,
    request_model LowCardinality(String),
    evaluator LowCardinality(String),
    evaluator_version LowCardinality(String),
    value Nullable(Float64),
    label LowCardinality(String),
    passed Nullable(Bool),
    explanation String CODEC(ZSTD(1)),
    scored_at_us Int64,
    started_at_us Int64,
    scored_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(scored_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    started_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(started_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX started_at_range started_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND score_id != '',
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, score_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS leeway.embeddings (
    interaction_id String,
    tenant LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    request_model LowCardinality(String),
    embedder LowCardinality(String),
    part LowCardinality(String),
    vector Array(Float32) CODEC(ZSTD(1)),
    started_at_us Int64,
    started_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(started_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX started_at_range started_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND interaction_id != '',
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, interaction_id, embedder, part)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS leeway.usage (
    usage_id String,
    interaction_id String,
    tenant LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    key_id LowCardinality(String),
    provider LowCardinality(String),
    request_model LowCardinality(String),
    response_model LowCardinality(String),
    status LowCardinality(String),
    reason LowCardinality(String),
    cost_usd Nullable(String),
    tokens Map(LowCardinality(String), UInt64),
    cost_by_class_usd Map(LowCardinality(String), String),
    price_ids Map(LowCardinality(String), String),
    started_at_us Int64,
    rated_at_us Int64,
    session_id String,
    user_id String,
    tags Map(LowCardinality(String), String),
    started_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(started_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    rated_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(rated_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    cost Nullable(Decimal(38, 18)) MATERIALIZED toDecimal128(cost_usd, 18),
    cost_by_class Map(LowCardinality(String), Decimal(38, 18)) MATERIALIZED
        mapApply((class, amount) -> (class, toDecimal128(amount, 18)), cost_by_class_usd),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX started_at_range started_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND usage_id != '',
    CONSTRAINT cost_is_exact CHECK cost_usd IS NULL OR match(cost_usd, '^-?[0-9]{1,20}([.][0-9]{1,18})?$'),
    CONSTRAINT cost_by_class_is_exact CHECK arrayAll(
        amount -> match(amount, '^-?[0-9]{1,20}([.][0-9]{1,18})?$'), mapValues(cost_by_class_usd)),
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, usage_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS leeway.detections (
    detection_id String,
    tenant LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    request_model LowCardinality(String),
    feature LowCardinality(String),
    detector LowCardinality(String),
    statistic Float64,
    threshold Float64,
    target_run_length Float64,
    reference_size UInt64,
    window_size UInt64,
    change_at_us Int64,
    detected_at_us Int64,
    direction LowCardinality(String),
    summary String,
    evidence String CODEC(ZSTD(1)),
    interaction_ids Array(String),
    change_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(change_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    detected_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(detected_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX detected_at_range detected_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND detection_id != '',
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, detection_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS leeway.alerts (
    alert_id String,
    tenant LowCardinality(String),
    rule LowCardinality(String),
    dedupe_key String,
    state LowCardinality(String),
    severity LowCardinality(String),
    title String,
    body String CODEC(ZSTD(1)),
    occurrences UInt64,
    started_at_us Int64,
    changed_at_us Int64,
    evidence String CODEC(ZSTD(1)),
    started_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(started_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    changed_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(changed_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX changed_at_range changed_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND alert_id != '',
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, alert_id, changed_at_us)
SETTINGS non_replicated_deduplication_window = 10000;
