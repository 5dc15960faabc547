"""Tenants, projects, keys and models have policies: limits, guardrails, cache and routing, as JSON.

Owner: registry. Forward only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("tenants", "projects", "keys", "models"):
        # The version before writes rows without this column.
        op.add_column(table, sa.Column("policy", sa.JSON, nullable=False, server_default="{}"))
