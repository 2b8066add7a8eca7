"""Language models in batches: batches and the drafts that wait for them, what a call was for, switches, and what LangSmith has received.

Revision 0003, after 0002. Every call before it was a draft's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("llm_calls") as batch:
        batch.add_column(sa.Column("purpose", sa.String(length=16), nullable=False, server_default="draft"))
        batch.add_column(sa.Column("batch_id", sa.String(length=64), nullable=True))
    op.create_index("ix_llm_calls_batch_id", "llm_calls", ["batch_id"])
    op.create_table(
        "llm_batches",
        sa.Column("batch_id", sa.String(length=64), primary_key=True),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("vendor_id", sa.String(length=128), nullable=True, unique=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("as_of_date", sa.Date(), nullable=False),
        sa.Column("request_count", sa.Integer(), nullable=False),
        sa.Column("requests_sha256", sa.String(length=64), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("intended_at", sa.DateTime(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(), nullable=True),
        sa.Column("polled_at", sa.DateTime(), nullable=True),
        sa.Column("collected_at", sa.DateTime(), nullable=True),
    )
    op.create_index("ix_llm_batches_state", "llm_batches", ["state"])
    op.create_table(
        "pending_drafts",
        sa.Column("draft_key", sa.String(length=64), primary_key=True),
        sa.Column("batch_id", sa.String(length=64), sa.ForeignKey("llm_batches.batch_id"), nullable=False),
        sa.Column("account_key", sa.String(length=255), nullable=False),
        sa.Column("document", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("as_of_date", sa.Date(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_pending_drafts_batch_id", "pending_drafts", ["batch_id"])
    op.create_index("ix_pending_drafts_account_key", "pending_drafts", ["account_key"])
    op.create_table(
        "switches",
        sa.Column("switch_number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_switches_name", "switches", ["name"])
    op.create_table(
        "trace_exports",
        sa.Column("kind", sa.String(length=16), primary_key=True),
        sa.Column("item_id", sa.String(length=128), primary_key=True),
        sa.Column("exported_at", sa.DateTime(), nullable=False),
    )


def downgrade() -> None:
    for table in ("trace_exports", "switches", "pending_drafts", "llm_batches"):
        op.drop_table(table)
    op.drop_index("ix_llm_calls_batch_id", "llm_calls")
    with op.batch_alter_table("llm_calls") as batch:
        batch.drop_column("batch_id")
        batch.drop_column("purpose")
