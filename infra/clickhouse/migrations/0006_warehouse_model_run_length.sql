-- The false alarms of a model: how many calls lie between two of them, over everything watched of it.
-- Owner: warehouse
-- Why: target_run_length speaks of one stream, and a model has about ten over the same calls.
-- Undo: create the view of 0003 again, then ALTER TABLE leeway.detections DROP COLUMN model_run_length.

ALTER TABLE leeway.detections ADD COLUMN IF NOT EXISTS model_run_length Float64 AFTER interaction_ids;

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
    _accepted_at AS accepted_at,
    model_run_length
FROM leeway.detections FINAL;
