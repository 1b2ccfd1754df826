"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """First tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "batches",
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("rules", sa.Text),
        sa.Column("pins", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("registered_at", instant, nullable=False),
        sa.Column("published_at", instant),
        sa.Column("published_by", sa.Text),
        sa.PrimaryKeyConstraint("pipeline", "name", name="pk_batches"),
        sa.CheckConstraint("pipeline IN ('judge', 'tagger')", name="ck_batches_pipeline"),
        sa.CheckConstraint("state IN ('open', 'published')", name="ck_batches_state"),
    )
    op.create_table(
        "kept_answers",
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.Column("answered_by", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("model_revision", sa.Text, nullable=False),
        sa.Column("deployment", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("kept_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("request_digest", name="pk_kept_answers"),
    )
    op.create_index("ix_kept_answers_kept_at", "kept_answers", ["kept_at"])
    op.create_index("ix_kept_answers_model", "kept_answers", ["model"])
    op.create_table(
        "kept_answer_photos",
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.Column("photo_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("request_digest", "photo_id", name="pk_kept_answer_photos"),
        sa.ForeignKeyConstraint(
            ["request_digest"],
            ["kept_answers.request_digest"],
            name="fk_kept_answer_photos_request_digest_kept_answers",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_kept_answer_photos_photo_id", "kept_answer_photos", ["photo_id"])
    for name, key in (
        ("table_pointers", ("asset", "batch")),
        ("published_tables", ("asset", "batch", "run_id")),
    ):
        op.create_table(
            name,
            sa.Column("asset", sa.Text, nullable=False),
            sa.Column("batch", sa.Text, nullable=False),
            sa.Column("run_id", sa.Text, nullable=False),
            sa.Column("rows", sa.Integer, nullable=False),
            sa.Column("data_version", sa.Text, nullable=False),
            sa.Column("path", sa.Text, nullable=False),
            sa.Column("moved_at", instant, nullable=False),
            sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        )
    op.create_table(
        "photo_identities",
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("photo_id", sa.Text, nullable=False),
        sa.Column("file_sha256", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("seen_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_photo_identities"),
    )
    op.create_index("ix_photo_identities_photo_id", "photo_identities", ["photo_id"])
    op.create_table(
        "measurements",
        sa.Column("photo_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("signals", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("photo_id", "version", name="pk_measurements"),
    )
    op.create_table(
        "metadata_writes",
        sa.Column("write_id", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("photo_id", sa.Text, nullable=False),
        sa.Column("batch", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("before_sha256", sa.Text, nullable=False),
        sa.Column("after_sha256", sa.Text, nullable=False),
        sa.Column("undo", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.PrimaryKeyConstraint("write_id", name="pk_metadata_writes"),
        sa.CheckConstraint("state IN ('prepared', 'written', 'undone')", name="ck_metadata_writes_state"),
    )
    for column in ("path", "photo_id", "batch"):
        op.create_index(f"ix_metadata_writes_{column}", "metadata_writes", [column])
    op.create_table(
        "inbox_folders",
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("quiet_since", instant, nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "name", name="pk_inbox_folders"),
    )
