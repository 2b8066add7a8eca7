"""People's words against the rules, as the lifecycle reads them: waived requirements and phases set by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.store.models import LifecycleOverride

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store


def read_overrides(store: Store) -> list[dict[str, Any]]:
    """All overrides as plain rows, oldest first, with the columns of `LifecycleOverride`; the reader applies the expiry."""
    with store.session() as session:
        found = session.scalars(select(LifecycleOverride).order_by(LifecycleOverride.created_at, LifecycleOverride.override_id)).all()
        return [{column.name: getattr(row, column.name) for column in LifecycleOverride.__table__.columns} for row in found]
