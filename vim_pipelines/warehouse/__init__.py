"""The analytical warehouse behind one small interface: a DuckDB file or Snowflake, chosen by one setting."""

from vim_pipelines.warehouse.base import Session, Warehouse, Work, open_warehouse

__all__ = ["Session", "Warehouse", "Work", "open_warehouse"]
