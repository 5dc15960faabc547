-- The analyst views: one a fact, without the record's position, the latest telling of each fact only.
-- Owner: warehouse
-- Why: they are the promise to analysts (docs/analyst.md): documented, versioned, never broken.
-- Undo: drop the views; they hold no data.

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
                a.error_type
            ),
            attempts
        ),
        'Array(Tuple(provider String, model String, started_at DateTime64(6, \'UTC\'), ended_at DateTime64(6, \'UTC\'), status String, http_status UInt32, error_type String))'
    ) AS attempts,
    time_suspect,
    _accepted_at AS accepted_at
FROM leeway.interactions FINAL;

CREATE OR REPLACE VIEW leeway.spans_v1 AS
SELECT
    trace_id,
    span_id,
    parent_span_id,
    tenant,
    project,
    environment,
    name,
    kind,
    status,
    status_message,
    started_at,
    ended_at,
    (ended_at_us - started_at_us) / 1e6 AS duration_seconds,
    service_name,
    session_id,
    user_id,
    attributes,
    events,
    time_suspect,
    _accepted_at AS accepted_at
FROM leeway.spans FINAL;

CREATE OR REPLACE VIEW leeway.feedback_v1 AS
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
    if(range_max > range_min, (value - range_min) / (range_max - range_min), NULL) AS value_normalized,
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
    _accepted_at AS accepted_at
FROM leeway.feedback FINAL;

CREATE OR REPLACE VIEW leeway.scores_v1 AS
SELECT
    score_id,
    tenant,
    project,
    environment,
    interaction_id,
    request_model,
    evaluator,
    evaluator_version,
    value,
    label,
    passed,
    explanation,
    scored_at,
    started_at,
    _accepted_at AS accepted_at
FROM leeway.scores FINAL;

CREATE OR REPLACE VIEW leeway.embeddings_v1 AS
SELECT
    interaction_id,
    tenant,
    project,
    environment,
    request_model,
    embedder,
    part,
    vector,
    started_at,
    _accepted_at AS accepted_at
FROM leeway.embeddings FINAL;

CREATE OR REPLACE VIEW leeway.usage_v1 AS
SELECT
    usage_id,
    interaction_id,
    tenant,
    project,
    environment,
    key_id,
    provider,
    request_model,
    response_model,
    status,
    reason,
    cost AS cost_usd,
    tokens,
    cost_by_class AS cost_by_class_usd,
    price_ids,
    started_at,
    rated_at,
    session_id,
    user_id,
    tags,
    _accepted_at AS accepted_at
FROM leeway.usage FINAL;

CREATE OR REPLACE VIEW leeway.detections_v1 AS
SELECT
    detection_id,
    tenant,
    project,
    environment,
    request_model,
    feature,
    detector,
    statistic,
    threshold,
    target_run_length,
    reference_size,
    window_size,
    change_at,
    detected_at,
    direction,
    summary,
    evidence,
    interaction_ids,
    _accepted_at AS accepted_at
FROM leeway.detections FINAL;

CREATE OR REPLACE VIEW leeway.alert_changes_v1 AS
SELECT
    alert_id,
    tenant,
    rule,
    dedupe_key,
    state,
    severity,
    title,
    body,
    occurrences,
    started_at,
    changed_at,
    evidence,
    _accepted_at AS accepted_at
FROM leeway.alerts FINAL;

CREATE OR REPLACE VIEW leeway.alerts_v1 AS
SELECT
    alert_id,
    tenant,
    argMax(c.rule, c.changed_at) AS rule,
    argMax(c.dedupe_key, c.changed_at) AS dedupe_key,
    argMax(c.state, c.changed_at) AS state,
    argMax(c.severity, c.changed_at) AS severity,
    argMax(c.title, c.changed_at) AS title,
    argMax(c.body, c.changed_at) AS body,
    argMax(c.occurrences, c.changed_at) AS occurrences,
    min(c.started_at) AS started_at,
    max(c.changed_at) AS changed_at,
    argMax(c.evidence, c.changed_at) AS evidence
FROM leeway.alert_changes_v1 AS c
GROUP BY tenant, alert_id;
