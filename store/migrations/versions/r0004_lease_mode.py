"""The ledger has one mode at a time, and knows which host found a device that nobody declared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Three columns; empty ones say that it is not known."""
    op.add_column("lease_ledger", sa.Column("mode", sa.Text))
    op.add_column("lease_devices", sa.Column("host", sa.Text))
    op.add_column("lease_devices", sa.Column("uuid", sa.Text))
