"""The last steps of the night: the copy that people and BI tools read, and the portfolio book made from it."""

import dagster as dg

from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date

PUBLISHED_INPUTS = (
    "dim_accounts",
    "fct_account_signals",
    "fct_license_waste",
    "fct_portfolio_daily",
    "fct_plans",
    "fct_approvals",
    "fct_write_backs",
    "fct_llm_calls",
    "fct_llm_costs",
    "fct_plan_outcome_counts",
    "fct_plan_effects",
)


@dg.asset(
    key=["published"],
    deps=[["marts", mart] for mart in PUBLISHED_INPUTS],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    kinds={"duckdb", "parquet"},
    required_resource_keys={"settings"},
)
def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Marts in a DuckDB file (storage version v1.0.0) and as Parquet, swapped in atomically while readers read; beside it the night's figures."""
    from vim_pipelines.reporting.plots import night_numbers, night_sparklines
    from vim_pipelines.reporting.publish import publish
    from vim_pipelines.reporting.reading import reading_marts
    from vim_pipelines.warehouse import open_warehouse

    settings, as_of = context.resources.settings, as_of_date(context)
    copy = publish(open_warehouse(settings), settings.published_dir)
    with reading_marts(settings) as session:
        numbers, pictures = night_numbers(session, as_of), night_sparklines(session, as_of)
    return dg.MaterializeResult(
        metadata={
            **{name: dg.MetadataValue.md(picture) for name, picture in pictures.items()},
            **numbers,
            **({"path": dg.MetadataValue.path(str(copy.path)), "dagster/row_count": sum(copy.rows_by_mart.values())} if copy.path else {}),
            "marts": len(copy.rows_by_mart),
            "book": dg.MetadataValue.url(f"{settings.inbox_url.rstrip('/')}/book/"),
            "inbox": dg.MetadataValue.url(settings.inbox_url),
        }
    )


#: Marts that the pages of the book show.
BOOK_INPUTS = (
    "fct_account_signals",
    "fct_account_state",
    "fct_account_weeks",
    "fct_alerts",
    "fct_approvals",
    "fct_data_quality",
    "fct_health_contributions",
    "fct_health_scores",
    "fct_license_waste",
    "fct_llm_costs",
    "fct_next_best_actions",
    "fct_phase_transitions",
    "fct_plan_effects",
    "fct_plan_outcome_counts",
    "fct_plan_outcomes",
    "fct_plans",
    "fct_portfolio_daily",
    "fct_renewals",
    "fct_requirements",
    "fct_risks",
)


@dg.asset(
    key=["book"],
    deps=[["published"], *[["marts", mart] for mart in BOOK_INPUTS]],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    kinds={"html"},
    required_resource_keys={"settings"},
)
def book(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The portfolio book of the newest night as static pages, switched in whole. If it fails, the run says so; the published copy and the book before stand."""
    from vim_pipelines.reporting.book.write import write_book
    from vim_pipelines.reporting.reading import reading_marts

    settings = context.resources.settings
    with reading_marts(settings) as session:
        written = write_book(session, settings.book_dir, evaluations=settings.evaluation_dir, inbox_url=settings.inbox_url)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(written.index)),
            "book": dg.MetadataValue.url(f"{settings.inbox_url.rstrip('/')}/book/"),
            "accounts": written.accounts,
            "pages": written.pages,
            "bytes": written.size_bytes,
            "is_new": written.is_new,
        }
    )
