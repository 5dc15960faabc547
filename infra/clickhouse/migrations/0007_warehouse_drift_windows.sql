-- Drift's windows: how each stream that is watched looked, minute by minute, and not only when it alarmed.
-- Owner: warehouse
-- Why: who is called at night wants to see what came before an alarm, and how near the others are.
-- Undo: drop leeway.stored_drift_windows and leeway.drift_windows_v1, then leeway.drift_windows.

CREATE TABLE IF NOT EXISTS leeway.drift_windows (
    window_id String,
    tenant LowCardinality(String),
    environment LowCardinality(String),
    request_model LowCardinality(String),
    feature LowCardinality(String),
    variant LowCardinality(String),
    begins_at_us Int64,
    window_seconds UInt32,
    rows UInt64,
    late_rows UInt64,
    total Nullable(Float64),
    lowest Nullable(Float64),
    highest Nullable(Float64),
    watched_rows UInt64,
    mean_statistic Nullable(Float64),
    highest_statistic Nullable(Float64),
    threshold Nullable(Float64),
    begins_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(begins_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    _producer LowCardinality(String),
    _epoch LowCardinality(String),
    _seq UInt64,
    _partition UInt32,
    _offset UInt64,
    _accepted_at_us Int64,
    _accepted_at DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(clamp(_accepted_at_us, -2208988800000000, 10413791999999999), 'UTC'),
    INDEX begins_at_range begins_at TYPE minmax GRANULARITY 1,
    CONSTRAINT is_named CHECK tenant != '' AND window_id != '',
    CONSTRAINT has_position CHECK _producer != '' AND _seq > 0 AND _accepted_at_us > 0
)
ENGINE = ReplacingMergeTree(_accepted_at)
PARTITION BY toYYYYMM(_accepted_at)
ORDER BY (tenant, request_model, feature, begins_at_us, window_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_drift_windows TO leeway.stored AS
SELECT
    'drift.measured.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.drift_windows
GROUP BY topic, tenant, minute;

CREATE OR REPLACE VIEW leeway.drift_windows_v1 AS
SELECT
    window_id,
    tenant,
    environment,
    request_model,
    feature,
    variant,
    begins_at,
    window_seconds,
    rows,
    late_rows,
    total / rows AS mean,
    lowest,
    highest,
    watched_rows,
    mean_statistic,
    highest_statistic,
    threshold,
    _accepted_at AS accepted_at
FROM leeway.drift_windows FINAL;
