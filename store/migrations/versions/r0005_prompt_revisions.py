"""The Prompt Hub's revisions, labels with their history, access roles and refusals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Six tables; `production` is protected from the start."""
    op.create_table(
        "prompt_revisions",
        sa.Column("profile_hash", sa.Text, nullable=False),
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("layers", sa.JSON, nullable=False),
        sa.Column("parents", sa.JSON, nullable=False),
        sa.Column("lineage", sa.JSON, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("saved_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("profile_hash", name="pk_prompt_revisions"),
    )
    op.create_index("ix_prompt_revisions_profile_id", "prompt_revisions", ["profile_id"])
    op.create_table(
        "prompt_labels",
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("profile_hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("profile_id", "label", name="pk_prompt_labels"),
        sa.ForeignKeyConstraint(
            ["profile_hash"],
            ["prompt_revisions.profile_hash"],
            name="fk_prompt_labels_profile_hash_prompt_revisions",
        ),
    )
    op.create_table(
        "prompt_label_moves",
        sa.Column("move_id", sa.Integer, nullable=False),
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("from_hash", sa.Text),
        sa.Column("to_hash", sa.Text),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("acted_by", sa.Text),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("overrode", sa.Text),
        sa.Column("moved_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("move_id", name="pk_prompt_label_moves"),
    )
    op.create_index("ix_prompt_label_moves_profile_id_label", "prompt_label_moves", ["profile_id", "label"])
    protected = op.create_table(
        "prompt_protected_labels",
        sa.Column("label", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("label", name="pk_prompt_protected_labels"),
    )
    op.bulk_insert(protected, [{"label": "production"}])
    op.create_table(
        "prompt_roles",
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("given_by", sa.Text, nullable=False),
        sa.Column("given_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("identity", name="pk_prompt_roles"),
        sa.CheckConstraint("role IN ('viewer', 'author', 'publisher', 'admin')", name="role"),
    )
    op.create_table(
        "prompt_refusals",
        sa.Column("refusal_id", sa.Integer, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("acted_by", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("refused_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("refusal_id", name="pk_prompt_refusals"),
    )
