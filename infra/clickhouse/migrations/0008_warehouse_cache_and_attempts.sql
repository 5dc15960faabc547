-- Answers from a cache with what they saved; attempts with their cost, their key, and whether they were hedges.
-- Owner: warehouse
-- Why: what a cache saves and what retries and hedges cost is asked by finance, call by call.
-- Undo: create the views of 0003 and 0005 again, then drop both columns; attempts may keep their wider type.

ALTER TABLE leeway.interactions ADD COLUMN IF NOT EXISTS cache LowCardinality(String) AFTER time_suspect;

ALTER TABLE leeway.interactions ADD COLUMN IF NOT EXISTS cache_saved_usd String AFTER cache;

ALTER TABLE leeway.interactions MODIFY COLUMN attempts Array(Tuple(
    provider String, model String, started_at_us Int64, ended_at_us Int64,
    status String, http_status UInt32, error_type String, cost_usd String, key String, hedged Bool));

CREATE OR REPLACE VIEW leeway.interactions_v1 AS
SELECT
    interaction_id,
    tenant,
    project,
    environment,
    key_id,
    kind,
    source,
    status,
    error_type,
    error_message,
    http_status,
    provider,
    request_model,
    response_model,
    streaming,
    started_at,
    ended_at,
    first_token_at,
    (ended_at_us - started_at_us) / 1e6 AS duration_seconds,
    (first_token_at_us - started_at_us) / 1e6 AS time_to_first_token_seconds,
    finish_reasons,
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    reasoning_tokens,
    usage_json,
    usage_dialect,
    service_tier,
    session_id,
    user_id,
    trace_id,
    span_id,
    parent_span_id,
    prompt_name,
    prompt_version,
    tags,
    content_policy,
    input_messages,
    output_messages,
    input_text,
    output_text,
    request_options,
    embedding,
    decision,
    decision_score,
    features,
    CAST(
        arrayMap(
            a -> (
                a.provider,
                a.model,
                fromUnixTimestamp64Micro(clamp(a.started_at_us, -2208988800000000, 10413791999999999), 'UTC'),
                fromUnixTimestamp64Micro(clamp(a.ended_at_us, -2208988800000000, 10413791999999999), 'UTC'),
                a.status,
                a.http_status,
                a.error_type,
                toDecimal128OrNull(a.cost_usd, 18),
                a.key,
                a.hedged
            ),
            attempts
        ),
        'Array(Tuple(provider String, model String, started_at DateTime64(6, \'UTC\'), ended_at DateTime64(6, \'UTC\'), status String, http_status UInt32, error_type String, cost_usd Nullable(Decimal(38, 18)), key String, hedged Bool))'
    ) AS attempts,
    time_suspect,
    _accepted_at AS accepted_at,
    cache,
    toDecimal128OrNull(cache_saved_usd, 18) AS cache_saved_usd
FROM leeway.interactions FINAL;

CREATE OR REPLACE VIEW leeway.calls_v1 AS
SELECT
    i.interaction_id AS interaction_id,
    i.tenant AS tenant,
    i.project AS project,
    i.environment AS environment,
    i.key_id AS key_id,
    i.kind AS kind,
    i.source AS source,
    i.status AS status,
    i.error_type AS error_type,
    i.error_message AS error_message,
    i.http_status AS http_status,
    i.provider AS provider,
    i.request_model AS request_model,
    i.response_model AS response_model,
    i.streaming AS streaming,
    i.started_at AS started_at,
    i.ended_at AS ended_at,
    i.first_token_at AS first_token_at,
    i.duration_seconds AS duration_seconds,
    i.time_to_first_token_seconds AS time_to_first_token_seconds,
    i.finish_reasons AS finish_reasons,
    i.input_tokens AS input_tokens,
    i.output_tokens AS output_tokens,
    i.cache_read_tokens AS cache_read_tokens,
    i.cache_write_tokens AS cache_write_tokens,
    i.reasoning_tokens AS reasoning_tokens,
    i.usage_json AS usage_json,
    i.usage_dialect AS usage_dialect,
    i.service_tier AS service_tier,
    i.session_id AS session_id,
    i.user_id AS user_id,
    i.trace_id AS trace_id,
    i.span_id AS span_id,
    i.parent_span_id AS parent_span_id,
    i.prompt_name AS prompt_name,
    i.prompt_version AS prompt_version,
    i.tags AS tags,
    i.content_policy AS content_policy,
    i.input_messages AS input_messages,
    i.output_messages AS output_messages,
    i.input_text AS input_text,
    i.output_text AS output_text,
    i.request_options AS request_options,
    i.embedding AS embedding,
    i.decision AS decision,
    i.decision_score AS decision_score,
    i.features AS features,
    i.attempts AS attempts,
    i.time_suspect AS time_suspect,
    i.accepted_at AS accepted_at,
    u.status AS pricing_status,
    u.cost_usd AS cost_usd,
    u.tokens AS tokens,
    f.thumb AS thumb,
    f.thumb_at AS thumb_at,
    f.feedback_count AS feedback_count,
    s.scores AS scores,
    i.cache AS cache,
    i.cache_saved_usd AS cache_saved_usd
FROM leeway.interactions_v1 AS i
LEFT JOIN leeway.usage_v1 AS u ON u.tenant = i.tenant AND u.usage_id = i.interaction_id
LEFT JOIN (
    SELECT
        tenant,
        interaction_id,
        argMaxIf(label, observed_at, kind = 'thumbs') AS thumb,
        maxOrNullIf(observed_at, kind = 'thumbs') AS thumb_at,
        count() AS feedback_count
    FROM leeway.feedback_current_v1
    WHERE interaction_id != ''
    GROUP BY tenant, interaction_id
) AS f ON f.tenant = i.tenant AND f.interaction_id = i.interaction_id
LEFT JOIN (
    SELECT tenant, interaction_id, mapFromArrays(groupArray(evaluator), groupArray(latest)) AS scores
    FROM (
        SELECT tenant, interaction_id, evaluator, argMax(value, scored_at) AS latest
        FROM leeway.scores_v1
        WHERE value IS NOT NULL
        GROUP BY tenant, interaction_id, evaluator
    )
    GROUP BY tenant, interaction_id
) AS s ON s.tenant = i.tenant AND s.interaction_id = i.interaction_id;
