"""Erasure of persons: the erasures, whom ingestion must not bring back (hashes), and which rows no longer fit the hash of what they once said.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.String(length=32), primary_key=True),
        sa.Column("key_check", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(), nullable=False),
        sa.Column("store_done_at", sa.DateTime(), nullable=True),
        sa.Column("warehouse_done_at", sa.DateTime(), nullable=True),
        sa.Column("completed_at", sa.DateTime(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("pending", sa.JSON(), nullable=True),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=True),
    )
    op.create_table(
        "suppressions",
        sa.Column("kind", sa.String(length=8), primary_key=True),
        sa.Column("digest", sa.String(length=32), primary_key=True),
        sa.Column("erasure_id", sa.String(length=32), primary_key=True),
        sa.Column("size", sa.Integer(), nullable=False),
    )
    op.create_table(
        "erased_rows",
        sa.Column("erasure_id", sa.String(length=32), primary_key=True),
        sa.Column("table_name", sa.String(length=64), primary_key=True),
        sa.Column("row_id", sa.String(length=64), primary_key=True),
        sa.Column("was_sha256", sa.String(length=64), nullable=False),
        sa.Column("now_sha256", sa.String(length=64), nullable=False),
    )
    op.create_index("ix_erased_rows_row", "erased_rows", ["table_name", "row_id"])


def downgrade() -> None:
    for table in ("erased_rows", "suppressions", "erasures"):
        op.drop_table(table)
