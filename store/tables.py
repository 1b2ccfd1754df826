"""The tables of the state database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    true,
)
from sqlalchemy.schema import conv

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class UtcTime(TypeDecorator[datetime]):
    """An instant: aware datetimes in and out, kept in UTC whatever the database knows of zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a datetime without zone, and keep UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use datetime.now(UTC)")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back what was kept, in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

batches = Table(
    "batches",
    metadata,
    Column("pipeline", Text, primary_key=True, doc="judge or tagger"),
    Column("name", Text, primary_key=True, doc="safe slug; the partition key"),
    Column("folder", Text, nullable=False, doc="absolute, as path_text"),
    Column("rules", Text, doc="the competition's TOML, absolute, as path_text"),
    Column("pins", JSON, nullable=False, doc="{stage: {profile, model, ...}}"),
    Column("state", Text, nullable=False, doc="open or published"),
    Column("registered_at", UtcTime, nullable=False),
    Column("published_at", UtcTime),
    Column("published_by", Text),
    Column("below", Boolean, nullable=False, server_default=true(), doc="whether folders below belong to it"),
    Column("listed", Text, doc="run and digest of what was last found in the folder"),
    # The first script's checks bear the convention's name twice, and are to be found by it.
    CheckConstraint("pipeline IN ('judge', 'tagger')", name=conv("ck_batches_ck_batches_pipeline")),
    CheckConstraint("state IN ('open', 'published')", name=conv("ck_batches_ck_batches_state")),
)

