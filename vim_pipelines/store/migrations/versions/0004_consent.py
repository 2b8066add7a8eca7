"""Consent: people with roles, what a request shows beside its text, edits by hand, messages through channels, alerts, attempts to log in.

Revision 0004, after 0003. A request of before needs one approval and shows nothing beside its text.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("drafts") as batch:
        batch.add_column(sa.Column("edited_by", sa.String(length=255), nullable=True))
        batch.add_column(sa.Column("edited_from", sa.String(length=64), nullable=True))
    with op.batch_alter_table("approval_requests") as batch:
        batch.add_column(sa.Column("context", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("segment", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("amount_at_stake", sa.Numeric(18, 2), nullable=True))
        batch.add_column(sa.Column("stake_currency", sa.String(length=3), nullable=True))
        batch.add_column(sa.Column("approvals_needed", sa.Integer(), nullable=False, server_default="1"))
        batch.add_column(sa.Column("edited_by", sa.String(length=255), nullable=True))
        batch.add_column(sa.Column("reminded_at", sa.DateTime(), nullable=True))
        batch.add_column(sa.Column("escalated_at", sa.DateTime(), nullable=True))
        batch.add_column(sa.Column("opened_by", sa.String(length=255), nullable=True))
        batch.add_column(sa.Column("opened_until", sa.DateTime(), nullable=True))
    op.create_index("ix_approval_requests_state_expires", "approval_requests", ["state", "expires_at"])
    op.create_table(
        "people",
        sa.Column("login", sa.String(length=255), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("segments", sa.JSON(), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=True, unique=True),
        sa.Column("slack_user_id", sa.String(length=64), nullable=True, unique=True),
        sa.Column("os_user", sa.String(length=255), nullable=True, unique=True),
        sa.Column("crm_user_id", sa.String(length=64), nullable=True, unique=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("sessions_valid_from", sa.DateTime(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
    )
    op.create_table(
        "login_attempts",
        sa.Column("attempt_number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("login", sa.String(length=255), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_login_attempts_login_at", "login_attempts", ["login", "at"])
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(length=64), primary_key=True),
        sa.Column("account_key", sa.String(length=255), nullable=False),
        sa.Column("account_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("as_of_date", sa.Date(), nullable=False),
        sa.Column("segment", sa.String(length=64), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("acknowledged_by", sa.String(length=255), nullable=True),
        sa.Column("acknowledged_role", sa.String(length=32), nullable=True),
        sa.Column("acknowledged_channel", sa.String(length=32), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.UniqueConstraint("account_key", "kind", "episode", name="uq_alert_episode"),
    )
    op.create_index("ix_alerts_account_key", "alerts", ["account_key"])
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.String(length=64), primary_key=True),
        sa.Column("delivery_key", sa.String(length=64), nullable=False, unique=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("alert_id", sa.String(length=64), nullable=True),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("shown_sha256", sa.String(length=64), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reference", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_deliveries_request_id", "deliveries", ["request_id"])
    op.create_index("ix_deliveries_alert_id", "deliveries", ["alert_id"])
    op.create_index("ix_deliveries_state", "deliveries", ["state", "created_at"])


def downgrade() -> None:
    for table in ("deliveries", "alerts", "login_attempts", "people"):
        op.drop_table(table)
    op.drop_index("ix_approval_requests_state_expires", "approval_requests")
    with op.batch_alter_table("approval_requests") as batch:
        for column in (
            "opened_until",
            "opened_by",
            "escalated_at",
            "reminded_at",
            "edited_by",
            "approvals_needed",
            "stake_currency",
            "amount_at_stake",
            "segment",
            "context",
        ):
            batch.drop_column(column)
    with op.batch_alter_table("drafts") as batch:
        batch.drop_column("edited_from")
        batch.drop_column("edited_by")
