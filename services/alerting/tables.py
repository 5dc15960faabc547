"""Alerting's tables, as infra/postgres/versions makes them; times are microseconds since the Unix epoch."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, MetaData, Table, Text

METADATA = MetaData()

ALERTS = Table(
    "alerts",
    METADATA,
    Column("alert_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("watches", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("place", JSON, nullable=False),
    Column("severity", Text, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("occurrences", BigInteger, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("seen_at_us", BigInteger, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
    Column("notify_at_us", BigInteger),
    Column("notifications", BigInteger, nullable=False),
    Column("evidence", JSON, nullable=False),
)
CAUSES = Table(
    "alert_causes",
    METADATA,
    Column("rule", Text, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("seen_at_us", BigInteger, nullable=False),
)
CHANGES = Table(
    "alert_changes",
    METADATA,
    Column("notification_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("notification", JSON, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
    Column("published_at_us", BigInteger),
    Column("claimed_until_us", BigInteger, nullable=False),
)
DELIVERIES = Table(
    "alert_deliveries",
    METADATA,
    Column("delivery_id", Text, primary_key=True),
    Column("notification_id", Text, ForeignKey("alert_changes.notification_id"), nullable=False),
    Column("tenant", Text, nullable=False),
    Column("alert_id", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("next_attempt_at_us", BigInteger, nullable=False),
    Column("settled_at_us", BigInteger),
    Column("reason", Text, nullable=False),
    Column("claimed_by", Text, nullable=False),
    Column("claimed_until_us", BigInteger, nullable=False),
)