kept_answers = Table(
    "kept_answers",
    metadata,
    Column("request_digest", Text, primary_key=True),
    Column("answered_by", Text, nullable=False, doc="id of the request that was answered"),
    Column("model", Text, nullable=False),
    Column("model_revision", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("body", LargeBinary, nullable=False, doc="the raw answer: zlib of JSON"),
    Column("bytes", Integer, nullable=False, doc="length of body"),
    Column("kept_at", UtcTime, nullable=False, index=True),
    Index(None, "model"),
)

kept_answer_photos = Table(
    "kept_answer_photos",
    metadata,
    Column(
        "request_digest",
        ForeignKey("kept_answers.request_digest", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("photo_id", Text, primary_key=True, index=True),
)

table_pointers = Table(
    "table_pointers",
    metadata,
    Column("asset", Text, primary_key=True, doc="such as judge/critiques"),
    Column("batch", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("path", Text, nullable=False, doc="folder of the parts, relative to assets"),
    Column("moved_at", UtcTime, nullable=False),
)

# Every run's table that was ever current; table_pointers says which one is now.
published_tables = Table(
    "published_tables",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("batch", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("path", Text, nullable=False, doc="folder of the parts, relative to assets"),
    Column("moved_at", UtcTime, nullable=False),
)

photo_identities = Table(
    "photo_identities",
    metadata,
    Column("path", Text, primary_key=True, doc="absolute, as path_text"),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("photo_id", Text, nullable=False, index=True),
    Column("file_sha256", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("gone_at", UtcTime, doc="when it was first missed; empty for what is there"),
)

measurements = Table(
    "measurements",
    metadata,
    Column("photo_id", Text, primary_key=True),
    Column("version", Text, primary_key=True, doc="of the signals' formulas"),
    Column("signals", JSON, nullable=False),
)

metadata_writes = Table(
    "metadata_writes",
    metadata,
    Column("write_id", Text, primary_key=True),
    Column("path", Text, nullable=False, index=True, doc="absolute, as path_text"),
    Column("photo_id", Text, nullable=False, index=True),
    Column("batch", Text, nullable=False, index=True),
    Column("run_id", Text, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("before_sha256", Text, nullable=False),
    Column("after_sha256", Text, nullable=False),
    Column("undo", LargeBinary, nullable=False),
    Column("state", Text, nullable=False, doc="prepared, written or undone"),
    Column("at", UtcTime, nullable=False),
    CheckConstraint(
        "state IN ('prepared', 'written', 'undone')", name=conv("ck_metadata_writes_ck_metadata_writes_state")
    ),
)

# What each folder of the inbox holds for a run, and since when.
inbox_folders = Table(
    "inbox_folders",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("quiet_since", UtcTime, nullable=False),
)

# The same of all its files, photos or not: a folder in which anything goes on is not quiet.
inbox_activity = Table(
    "inbox_activity",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("quiet_since", UtcTime, nullable=False),
)


def _place() -> list[Column[str]]:
    return [
        Column("model", Text, primary_key=True),
        Column("deployment", Text, primary_key=True),
        Column("device", Text, primary_key=True),
    ]


# The ledger of leases. Its times are seconds since 1970 on the database's clock.

# One row, which whoever changes the ledger changes first: on PostgreSQL too, one does so at a time.
lease_ledger = Table(
    "lease_ledger",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False, doc="the last fencing token that was given out"),
    Column("version", BigInteger, nullable=False, doc="how often the ledger was changed"),
    Column("mode", Text, doc="observe or enforce; empty before anybody has used it"),
    CheckConstraint("id = 1", name="id"),
)

lease_devices = Table(
    "lease_devices",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False, doc="whole, mig or host"),
    Column("memory_mib", Integer, nullable=False),
    Column("mig_profile", Text),
    Column("foreign_mib", Integer, nullable=False, doc="measured, of processes that are no resident's"),
    Column("seen_at", Double, nullable=False),
    Column("host", Text, doc="that found it; empty where it is declared"),
    Column("uuid", Text, doc="the card's, the slice's, or the boot of the host whose memory it is"),
)

lease_residents = Table(
    "lease_residents",
    metadata,
    *_place(),
    Column("state", Text, nullable=False, doc="loading, ready, draining or unloading"),
    Column("since", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("chatted_at", Double),
    Column("cleared_for", Text, doc="the model that is to have its room"),
    Column("token", BigInteger, nullable=False, doc="of the transition that loads or has loaded it"),
    Column("served", JSON, nullable=False, doc="what the policy has to know about its model"),
)

leases = Table(
    "leases",
    metadata,
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("waiter", Text, nullable=False, doc="whom it was granted to"),
    Column("granted_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)

lease_waiters = Table(
    "lease_waiters",
    metadata,
    Column("waiter", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("served", JSON, nullable=False),
    Column("refused", Text, doc="why it will never be granted"),
)

lease_transitions = Table(
    "lease_transitions",
    metadata,
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("phase", Text, nullable=False, doc="load, unload or revoke"),
    Column("subject", BigInteger, doc="the token that is revoked"),
    Column("owner", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("began_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("ended_at", Double, index=True),
    Column("outcome", Text, doc="done, failed or taken_over"),
    Column("detail", Text),
)

# Learned from what was done and measured.
lease_costs = Table(
    "lease_costs",
    metadata,
    Column("model", Text, primary_key=True),
    Column("deployment", Text, primary_key=True),
    Column("load_s", Double),
    Column("unload_s", Double),
    Column("peak_mib", Integer),
)

# The Prompt Hub's revisions, who may do what, and what was done.

prompt_revisions = Table(
    "prompt_revisions",
    metadata,
    Column("profile_hash", Text, primary_key=True),
    Column("profile_id", Text, nullable=False, index=True),
    Column("content", Text, nullable=False, doc="the effective profile as RFC 8785 canonical JSON"),
    Column("layers", JSON, nullable=False, doc="{field: the file that it came from}"),
    Column("parents", JSON, nullable=False, doc="hashes of the revisions that it was made from"),
    Column("lineage", JSON, nullable=False, doc="how it was made, where a program made it"),
    Column("author", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("saved_at", UtcTime, nullable=False),
)

prompt_labels = Table(
    "prompt_labels",
    metadata,
    Column("profile_id", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("profile_hash", ForeignKey("prompt_revisions.profile_hash"), nullable=False),
)

# Only ever added to.
prompt_label_moves = Table(
    "prompt_label_moves",
    metadata,
    Column("move_id", Integer, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("from_hash", Text, doc="empty where the label is new"),
    Column("to_hash", Text, doc="empty where the label was taken away"),
    Column("who", Text, nullable=False),
    Column("acted_by", Text, doc="the admin who acted in this name"),
    Column("why", Text, nullable=False),
    Column("overrode", Text, doc="the requirements that were passed over, in words"),
    Column("moved_at", UtcTime, nullable=False),
    Column("rolled_back", Boolean, doc="whether it went back to what the label pointed at before"),
    Index(None, "profile_id", "label"),
)

prompt_protected_labels = Table(
    "prompt_protected_labels",
    metadata,
    Column("label", Text, primary_key=True),
)

prompt_roles = Table(
    "prompt_roles",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("given_at", UtcTime, nullable=False),
    CheckConstraint("role IN ('viewer', 'author', 'publisher', 'admin')", name="role"),
)

# Only ever added to.
prompt_refusals = Table(
    "prompt_refusals",
    metadata,
    Column("refusal_id", Integer, primary_key=True),
    Column("who", Text, nullable=False),
    Column("acted_by", Text, doc="the admin who acted in this name"),
    Column("action", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("refused_at", UtcTime, nullable=False),
)

# Only ever added to.
prompt_test_results = Table(
    "prompt_test_results",
    metadata,
    Column("result_id", Integer, primary_key=True),
    Column("profile_hash", Text, nullable=False),
    Column("profile_id", Text, nullable=False),
    Column("set_name", Text, nullable=False),
    Column("set_hash", Text, nullable=False, doc="of the set as it is run, with its photos' bytes"),
    Column("model", Text, nullable=False, doc="empty where no model was asked"),
    Column("model_revision", Text, nullable=False, doc="likewise"),
    Column("tests", JSON, nullable=False, doc="[{test, state, rate, clean, samples}]"),
    Column("who", Text, nullable=False),
    Column("ran_at", UtcTime, nullable=False),
    Index(None, "profile_hash", "set_hash"),
)

# Keys of programs that ask over the gateway; none of them is in here.

gateway_keys = Table(
    "gateway_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True, doc="SHA-256, in hex, of the key"),
    Column("identity", Text, nullable=False, doc="whose it is"),
    Column("note", Text, nullable=False),
    Column("requests_a_minute", Integer),
    Column("made_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
)

# Only ever added to.
gateway_audit = Table(
    "gateway_audit",
    metadata,
    Column("change_id", Integer, primary_key=True),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
)

# What people say instead of a model's word. Only ever added to; the last one of an entry's column holds.
overrides = Table(
    "overrides",
    metadata,
    Column("override_id", Integer, primary_key=True),
    Column("pipeline", Text, nullable=False, doc="judge or tagger"),
    Column("batch", Text, nullable=False),
    Column("entry_id", Text, nullable=False),
    Column("photo_id", Text, nullable=False, index=True),
    Column("column", Text, nullable=False, doc="such as score or keywords"),
    Column("value", JSON, nullable=False, doc="null where the model's word holds again"),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Index(None, "pipeline", "batch"),
)

# Steps of runs in the hands of Celery's workers. A later start of a step fences those before it.
step_claims = Table(
    "step_claims",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("start", Integer, nullable=False, doc="which start of the step it is, from 1"),
    Column("worker", Text, nullable=False, doc="who has it, for people"),
    Column("expires_at", Double, nullable=False, doc="seconds since 1970 on the database's clock"),
    Column("over", Boolean, nullable=False, doc="whether it has been carried out"),
)

# Photos of a round that were compared with all others of it, so that those that come later are compared alone.
compared_photos = Table(
    "compared_photos",
    metadata,
    Column("batch", Text, primary_key=True),
    Column("photo_id", Text, primary_key=True, index=True),
    Column("version", Text, primary_key=True, doc="of how photos are compared"),
)

# What came of it: those that show the same.
alike_photos = Table(
    "alike_photos",
    metadata,
    Column("batch", Text, primary_key=True),
    Column("first", Text, primary_key=True, index=True, doc="a photo id"),
    Column("second", Text, primary_key=True, index=True, doc="another's"),
    Column("version", Text, primary_key=True),
    Column("found", JSON, nullable=False, doc="as photos.likeness has it"),
)

FIRST_ROWS: tuple[tuple[Table, dict[str, object]], ...] = (
    (lease_ledger, {"id": 1, "token": 0, "version": 0}),
    (prompt_protected_labels, {"label": "production"}),
)
"""What a new database holds, as the scripts put it there."""
