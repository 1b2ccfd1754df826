"""A move of a label says whether it went back: who rolls back twice goes further back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """One column; empty for moves that were made before anybody noted it."""
    op.add_column("prompt_label_moves", sa.Column("rolled_back", sa.Boolean))
