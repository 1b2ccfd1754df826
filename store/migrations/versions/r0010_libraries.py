"""Libraries: batches without the folders below, what was last found in one, and files that are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Three columns."""
    below = sa.Column("below", sa.Boolean, nullable=False, server_default=sa.true())
    op.add_column("batches", below)
    op.add_column("batches", sa.Column("listed", sa.Text))
    op.add_column("photo_identities", sa.Column("gone_at", sa.DateTime(timezone=True)))
