"""Keys of the gateway, and what was changed through it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "gateway_keys",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("requests_a_minute", sa.Integer),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.PrimaryKeyConstraint("key_id", name="pk_gateway_keys"),
        sa.UniqueConstraint("digest", name="uq_gateway_keys_digest"),
    )
    op.create_table(
        "gateway_audit",
        sa.Column("change_id", sa.Integer, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("change_id", name="pk_gateway_audit"),
    )
