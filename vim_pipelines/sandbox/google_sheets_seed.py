"""The simulated customers as tabs of the sandbox's spreadsheet: the same portfolio, kept by hand by a team without a CRM.

The inverse of the mapping in `portfolios/google_sheets.yaml`. The key columns hold the canonical keys, as an export from an old CRM would, and
the column `Last Changed` the simulator's modification time, as the modification fields of the other CRMs do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.sandbox.emulators import seeding
from vim_pipelines.sandbox.emulators.google_sheets import TABLES, TABS, column_names
from vim_pipelines.sandbox.emulators.state import STAMP, State

MODIFIED = "modified_at"


@dataclass(frozen=True)
class Seed:
    """How an entity becomes a tab: canonical columns in the order of the tab's columns but the last, and the sheet's words for closed vocabularies."""

    entity: str
    tab: str
    columns: tuple[str, ...]
    words: dict[str, dict[str, str]] = field(default_factory=dict)


SEEDS = (
    Seed("account", "Accounts", (
        "account_key", "account_name", "domain", "segment", "tier", "parent_account_key", "owner_name", "owner_email", "csm_name", "csm_email",
        "director_email", "arr_amount", "currency", "customer_since", "notice_received_on",
    )),
    Seed("contact", "Contacts", (
        "contact_key", "account_key", "full_name", "email", "title", "role", "is_active", "left_on", "last_contacted_on", "relationship_strength",
    )),
    Seed("contract_line", "Contracts", (
        "contract_line_key", "account_key", "product", "seats", "list_unit_price_annual", "net_unit_price_annual", "currency", "start_date", "end_date",
        "notice_days", "auto_renew", "status", "notice_served_on", "term_months", "billing_frequency", "sla_tier", "discount_expires_on",
    ), {"status": {"active": "Active", "draft": "Draft", "terminated": "Terminated"}}),
    Seed("opportunity", "Opportunities", (
        "opportunity_key", "account_key", "opportunity_name", "opportunity_type", "stage", "amount", "currency", "created_on", "close_date", "is_closed",
        "is_won", "owner_email",
    ), {"opportunity_type": {"new": "New Business", "renewal": "Renewal", "expansion": "Expansion", "other": "Other"}}),
    Seed("document", "Documents", ("document_key", "account_key", "document_kind", "title", "body", "authored_on", "author_email")),
    Seed("meeting", "Meetings", ("meeting_key", "account_key", "meeting_kind", "subject", "held_at", "status", "notes")),
    Seed("task", "Tasks", (
        "task_key", "account_key", "subject", "status", "priority", "due_date", "owner_email", "task_kind", "created_on", "completed_on", "meeting_key",
    )),
    Seed("survey_response", "Surveys", ("survey_response_key", "account_key", "contact_key", "survey_kind", "score", "comment", "responded_at")),
    Seed("milestone", "Milestones", (
        "milestone_key", "account_key", "milestone_kind", "metric_name", "baseline_value", "target_value", "measured_value", "due_date", "reached_on",
        "measured_on", "owner_email",
    )),
    Seed("training_completion", "Trainings", ("training_completion_key", "account_key", "user_key", "course", "completed_at")),
    Seed("ebr", "EBRs", ("ebr_key", "account_key", "held_on", "status", "outcome", "sponsor_attended")),
    Seed("campaign", "Campaigns", (
        "campaign_key", "account_key", "campaign_kind", "campaign_name", "started_on", "ended_on", "users_targeted", "users_responded",
    )),
    Seed("reference", "References", (
        "reference_key", "account_key", "contact_key", "reference_kind", "status", "consented_on", "expires_on", "given_on",
    )),
)  # fmt: skip


def seed_google_sheets(source_dir: Path, db_path: Path) -> int:
    """Replace the spreadsheet by the versions in `source_dir` (`<entity.table>.parquet` with canonical columns and `modified_at`); returns rows.

    Rows as of the clock file beside `db_path` are shown afterwards. What people had typed is gone.
    """
    with seeding.fresh_state(db_path, TABLES) as state:
        return sum(_seed_tab(state, seed, seeding.read_table(source_dir / f"{ENTITIES[seed.entity].table}.parquet")) for seed in SEEDS)


def _seed_tab(state: State, seed: Seed, source: Any) -> int:
    if source is None or source.num_rows == 0:
        return 0
    columns: dict[str, Any] = {}
    for name, canonical, kind in zip(column_names(seed.tab), (*seed.columns, MODIFIED), TABS[seed.tab].values(), strict=True):
        columns[name] = seeding.cells(kind, seeding.column(source, canonical), seed.words.get(canonical))
    columns[STAMP] = seeding.stamps(seeding.column(source, MODIFIED))
    columns["IsDeleted"] = seeding.deletions(source)
    return state.seed(seed.tab, columns)
