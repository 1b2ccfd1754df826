"""What came of prompt tests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """One table, looked up by what was tested."""
    op.create_table(
        "prompt_test_results",
        sa.Column("result_id", sa.Integer, nullable=False),
        sa.Column("profile_hash", sa.Text, nullable=False),
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("set_name", sa.Text, nullable=False),
        sa.Column("set_hash", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("model_revision", sa.Text, nullable=False),
        sa.Column("tests", sa.JSON, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("ran_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("result_id", name="pk_prompt_test_results"),
    )
    op.create_index(
        "ix_prompt_test_results_profile_hash_set_hash", "prompt_test_results", ["profile_hash", "set_hash"]
    )
