"""Alerting's state: alerts, what they count, their changes as facts to tell, and deliveries to make.

Owner: alerting. Forward only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("watches", sa.Text, nullable=False),
        sa.Column("dedupe_key", sa.Text, nullable=False),
        sa.Column("place", sa.JSON, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("channels", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("occurrences", sa.BigInteger, nullable=False),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("seen_at_us", sa.BigInteger, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
        sa.Column("notify_at_us", sa.BigInteger),
        sa.Column("notifications", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
    )
    op.create_index("alerts_by_state", "alerts", ["state", "changed_at_us"])
    op.create_table(
        "alert_causes",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("seen_at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("alert_causes_by_age", "alert_causes", ["seen_at_us"])
    op.create_table(
        "alert_changes",
        sa.Column("notification_id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("notification", sa.JSON, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
        sa.Column("published_at_us", sa.BigInteger),
    )
    unpublished = sa.text("published_at_us IS NULL")
    op.create_index(
        "alert_changes_unpublished",
        "alert_changes",
        ["changed_at_us"],
        sqlite_where=unpublished,
        postgresql_where=unpublished,
    )
    _create_deliveries()


def _create_deliveries() -> None:
    op.create_table(
        "alert_deliveries",
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column(
            "notification_id",
            sa.Text,
            sa.ForeignKey("alert_changes.notification_id"),
            nullable=False,
        ),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("dedupe_key", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("next_attempt_at_us", sa.BigInteger, nullable=False),
        sa.Column("settled_at_us", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "alert_deliveries_waiting",
        "alert_deliveries",
        ["channel", "next_attempt_at_us"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("alert_deliveries_by_alert", "alert_deliveries", ["alert_id"])
