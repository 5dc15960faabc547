"""Several members of alerting share these tables: who delivers what, until when, and who tells which change.

Owner: alerting. Forward only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The version before writes rows without these columns.
    op.add_column("alert_changes", _claimed_until())
    op.add_column(
        "alert_deliveries", sa.Column("claimed_by", sa.Text, nullable=False, server_default="")
    )
    op.add_column("alert_deliveries", _claimed_until())
    op.create_index("alerts_by_key", "alerts", ["dedupe_key"])


def _claimed_until() -> sa.Column[int]:
    return sa.Column("claimed_until_us", sa.BigInteger, nullable=False, server_default="0")
