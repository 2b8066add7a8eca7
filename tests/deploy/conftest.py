"""A real PostgreSQL for Dagster and for the store."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))

from stores import postgres_address

__all__ = ["postgres_address"]
