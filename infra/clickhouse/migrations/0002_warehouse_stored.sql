-- The accounting: how many facts of each topic, tenant and minute of acceptance were stored.
-- Owner: warehouse
-- Why: accepted = stored + quarantined + in flight must add up; every inserted row is counted once, replays are not.
-- Undo: drop the views, then the table; counts restart from the next insert.

CREATE TABLE IF NOT EXISTS leeway.stored (
    topic LowCardinality(String),
    tenant LowCardinality(String),
    minute DateTime('UTC'),
    facts UInt64
)
ENGINE = SummingMergeTree
ORDER BY (topic, tenant, minute)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_interactions TO leeway.stored AS
SELECT
    'interaction.completed.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.interactions
GROUP BY topic, tenant, minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_spans TO leeway.stored AS
SELECT
    'span.ended.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.spans
GROUP BY topic, tenant, minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_feedback TO leeway.stored AS
SELECT
    'feedback.received.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.feedback
GROUP BY topic, tenant, minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_scores TO leeway.stored AS
SELECT
    'interaction.scored.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.scores
GROUP BY topic, tenant, minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_embeddings TO leeway.stored AS
SELECT
    'interaction.embedded.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.embeddings
GROUP BY topic, tenant, minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_usage TO leeway.stored AS
SELECT
    'usage.rated.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.usage
GROUP BY topic, tenant, minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_detections TO leeway.stored AS
SELECT
    'drift.detected.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.detections
GROUP BY topic, tenant, minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS leeway.stored_alerts TO leeway.stored AS
SELECT
    'alert.changed.v1' AS topic,
    tenant,
    toDateTime(intDiv(_accepted_at_us, 60000000) * 60, 'UTC') AS minute,
    count() AS facts
FROM leeway.alerts
GROUP BY topic, tenant, minute;
