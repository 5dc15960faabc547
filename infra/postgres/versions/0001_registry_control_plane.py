"""The registry's control plane: what may run, and the outbox of its changes.

Owner: registry. Forward only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("installation", sa.Column("installation_id", sa.Text, primary_key=True))
    op.create_table(
        "tenants",
        *_identity(),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        *_history(),
    )
    op.create_table(
        "projects",
        *_identity(),
        _tenant(),
        sa.Column("project", sa.Text, nullable=False),
        *_history(),
    )
    op.create_table(
        "environments",
        *_identity(),
        _tenant(),
        sa.Column("environment", sa.Text, nullable=False),
        *_history(),
    )
    op.create_table(
        "keys",
        *_identity(),
        sa.Column("key_id", sa.Text, nullable=False),
        _tenant(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked", sa.Boolean, nullable=False),
        *_history(),
    )
    op.create_index("keys_by_tenant_and_name", "keys", ["tenant", "name"])
    op.create_table(
        "providers",
        *_identity(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("base_url", sa.Text, nullable=False),
        sa.Column("api_key", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        *_history(),
    )
    op.create_table(
        "models",
        *_identity(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("routes", sa.JSON, nullable=False),
        sa.Column("fallbacks", sa.JSON, nullable=False),
        *_history(),
    )
    _create_changes()


def _create_changes() -> None:
    # SQLite only counts on in an INTEGER column; AUTOINCREMENT never gives a number twice.
    revision = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "changes",
        sa.Column("revision", revision, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("entity_id", sa.Text, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("claimed_until", sa.BigInteger, nullable=False),
        sa.Column("published_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    unpublished = sa.text("published_at IS NULL")
    op.create_index(
        "changes_unpublished",
        "changes",
        ["revision"],
        sqlite_where=unpublished,
        postgresql_where=unpublished,
    )


def _identity() -> tuple[sa.Column]:
    return (sa.Column("entity_id", sa.Text, primary_key=True),)


def _tenant() -> sa.Column:
    return sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.entity_id"), nullable=False)


def _history() -> tuple[sa.Column, ...]:
    return (
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
    )
