"""Small warehouses for the tests of batches, made once and copied: filling one costs more than most of what is tested with it."""

from __future__ import annotations

import shutil
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from reasoning_cases import AS_OF

ACCOUNTS = 4


def marts_with(folder: Path, marts_class: Any, accounts: int = ACCOUNTS, prefix: str = "Customer ") -> Any:
    """The marts of `accounts` accounts with one document to write each, in a file of their own in `folder`."""
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    path = folder / "warehouse.duckdb"
    shutil.copyfile(_template(marts_class, accounts, prefix), path)
    marts = marts_class.__new__(marts_class)
    marts.warehouse = DuckDBWarehouse(path)
    return marts


@cache
def _template(marts_class: Any, accounts: int, prefix: str) -> Path:
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    path = Path(mkdtemp(prefix="vim-batches-")) / "template.duckdb"
    put(marts_class(DuckDBWarehouse(path)), AS_OF, accounts, prefix)
    return path


def put(marts: Any, as_of: date, accounts: int = ACCOUNTS, prefix: str = "Customer ", **changes: Any) -> None:
    """One more date of the same accounts."""
    for number in range(accounts):
        marts.put(f"ACC-{number}", f"{prefix}{number}", as_of=as_of, risks=(("SILENCE", "high"),), **changes)
