"""The operations store: decisions, drafts, calls paid for, writes made. SQLite (WAL) by default, PostgreSQL in production."""

from vim_pipelines.store.engine import open_store

__all__ = ["open_store"]
