-- Feedback as it stands: without what later feedback supersedes; calls_v1 tells the same.
-- Owner: warehouse
-- Why: who changes a thumb or corrects an outcome must not be counted twice, and every query would have to remember that.
-- Undo: run 0004 again, then drop feedback_current_v1; neither holds data.

CREATE OR REPLACE VIEW leeway.feedback_current_v1 AS
SELECT
    feedback_id,
    tenant,
    project,
    environment,
    interaction_id,
    session_id,
    kind,
    name,
    value,
    range_min,
    range_max,
    value_normalized,
    label,
    text,
    ranking,
    chosen,
    rejected,
    chosen_position,
    rejected_position,
    rater_id,
    rater_kind,
    about_at,
    observed_at,
    source,
    supersedes,
    tags,
    key_id,
    accepted_at
FROM leeway.feedback_v1
WHERE (tenant, feedback_id) NOT IN (
    SELECT tenant, supersedes FROM leeway.feedback_v1 WHERE supersedes != ''
);

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
    s.scores AS scores
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
