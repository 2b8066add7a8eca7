"""What Dagster's pages say of each asset: group, owner, layer, columns, and where a person reads on.

One place for all of it, applied when the definitions are built: said in twelve files, half the assets had an owner and none had columns.
The groups carry a number because Dagster sorts them by name; so the list reads as the data flows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from vim_pipelines.transform.columns import CURRENT, Columns, read_words

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

#: Owner of each group: whom to ask when one of its assets is wrong.
OWNERS: dict[str, str] = {
    "1_raw": "team:data_engineering",
    "2_seeds": "team:customer_success_operations",
    "3_base": "team:data_engineering",
    "4_computed": "team:data_engineering",
    "5_marts": "team:analytics",
    "6_drafts": "team:customer_success_operations",
    "7_approvals": "team:customer_success_operations",
    "8_outcomes": "team:analytics",
    "9_published": "team:analytics",
}
#: Groups whose rows people see in the book, and those whose rows wait for them in the inbox.
SHOWN_IN_BOOK = frozenset({"5_marts", "8_outcomes", "9_published"})
SHOWN_IN_INBOX = frozenset({"6_drafts", "7_approvals"})
#: Assets that are made after the approvals, whatever their schema: what came of what people decided.
AFTER_APPROVALS = frozenset({"computed/plan_outcomes", "computed/plan_effects"})
#: Assets that are a step and no table of their own: the table that shows what they did.
TABLE_OF = {"ops/drafts": "ops.draft_versions"}


#: What the book holds, in the place of columns.
BOOK_PAGES = {
    "index.html": "The portfolio: the night's figures, charts that filter, and what changed.",
    "renewals.html": "Two quarters by opt-out date, with value, waste, plan, owner and days unacknowledged.",
    "quality.html": "What is known of the data: feeds, freshness, rows set aside.",
    "cost.html": "What language models cost, and how they are judged.",
    "effects.html": "What came of approved plans, and what they changed.",
    "rows/<figure>.html": "The rows behind each figure.",
    "csm/<name>.html": "The accounts of one Customer Success Manager.",
    "accounts/<account>.html": "One account: money, use, tickets, phase, risks and plans.",
}
#: Written by the job `backtest`, on no schedule; the marts read it.
CALIBRATION_CARDS = dg.AssetSpec(
    ["computed", "calibration_cards"],
    description="Figures of the backtests: how well the score foretold losses. One row per card and figure, written by the job backtest.",
    kinds={"python"},
)


def in_catalogue(assets: Iterable[dg.AssetsDefinition], settings: Settings, manifest: Mapping[str, Any]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The same assets with group, owner, tags, links and columns on each, and the one that no job of the night makes."""
    columns = table_columns(manifest)

    def described(spec: dg.AssetSpec) -> dg.AssetSpec:
        group = group_of(spec)
        return spec.replace_attributes(
            group_name=group,
            owners=[OWNERS[group]],
            tags={**spec.tags, "vim/layer": group.partition("_")[2]},
            metadata={**spec.metadata, **_columns_of(spec, columns), **_links(group, settings)},
        )

    return [*(made.map_asset_specs(described) for made in assets), described(CALIBRATION_CARDS)]


def group_of(spec: dg.AssetSpec) -> str:
    """The group of an asset, by its schema; dbt's third run and what is made after the approvals stand together."""
    key = spec.key.to_user_string()
    schema = spec.key.path[0]
    if key in AFTER_APPROVALS or (schema == "marts" and "ops" in _dbt_tags(spec)):
        return "8_outcomes"
    if key == "ops/drafts":
        return "6_drafts"
    if spec.metadata.get("vim/resource_type") == "seed":
        return "2_seeds"
    return {"raw": "1_raw", "base": "3_base", "computed": "4_computed", "marts": "5_marts", "ops": "7_approvals"}.get(schema, "9_published")


def table_columns(manifest: Mapping[str, Any]) -> Columns:
    """The columns of every table that an asset stands for: dbt's from the manifest, the others from the definitions in code that make them."""
    from vim_pipelines.approvals.assets import MIRRORED
    from vim_pipelines.evaluation import plan_effect
    from vim_pipelines.ingestion.assets import RAW_TABLES
    from vim_pipelines.ingestion.tables import raw_tables
    from vim_pipelines.lifecycle import outcomes
    from vim_pipelines.lifecycle.action_tables import ACTION_TABLES
    from vim_pipelines.lifecycle.assets import COMPUTED_HANDOFF, COMPUTED_LIFECYCLE
    from vim_pipelines.lifecycle.tables import TABLES as LIFECYCLE
    from vim_pipelines.portfolio.entities import ENTITIES
    from vim_pipelines.signals.assets import COMPUTED_SIGNALS
    from vim_pipelines.signals.tables import CALIBRATION_CARDS as CARDS
    from vim_pipelines.signals.tables import TABLES as SIGNALS
    from vim_pipelines.store.mirror import TABLES as MIRROR

    raw = raw_tables()
    computed = SIGNALS | LIFECYCLE | ACTION_TABLES
    mirrored = {table.name: {column.name: column.sql_type for column in table.columns} for table in MIRROR}
    tables = {
        **{f"raw.{table}": raw[f"raw.{table}"] for table in RAW_TABLES},
        **{f"computed.{table}": computed[table] for table in (*COMPUTED_SIGNALS, *COMPUTED_LIFECYCLE, *COMPUTED_HANDOFF)},
        **{f"ops.{table}": mirrored[table] for table in (*MIRRORED, "alerts")},
        "computed.calibration_cards": CARDS,
        outcomes.TABLE: outcomes.COLUMNS,
        plan_effect.TABLE: plan_effect.COLUMNS,
    }
    described = {f"raw.{entity.table}": {column.name: column.description for column in entity.columns if column.description} for entity in ENTITIES.values()}
    return Columns(manifest, tables, described, read_words())


def _dbt_tags(spec: dg.AssetSpec) -> set[str]:
    return {name for name in spec.tags if not name.startswith("dagster/")}


def _columns_of(spec: dg.AssetSpec, columns: Columns) -> dict[str, Any]:
    key = spec.key.to_user_string()
    if key == "book":
        return {"dagster/column_schema": dg.TableSchema([dg.TableColumn(name=name, type="page", description=text) for name, text in BOOK_PAGES.items()])}
    if key == "published":
        marts = sum(not table.endswith(CURRENT) for table, _ in columns.tables_of("marts"))
        schema = [
            dg.TableColumn(name="marts.<mart>", type="table", description=f"Each of the {marts} marts under its own name, with the columns of its asset."),
            dg.TableColumn(name="marts.<mart>_current", type="table", description="The rows of the newest as-of date of a daily mart."),
            dg.TableColumn(name="parquet/<mart>.parquet", type="file", description="The same rows as a Parquet file beside the DuckDB file."),
        ]
        return {"dagster/column_schema": dg.TableSchema(schema)}
    found = columns.of(TABLE_OF.get(key) or ".".join(spec.key.path))
    if not found:
        return {}
    return {"dagster/column_schema": dg.TableSchema([dg.TableColumn(name=one.name, type=one.type, description=one.description) for one in found])}


def _links(group: str, settings: Settings) -> dict[str, Any]:
    return ({"book": dg.MetadataValue.url(f"{settings.inbox_url.rstrip('/')}/book/")} if group in SHOWN_IN_BOOK else {}) | (
        {"inbox": dg.MetadataValue.url(settings.inbox_url)} if group in SHOWN_IN_INBOX else {}
    )
