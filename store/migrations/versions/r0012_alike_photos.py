"""Which photos of a round were compared with one another, and which of them show the same."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "compared_photos",
        sa.Column("batch", sa.Text, primary_key=True),
        sa.Column("photo_id", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
    )
    op.create_index("ix_compared_photos_photo_id", "compared_photos", ["photo_id"])
    op.create_table(
        "alike_photos",
        sa.Column("batch", sa.Text, primary_key=True),
        sa.Column("first", sa.Text, primary_key=True),
        sa.Column("second", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("found", sa.JSON, nullable=False),
    )
    op.create_index("ix_alike_photos_first", "alike_photos", ["first"])
    op.create_index("ix_alike_photos_second", "alike_photos", ["second"])
