"""Every metric of the platform, with its unit and one sentence; a metric named elsewhere is a bug."""

from prometheus_client import Counter, Gauge, Histogram

CONSUMED = Counter("leeway_consumed_records", "Records handled, by group.", ["group"])
DUPLICATES = Counter("leeway_duplicate_records", "Records seen before and dropped.", ["group"])
FACT_GAPS = Counter("leeway_fact_gaps", "Records that a sequence says are missing.", ["group"])
DEAD_LETTERS = Counter("leeway_dead_letters", "Records given up on.", ["group"])
CONSUMER_RETRIES = Counter("leeway_consumer_retries", "Batches tried again.", ["group"])
CONSUMER_HALTED = Gauge(
    "leeway_consumer_halted", "1 when too many rejections stopped it.", ["group"]
)
CONSUMER_LAG = Gauge(
    "leeway_consumer_lag_records", "Records that wait for this member of the group.", ["group"]
)
CONSUMER_BEHIND = Gauge(
    "leeway_consumer_behind_seconds",
    "Age of the oldest record of the last batch, seconds; 0 when nothing waits.",
    ["group"],
)
FRESHNESS = Histogram(
    "leeway_freshness_seconds",
    "From accepted to queryable: the age of a stored block's oldest record when its insert returned, seconds.",
    ["table"],
    buckets=(0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 5, 10, 30, 60, 300, 3600),
)
DEAD_LETTER_DEPTH = Gauge(
    "leeway_dead_letter_depth",
    "Dead letters that the group of this process keeps, by the topic they were in.",
    ["topic", "group"],
)
FACTS_ACCEPTED = Counter("leeway_facts_accepted", "Facts that the outbox took.", ["topic"])
OUTBOX_RECORDS = Gauge(
    "leeway_outbox_records",
    "Records here that not every reader has passed (the relay, or the groups).",
)
OUTBOX_DAMAGED = Gauge(
    "leeway_outbox_damaged",
    "1 while this process cannot read on in an outbox, or cannot believe what groups stored in its own.",
    ["producer"],
)
OUTBOX_BYTES = Gauge("leeway_outbox_bytes", "Size of the outbox on disk, bytes.")
DATA_FREE = Gauge("leeway_data_free_bytes", "Room on the disk of the outbox, bytes.")
HTTP_REQUESTS = Counter(
    "leeway_http_requests",
    "Requests by route template and status class.",
    ["route", "method", "status"],
)
HTTP_SECONDS = Histogram(
    "leeway_http_request_seconds",
    "Time to the last byte, seconds.",
    ["route", "method"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
)
GRPC_REQUESTS = Counter(
    "leeway_grpc_requests", "gRPC calls by method and status.", ["method", "status"]
)
GRPC_SECONDS = Histogram(
    "leeway_grpc_request_seconds",
    "Time of a gRPC call until its last reply, seconds.",
    ["method"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
)
ALERTS_CHANGED = Counter(
    "leeway_alerts_changed", "Alerts fired, repeated, resolved.", ["change", "severity"]
)
ALERT_DELIVERIES = Counter(
    "leeway_alert_deliveries", "Attempts to deliver alerts.", ["channel", "outcome"]
)
UPSTREAM_CALLS = Counter(
    "leeway_upstream_calls",
    "Tries at an upstream that ended, by how: ok, left, or what kind of failure.",
    ["provider", "model", "key", "outcome"],
)
UPSTREAM_RETRIES = Counter(
    "leeway_upstream_retries",
    "Times that an upstream was asked again for the same call.",
    ["provider", "model", "key"],
)
UPSTREAM_HEDGES = Counter(
    "leeway_upstream_hedges",
    "Times that an upstream was asked beside another try of the same call.",
    ["provider", "model", "key"],
)
UPSTREAM_IN_FLIGHT = Gauge(
    "leeway_upstream_in_flight",
    "Calls that wait for an upstream's answer or read it.",
    ["provider", "model", "key"],
)
UPSTREAM_BREAKER = Gauge(
    "leeway_upstream_breaker",
    "An upstream's circuit breaker: 0 closed, 1 half-open, 2 open.",
    ["provider", "model", "key"],
)
UPSTREAM_LATENCY = Gauge(
    "leeway_upstream_latency_seconds",
    "Peak EWMA of the time to an upstream's first event (stream) or whole answer (whole), seconds.",
    ["provider", "model", "key", "answer"],
)
UPSTREAM_BENCHED = Gauge(
    "leeway_upstream_benched",
    "1 while an upstream is left alone: its key was refused, or it asked to be.",
    ["provider", "model", "key"],
)
LOOP_STALLS = Counter("leeway_loop_stalls", "Times that the event loop stood still for too long.")
LIVE_REVISION = Gauge("leeway_live_revision", "The registry's revision that this process holds.")
LIVE_STALE_SINCE = Gauge(
    "leeway_live_stale_since_seconds",
    "Since when what is live may be out of date, Unix time; 0 while it is current.",
)
LIVE_REFUSED = Gauge(
    "leeway_live_refused",
    "Entities of the registry whose form this process does not know; it holds what they were before.",
)
STATE_FAILURES = Counter(
    "leeway_serving_state_failures",
    "Times that the server of what the gateway's workers share failed, and was left alone for a second.",
)
LIMITED = Counter(
    "leeway_serving_limited",
    "Calls that a limit refused, by the limit and what it is of.",
    ["limit", "of"],
)
LIMITS_DEGRADED = Counter(
    "leeway_serving_limits_degraded",
    "Calls whose limits were held by this worker's own share of them.",
)
IDEMPOTENT = Counter(
    "leeway_serving_idempotent",
    "Calls with an Idempotency-Key, by what became of them: asked, replayed, refused, unkept.",
    ["outcome"],
)
CACHE_LOOKS = Counter(
    "leeway_serving_cache_looks",
    "Calls for which kept answers were looked through, by what came of it: exact, semantic, miss, bypass, away.",
    ["outcome"],
)
CACHE_KEPT = Counter("leeway_serving_cache_kept", "Answers that were kept.")
CACHE_SAVED_USD = Counter(
    "leeway_serving_cache_saved_usd", "What answers that were given again had cost, USD."
)
CACHE_BYTES = Gauge("leeway_serving_cache_bytes", "Kept answers in this worker's memory, bytes.")
CACHE_ENTRIES = Gauge("leeway_serving_cache_entries", "Kept answers in this worker's memory.")
CACHE_EVICTIONS = Counter(
    "leeway_serving_cache_evictions", "Answers that left this worker's memory for want of room."
)
PROMPTS_REFUSED = Gauge(
    "leeway_serving_prompts_refused",
    "Files of prompts that cannot be read; what they said before holds on.",
)
