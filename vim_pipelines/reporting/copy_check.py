"""Whether the copy that readers have is the whole of the marts: names and numbers of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from vim_pipelines.core.verdicts import Verdict

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session


def copy_verdict(marts: Mapping[str, int], copied: Mapping[str, int], parquet: Collection[str]) -> Verdict:
    """`marts` and `copied`: rows by mart in the warehouse and in the copy; `parquet`: marts that have a file."""
    rows = [
        {"mart": name, "in the warehouse": marts.get(name, "-"), "in the copy": copied.get(name, "-"), "parquet": "yes" if name in parquet else "no"}
        for name in sorted({*marts, *copied, *parquet})
        if name not in marts or marts[name] != copied.get(name) or name not in parquet
    ]
    return Verdict(
        what="The published copy holds every mart with every row, in DuckDB and in Parquet",
        passed=not rows,
        why=f"{len(rows)} of {len(marts)} marts differ",
        fix="Materialize the asset published again: vimotion publish, or Materialize on its page",
        rows=rows,
        figures={"marts": len(copied), "rows": sum(copied.values())},
    )


def rows_by_mart(session: Session) -> dict[str, int]:
    """Rows of each table and view of the schema `marts` that the session sees."""
    found = session.rows("select lower(table_name) as mart from information_schema.tables where lower(table_schema) = 'marts' order by 1")
    if not found:
        return {}
    counts = session.rows(" union all ".join(f"select '{row['mart']}' as mart, count(*) as found from marts.{row['mart']}" for row in found))
    return {row["mart"]: int(row["found"]) for row in counts}
