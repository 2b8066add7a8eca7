"""People's words about accounts, as rows: waivers, phases set by hand, answers, disputes, snoozes, and what took them back.

Written once and never changed; what a word means, and whether it counts, is `lifecycle.words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.store.models import LifecycleOverride

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store


def read_overrides(store: Store, account_key: str | None = None) -> list[dict[str, Any]]:
    """All words (or those about one account) as plain rows, oldest first, with the columns of `LifecycleOverride`; the reader applies the expiry."""
    statement = select(LifecycleOverride).order_by(LifecycleOverride.created_at, LifecycleOverride.override_id)
    if account_key is not None:
        statement = statement.where(LifecycleOverride.account_key == account_key)
    with store.session() as session:
        return [{column.name: getattr(row, column.name) for column in LifecycleOverride.__table__.columns} for row in session.scalars(statement)]


def add_override(store: Store, row: Mapping[str, Any]) -> None:
    """Append one word; the same word said twice (same `override_id`) stands once."""
    with store.session() as session:
        if session.get(LifecycleOverride, row["override_id"]) is None:
            session.add(LifecycleOverride(**row))
