"""The first step of the night in Dagster: sources to raw row versions. The work is in `ingest`."""

from collections.abc import Iterator

import dagster as dg

from vim_pipelines.ingestion.ingest import ingest
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.file import load_portfolio
from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date

USAGE_TABLE = "usage_events"
ENTITY_TABLES = frozenset(entity.table for entity in ENTITIES.values())

#: What each load notes of its sources, for whoever asks where a row came from.
BOOKKEEPING = {
    "usage_attribution": "By which way the events of each load found their account, and how many did.",
    "identity_links": "The keys that the portfolio links to accounts, as they stood at the last load.",
    "loaded_files": "Files of telemetry that were loaded, with their hash; a file is loaded once.",
    "source_fields": "Fields that the sources have, mapped or not, with the day on which each was first and last met.",
}

RAW_TABLES = (*(entity.table for entity in ENTITIES.values()), USAGE_TABLE, "quarantine", "held_accounts", "loads", "entity_coverage", *BOOKKEEPING)


def _description(table: str) -> str:
    for entity in ENTITIES.values():
        if entity.table == table:
            return f"{entity.description} Append-only versions."
    return {
        USAGE_TABLE: "Product telemetry, append-only; rows without an account are kept.",
        "quarantine": "Rows that could not be loaded, or that a gate refused, each with its reason.",
        "held_accounts": "Accounts that a gate held, by audited date, with the reason: no measure, risk, draft or write that night. The gates write it.",
        "loads": "What each load read, added and set aside.",
        "entity_coverage": "Which entities a source feeds: an entity without a source is unknown, not zero.",
        **BOOKKEEPING,
    }[table]


@dg.multi_asset(
    name="raw_sources",
    specs=[dg.AssetSpec(["raw", table], description=_description(table), kinds={"dlt" if table in ENTITY_TABLES else "python"}) for table in RAW_TABLES],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    required_resource_keys={"settings", "only_night", "own_tasks", "suppression"},
)
def raw_sources(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Read every source of the portfolio as it stands now and keep what is new."""
    settings = context.resources.settings
    portfolio = load_portfolio(settings.portfolio, settings)
    known = context.resources
    report = ingest(settings, portfolio, as_of_date(context), settings.now(), run_id=context.run_id, own_tasks=known.own_tasks, suppression=known.suppression)
    for table in RAW_TABLES:
        yield dg.MaterializeResult(asset_key=["raw", table], metadata=report.metadata(table))
