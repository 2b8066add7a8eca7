"""The nights that are compared on two warehouses: the real models and Python steps, in the order of the night, without Dagster.

Shared by the emulator's tests and by `make parity-live`, so that both compare the same thing. Drafting is left out (it reads one
warehouse and writes the store); the store is filled with one of everything instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.core.hashing import sha256_json, sha256_text
from vim_pipelines.evaluation.parity import Difference, Mart, compare, marts_of
from vim_pipelines.evaluation.plan_effect import follow_effects
from vim_pipelines.lifecycle.action_queue import fold_queue
from vim_pipelines.lifecycle.action_tables import ACTION_TABLES
from vim_pipelines.lifecycle.handoff_run import audit_handoffs
from vim_pipelines.lifecycle.outcomes import follow_plans
from vim_pipelines.lifecycle.run import fold_states
from vim_pipelines.lifecycle.tables import TABLES as LIFECYCLE_TABLES
from vim_pipelines.lifecycle.tables import ensure_computed_tables as ensure_lifecycle_tables
from vim_pipelines.settings import Settings
from vim_pipelines.signals.run import compute_signals
from vim_pipelines.signals.tables import TABLES as SIGNAL_TABLES
from vim_pipelines.signals.tables import ensure_computed_tables as ensure_signal_tables
from vim_pipelines.store import open_store
from vim_pipelines.store.mirror import mirror_store
from vim_pipelines.transform.project import RESERVED_SELECTIONS, ensure_manifest, run_dbt, write_profile
from vim_pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    from vim_pipelines.store import Store

#: Tables that these nights leave empty, each with its reason.
NOTHING_TRIED = {"computed.next_best_action_outcomes": "the nights here know of no plan that was carried out"}
#: The tables of the Python steps, compared beside the marts.
COMPUTED = (*SIGNAL_TABLES, *LIFECYCLE_TABLES, *ACTION_TABLES, "plan_outcomes", "plan_effects", "document_terms")


def prepare(settings: Settings, warehouse: Warehouse) -> None:
    """Profile and empty computed tables, as a first night makes them."""
    write_profile(settings, warehouse)
    with warehouse.session() as session:
        ensure_signal_tables(session)
        ensure_lifecycle_tables(session)


def _selection(step: str, tests: bool) -> list[str]:
    return RESERVED_SELECTIONS[step] if tests else [f"{selected},resource_type:{kind}" for selected in RESERVED_SELECTIONS[step] for kind in ("seed", "model")]


def run_night(settings: Settings, warehouse: Warehouse, as_of: date, currency: str = "USD", *, tests: bool = True) -> None:
    """Base models, signals, lifecycle, marts of one as-of date. Two sessions for the Python steps: each makes its tables first (DDL commits).

    Without `tests` the dbt tests are left out: half the statements of a night, and the rows are compared anyway.
    """
    run_dbt(settings, _selection("base", tests), as_of, currency)
    with warehouse.session() as session:
        audit_handoffs(session, as_of)
    with warehouse.session() as session:
        compute_signals(session, as_of)
    with warehouse.session() as session:
        fold_states(session, [], as_of)
        fold_queue(session, [], as_of)
    run_dbt(settings, _selection("marts", tests), as_of, currency)


def keep_card(warehouse: Warehouse, as_of: date) -> None:
    """A calibration card with awkward figures: undefined, zero, a third. What a backtest writes on its own schedule."""
    from vim_pipelines.evaluation.backtest_card import CalibrationCard, CardFigure, store_card
    from vim_pipelines.evaluation.backtest_metrics import Bin

    card = CalibrationCard(
        subject="parity", label="lost", model="sum of logs", model_version="1", chosen_because="it's the simplest", probability="none", data={"rows": "0" * 64},
        as_of_date=as_of, trained_from=None, trained_to=None, train_rows=0, train_accounts=0, train_losses=0, tested_from=as_of - timedelta(days=365),
        tested_to=as_of, test_rows=60, test_accounts=30, test_losses=20, test_censored=1,
        figures=(CardFigure("auc", "sum of logs", "all", 2 / 3, 0.5, None, 60, 20), CardFigure("auc", "sum of logs", "new", None, None, None, 3, 0)),
        reliability=(Bin("1 of 2", 30, 0, None, 0.0, 0.0, 0.1135), Bin("2 of 2", 30, 20, 0.5, 2 / 3, 0.4878, 0.8077)), bands=(), selection={},
        verdict="bands only", may_be_used_for="nothing", limits=("made by hand", 'with "quotes"'),
    )  # fmt: skip
    with warehouse.session() as session:
        store_card(session, card)


def run_operations(settings: Settings, warehouse: Warehouse, store: Store, as_of: date, currency: str = "USD", *, tests: bool = True) -> None:
    """The mirror of the operations store, what became of the approved plans a day later (they are approved after the night), and the marts on both."""
    with warehouse.session() as session:
        mirror_store(store, session)
    with warehouse.session() as session:  # each makes tables before its first row
        follow_plans(session, store, as_of + timedelta(days=1))
    with warehouse.session() as session:
        follow_effects(session, as_of + timedelta(days=1))
    run_dbt(settings, _selection("ops", tests), as_of, currency)


def project_marts(settings: Settings) -> tuple[Mart, ...]:
    """Every mart of the dbt project, from its manifest."""
    return marts_of(json.loads(ensure_manifest(settings).read_text()))


def read_tables(warehouse: Warehouse, tables: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """All rows of each `schema.table`."""
    with warehouse.session(read_only=True) as session:
        return {table: session.rows(f"select * from {table}") for table in tables}


def compare_warehouses(marts: Sequence[Mart], expected: Warehouse, found: Warehouse) -> tuple[dict[str, int], list[Difference]]:
    """Rows per mart in `expected`, and every difference of `found` from it; the computed tables are compared too."""
    grains = {f"marts.{mart.name}": mart.grain for mart in marts} | {f"computed.{name}": () for name in COMPUTED}
    mine, other = (read_tables(warehouse, list(grains)) for warehouse in (expected, found))
    differences = [entry for table, grain in grains.items() for entry in compare(table, grain, mine[table], other[table])]
    return {table: len(rows) for table, rows in mine.items()}, differences


def silently_empty(counts: Mapping[str, int], reasons: Mapping[str, str] | None = None) -> list[str]:
    """Tables without a row for which `reasons` gives no reason: comparing them proved nothing."""
    return sorted(table for table, rows in counts.items() if rows == 0 and not (NOTHING_TRIED | dict(reasons or {})).get(table.removesuffix("_current")))


def fill_store(home: Path, account_keys: Sequence[str], as_of: date) -> Store:
    """An operations store (SQLite) with one of everything: drafts written, held and re-drafted; requests approved, rejected and open; writes; model calls."""
    from vim_pipelines.approvals.deciding import decide
    from vim_pipelines.approvals.queue import list_requests, request_approvals
    from vim_pipelines.store.models import Alert, Draft, LlmCall, OutboxEntry

    store = open_store(Settings(home=home, store_url=f"sqlite:///{home.resolve() / 'parity-operations.db'}"))  # type: ignore[call-arg]
    now = datetime.combine(as_of + timedelta(days=1), time(6, 0, 0, 123456))
    rows: list[dict[str, Any]] = [{"handle": "F12", "metric": "unused_seats", "scope": "account", "status": "ok", "value_number": "150", "shown": "150 seats"}]

    def draft(account: str, version: int, status: str, feedback: str | None = None) -> None:
        text = f'150 of 200 seats are unused. Version {version}; she\'s "told" it 100 %.'
        with store.session() as session:
            session.add(
                Draft(
                    draft_id=f"draft-{account}-{version}", account_key=account, account_name=f"Customer {account}", document="license_optimization_plan",
                    audience="internal", as_of_date=as_of, version=version, draft_key=sha256_text(f"{account}{version}"), facts=rows,
                    facts_sha256=sha256_json(rows), evidence=[], structured={}, rendered_text=text, rendered_sha256=sha256_text(text), status=status,
                    gate_findings=[{"gate": "digits", "stage": "numbers", "what": "a digit", "where": "title"}] if status == "held" else [], written_by="offline", model=None, prompt_sha256="0" * 64, cost_usd=None,
                    feedback=feedback, created_at=now + timedelta(seconds=version),
                )
            )  # fmt: skip

    first, second, third, fourth = account_keys[:4]
    draft(first, 1, "written")
    draft(second, 1, "held")
    draft(second, 2, "written", feedback="shorter, please")
    draft(third, 1, "written")
    draft(fourth, 1, "written")
    signals = {key: {"arr_amount": 60000, "currency": "USD", "risk_band": "green", "csm_email": "ada@vendor.example"} for key in account_keys[:4]}
    request_approvals(store, load_policy(), as_of, now, approval_hours=72, signals=signals)
    (approved,) = [request.request_id for request in list_requests(store, account_key=first)]  # before it is decided: only open ones are listed
    for account, verdict, note in ((first, "approve", None), (third, "reject", 'not now: "budget" is 0 %')):
        for request in list_requests(store, account_key=account):
            decide(
                store,
                request.request_id,
                verdict,
                person=Actor("dora", "director", "cli"),
                version=request.version,
                note=note,
                now=now + timedelta(minutes=90),
                policy=load_policy(),
            )
    with store.session() as session:
        for attempt, (status, cost) in enumerate((("ok", "0.0125"), ("error", None)), start=1):
            session.add(
                LlmCall(
                    call_id=f"call-{attempt}", draft_key="k", attempt=attempt, account_key=first, document="d", provider="anthropic", model="m",
                    prompt_sha256="p", status=status, response={}, cost_usd=cost, as_of_date=as_of, created_at=now,
                )
            )  # fmt: skip
        for number, state in enumerate(("planned", "verified"), start=1):
            session.add(
                OutboxEntry(
                    entry_id=f"out-{number}", idempotency_key=f"i{number}", request_id=approved, account_key=first, kind="content", action="crm_note",
                    target="salesforce", object_name="VIM_Draft__c", external_id=f"VIM-{number}", proposed={"Document__c": "plan's"}, before=None, after=None,
                    approved_sha256="a", state=state, record_id="a01" if state == "verified" else None,
                    attempts=number - 1, created_at=now, updated_at=now,
                )
            )  # fmt: skip
        for number, acknowledged_by in enumerate((None, "dora"), start=1):
            session.add(
                Alert(
                    alert_id=f"alert-{number}", account_key=first, account_name="One", kind="notice_served", episode=f"e{number}", as_of_date=as_of, segment=None,
                    facts=[], text="The customer's notice is in.", text_sha256="t", created_at=now, acknowledged_by=acknowledged_by,
                    acknowledged_role="director" if acknowledged_by else None, acknowledged_channel="inbox" if acknowledged_by else None,
                    acknowledged_at=now + timedelta(minutes=30) if acknowledged_by else None,
                )
            )  # fmt: skip
    return store
