"""The ledger of leases: devices, residents, leases, waiters, transitions, and what switches cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Seven tables, and the one row of the first."""
    ledger = op.create_table(
        "lease_ledger",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lease_ledger"),
        sa.CheckConstraint("id = 1", name="id"),
    )
    op.bulk_insert(ledger, [{"id": 1, "token": 0, "version": 0}])
    op.create_table(
        "lease_devices",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("memory_mib", sa.Integer, nullable=False),
        sa.Column("mig_profile", sa.Text),
        sa.Column("foreign_mib", sa.Integer, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease_devices"),
    )
    op.create_table(
        "lease_residents",
        *_place(),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double, nullable=False),
        sa.Column("chatted_at", sa.Double),
        sa.Column("cleared_for", sa.Text),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("served", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("model", "deployment", "device", name="pk_lease_residents"),
    )
    op.create_table(
        "leases",
        sa.Column("token", sa.BigInteger, nullable=False),
        *_place(),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("waiter", sa.Text, nullable=False),
        sa.Column("granted_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_leases"),
    )
    op.create_table(
        "lease_waiters",
        sa.Column("waiter", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("served", sa.JSON, nullable=False),
        sa.Column("refused", sa.Text),
        sa.PrimaryKeyConstraint("waiter", name="pk_lease_waiters"),
    )
    op.create_table(
        "lease_transitions",
        sa.Column("token", sa.BigInteger, nullable=False),
        *_place(),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("subject", sa.BigInteger),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("outcome", sa.Text),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("token", name="pk_lease_transitions"),
    )
    op.create_index("ix_lease_transitions_ended_at", "lease_transitions", ["ended_at"])
    op.create_table(
        "lease_costs",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("deployment", sa.Text, nullable=False),
        sa.Column("load_s", sa.Double),
        sa.Column("unload_s", sa.Double),
        sa.Column("peak_mib", sa.Integer),
        sa.PrimaryKeyConstraint("model", "deployment", name="pk_lease_costs"),
    )


def _place() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in ("model", "deployment", "device")]
