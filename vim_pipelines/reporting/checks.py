"""The published copy in Dagster: complete, or nobody may believe what a dashboard does not show."""

import dagster as dg

from vim_pipelines.check_results import result_of


@dg.asset_check(
    asset=["published"],
    name="copy_is_complete",
    description="The copy that the book, the digest and BI tools read holds every mart with every row, in the DuckDB file and as Parquet.",
    required_resource_keys={"settings"},
)
def copy_is_complete(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Count both sides. On Snowflake readers read the marts themselves, and there is no copy to compare."""
    from vim_pipelines.reporting.copy_check import copy_verdict, rows_by_mart
    from vim_pipelines.reporting.reading import reading_marts
    from vim_pipelines.warehouse import open_warehouse

    settings = context.resources.settings
    with open_warehouse(settings).session(read_only=True) as session:
        marts = rows_by_mart(session)
    if settings.warehouse == "snowflake":
        return result_of(copy_verdict(marts, marts, set(marts)))
    with reading_marts(settings) as session:
        copied = rows_by_mart(session)
    parquet = {file.stem for file in (settings.published_dir / "parquet").glob("*.parquet")}
    return result_of(copy_verdict(marts, copied, parquet), dg.AssetCheckSeverity.ERROR)
