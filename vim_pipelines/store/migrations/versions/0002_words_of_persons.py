"""All words of persons about an account in one table: beside waivers and phases now answers, disputes, snoozes and withdrawals.

Revision 0002, after 0001. What stood there keeps its meaning: a row with a requirement was a waiver, any other set a phase.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NEW_COLUMNS = (("fact", sa.String(length=128)), ("value", sa.Text()), ("seen_on", sa.Date()), ("withdraws", sa.String(length=64)))


def upgrade() -> None:
    with op.batch_alter_table("lifecycle_overrides") as batch:
        batch.add_column(sa.Column("kind", sa.String(length=16), nullable=True))
        for name, sql_type in NEW_COLUMNS:
            batch.add_column(sa.Column(name, sql_type, nullable=True))
    op.execute("update lifecycle_overrides set kind = case when requirement_id is not null then 'waive' else 'phase' end")
    with op.batch_alter_table("lifecycle_overrides") as batch:
        batch.alter_column("kind", existing_type=sa.String(length=16), nullable=False)


def downgrade() -> None:
    op.execute("delete from lifecycle_overrides where kind not in ('waive', 'phase')")
    with op.batch_alter_table("lifecycle_overrides") as batch:
        for name in ("kind", *(name for name, _ in NEW_COLUMNS)):
            batch.drop_column(name)
