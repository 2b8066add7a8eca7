"""Running a job from the command line, in this process, recorded in the same Dagster instance that `make ui` shows.

The command line adds nothing to the job but a summary: what Dagster runs at night is what `vimotion audit` runs.
"""

from __future__ import annotations

import os
import re
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError

if TYPE_CHECKING:
    from vim_pipelines.approvals.deliveries import DeliveryReport
    from vim_pipelines.approvals.policy import Actor
    from vim_pipelines.approvals.queue import Request
    from vim_pipelines.approvals.rerun import Rerun, RerunPlan
    from vim_pipelines.evaluation.backtest_card import CalibrationCard
    from vim_pipelines.reasoning.batches.collect import CollectReport
    from vim_pipelines.reporting.digest.sending import DigestReport
    from vim_pipelines.reporting.summary import NightSummary
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse.base import Warehouse
    from vim_pipelines.writeback.apply import ReconcileReport, WriteBackReport
    from vim_pipelines.writeback.mirror import MirrorReport

#: What ends a round of write-backs: the next request would meet the same.
STOPS_ALL = frozenset({"VIM-E010", "VIM-E011", "VIM-E014", "VIM-E050", "VIM-E052", "VIM-E113"})
LOOK_AT_LOG = "The log is in the folder logs of the home folder; --debug shows it as it runs"
#: What opens the working warehouse file runs alone; a decision must not wait for the night, so what reads only the store may run beside it.
DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}
concurrency:
  runs:
    max_concurrent_runs: 3
    tag_concurrency_limits:
      - {key: vim/warehouse, limit: 1}
      - {key: vim/account_id, value: {applyLimitPerUniqueValue: true}, limit: 1}
event_log_storage: {module: vim_pipelines.event_log, class: OpenSqliteEventLogStorage}
run_monitoring: {enabled: true, start_timeout_seconds: 180, max_runtime_seconds: 7200, free_slots_after_run_end_seconds: 300}
retention: {schedule: {purge_after_days: 90}, sensor: {purge_after_days: {skipped: 3, failure: 30, success: 90}}}
"""


def prepare_dagster_home(settings: Settings) -> None:
    """Make the instance folder with telemetry and pop-ups off, and point DAGSTER_HOME there unless the user set one.

    VIM-E001 if the instance file of the user's own reads an environment variable that is not set.
    """
    if own := os.environ.get("DAGSTER_HOME"):
        _require_variables(Path(own))
        return
    home = settings.dagster_home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(DAGSTER_YAML)
    os.environ["DAGSTER_HOME"] = str(home)


def _require_variables(home: Path) -> None:
    from vim_pipelines.core.instance_file import instance_file, variables_in

    for name in variables_in(instance_file(home)):
        if not os.environ.get(name):
            raise VimError(
                "VIM-E001",
                f"The setting {name} is missing",
                why=f"{home / 'dagster.yaml'} reads it",
                fix=f"Set {name}, or point DAGSTER_HOME to another folder",
            )


#: Hears that a step of the night has begun (False) or ended (True), with the names of all steps.
OnStep = Callable[[str, bool, tuple[str, ...]], None]


def run_audit(settings: Settings, as_of: date | None, *, say: Callable[[str], None], debug: bool = False, on_step: OnStep | None = None) -> NightSummary:
    """Run `portfolio_audit` for `as_of` (default: the last complete day with data) and read its summary.

    Raises the VimError that stopped the run; VIM-E022 if a quality gate did, VIM-E023 if a dbt model or test did.
    """
    from vim_pipelines.portfolio.file import last_data_day, load_portfolio
    from vim_pipelines.reporting.summary import summarise
    from vim_pipelines.schedule import FIRST_AS_OF
    from vim_pipelines.store import open_store
    from vim_pipelines.warehouse import open_warehouse

    portfolio = load_portfolio(settings.portfolio, settings)
    newest = last_data_day(portfolio, settings)
    as_of = as_of or newest
    if not FIRST_AS_OF <= as_of <= newest:
        raise VimError(
            "VIM-E024",
            f"There is no data for {as_of}",
            why=f"The portfolio has complete days up to {newest}",
            fix=f"Ask for a date from {FIRST_AS_OF} to {newest}",
        )
    warehouse = open_warehouse(settings)
    with warehouse.session():
        pass  # a locked or unreachable warehouse ends the command here, before anything is read
    store = open_store(settings)
    say(f"Auditing {portfolio.name} as of {as_of} ...")
    _run_job(settings, "portfolio_audit", partition_key=as_of.isoformat(), debug=debug, on_step=on_step)
    return summarise(warehouse, store, as_of, portfolio=portfolio.name, seconds=0.0, cpu_seconds=0.0)


@dataclass(frozen=True)
class WriteBackRound:
    """What one round of write-backs did: `taken_up` is what dead runs had left open, `results` a report or an error for each approved request."""

    taken_up: ReconcileReport
    results: tuple[tuple[Request, WriteBackReport | VimError], ...]

    @property
    def failures(self) -> list[VimError]:
        """The errors of the requests that could not be carried out."""
        return [result for _, result in self.results if isinstance(result, VimError)]

    def lines(self) -> list[str]:
        """For the command line."""
        lines = self.taken_up.lines()
        for request, result in self.results:
            lines += [f"{request.request_id} {request.account_name}: {result}"] if isinstance(result, VimError) else result.lines()
        return lines

    def as_json(self) -> dict[str, Any]:
        """Plain values: `taken_up`, `written` as reports, `failed` with the error's code and text."""
        from vim_pipelines.approvals.text import as_json

        return {
            "taken_up": as_json(self.taken_up),
            "written": [as_json(result) for _, result in self.results if not isinstance(result, VimError)],
            "failed": [
                {"request_id": request.request_id, "account_name": request.account_name, "code": result.code, "error": str(result)}
                for request, result in self.results
                if isinstance(result, VimError)
            ],
        }


def run_write_backs(settings: Settings) -> WriteBackRound:
    """Finish open writes, then carry out every approved request.

    One request that fails does not keep the others waiting, unless what stopped it would stop them all (credentials, the switch, the day's
    requests): then the others stay approved.
    """
    from vim_pipelines.approvals.queue import approved_ready
    from vim_pipelines.store import open_store
    from vim_pipelines.writeback.apply import reconcile, write_back
    from vim_pipelines.writeback.targets import open_target

    store = open_store(settings)
    results: list[tuple[Request, WriteBackReport | VimError]] = []
    with open_target(settings) as crm:
        taken_up = reconcile(store, crm, settings=settings, now=settings.now())
        for request in approved_ready(store, limit=1000):
            try:
                results.append((request, write_back(store, crm, request.request_id, settings=settings, now=settings.now(), run_id="cli")))
            except VimError as error:
                results.append((request, error))
                if error.code in STOPS_ALL:
                    break
    return WriteBackRound(taken_up, tuple(results))


def run_reconcile(settings: Settings, *, look_for_drift: bool) -> ReconcileReport:
    """Finish what dead runs left open and, if asked, find what was verified and no longer holds."""
    from vim_pipelines.store import open_store
    from vim_pipelines.writeback.apply import reconcile
    from vim_pipelines.writeback.targets import open_target

    with open_target(settings) as crm:
        return reconcile(open_store(settings), crm, settings=settings, now=settings.now(), run_id="cli", look_for_drift=look_for_drift)


def write_back_status(settings: Settings, store: Store) -> dict[str, str]:
    """Mode, switch and CRM of write-back, and its writes by state, each as a text. Opens nothing but the store."""
    from vim_pipelines.store.switches import WRITE_BACK, read_switch
    from vim_pipelines.writeback.targets import target_name
    from vim_pipelines.writeback.text import counts

    switch = read_switch(store, WRITE_BACK)
    turned = f" by {switch.actor} on {switch.at:%Y-%m-%d %H:%M} UTC: {switch.note}" if switch.at else ""
    try:
        crm = target_name(settings)
    except VimError as error:
        crm = str(error)
    found = {"mode": settings.write_mode, "switch": ("on" if switch.is_on else "off") + turned, "crm": crm}
    return found | {"content": counts(store, "content"), "mirror": counts(store, "mirror")}


def say_word(settings: Settings, kind: str, account_key: str, *, person: Actor, note: str, **values: Any) -> tuple[dict[str, Any], list[str]]:
    """Record a person's word about an account; returns its row, and the ids of the requests that a dispute took out of the queue.

    `kind` and `values` are those of `store.models.LifecycleOverride`. Raises VIM-E024 if nothing was audited, VIM-E043, VIM-E045 or VIM-E047 for a
    word that may not be said.
    """
    from vim_pipelines.approvals.disputing import say_and_hold
    from vim_pipelines.store import open_store

    facts, seen_on = _audited_facts(settings, account_key)
    if kind == "dispute":
        values = {"seen_on": seen_on, **values}
        _check_fact(settings, account_key, str(values["fact"]), facts)
    return say_and_hold(open_store(settings), account_key, kind, person=person, note=note, now=settings.now(), **values)


def _audited_facts(settings: Settings, account_key: str) -> tuple[set[str], date]:
    """Names of the facts that the last audit printed of the account, and its as-of date, from the published copy."""
    from vim_pipelines.reporting.publish import PUBLISHED_NAME
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    path = settings.published_dir / PUBLISHED_NAME
    if not path.is_file():
        raise VimError("VIM-E024", "Nothing is published yet", fix="Run vimotion audit first")
    with DuckDBWarehouse(path).session(read_only=True) as session:
        as_of = session.scalar("select as_of_date from marts.fct_account_state_current where account_key = ?", [account_key])
        rows = session.rows("select distinct metric from marts.fct_account_facts_current where account_key = ?", [account_key])
    if as_of is None:
        raise VimError("VIM-E047", f"No account {account_key} was audited", fix="Look the key up in marts.dim_accounts")
    return {str(row["metric"]) for row in rows}, as_of


def _check_fact(settings: Settings, account_key: str, fact: str, printed: set[str]) -> None:
    """A dispute about a misspelt fact would hold nothing, and nobody would notice. What is not printed may be evidence of the lifecycle."""
    import json
    from difflib import get_close_matches

    from vim_pipelines.warehouse import open_warehouse

    if fact in printed:
        return
    with open_warehouse(settings).session(read_only=True) as session:
        kept = session.scalar("select facts from computed.lifecycle_evidence where account_key = ? order by as_of_date desc limit 1", [account_key])
    known = {name for name in json.loads(kept or "{}") if not name.startswith("is_")}
    if fact not in known:
        near = get_close_matches(fact, sorted(known | printed), n=3)
        raise VimError(
            "VIM-E047", f"There is no fact {fact} about {account_key}", fix=f"Did you mean {' or '.join(near)}?" if near else "See marts.fct_account_facts"
        )


def run_deliveries(settings: Settings, store: Store | None = None, *, limit: int | None = None) -> DeliveryReport:
    """Plan what is to be told to whom and send it through the connected channels, at most 25 messages (or `limit`)."""
    from vim_pipelines.approvals.deliveries import ROWS_A_RUN, channels_of, deliver, plan
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.store import open_store

    store, channels, now = store or open_store(settings), channels_of(settings), settings.now()
    try:
        plan(store, channels, policy=policy_of(settings), now=now)
        return deliver(store, channels, settings=settings, now=now, limit=limit or ROWS_A_RUN)
    finally:
        for channel in channels:
            channel.close()


def run_digest(settings: Settings, store: Store | None = None, *, is_forced: bool = False) -> DigestReport:
    """Send the digest of the newest published night to whoever has not got it yet. VIM-E024 if nothing is published.

    A night that is older than the last complete day with data is nobody's news: the audit of that day is still to come, or failed and told so.
    """
    from vim_pipelines.approvals.people import list_people
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.portfolio.file import last_data_day, load_portfolio
    from vim_pipelines.reporting.digest.sending import limits, send_digest
    from vim_pipelines.reporting.figures import read_nights
    from vim_pipelines.reporting.reading import reading_marts
    from vim_pipelines.store import open_store

    store = store or open_store(settings)
    newest, people = last_data_day(load_portfolio(settings.portfolio, settings), settings), list_people(store)
    with reading_marts(settings) as session:
        nights = read_nights(session, limits(people, policy_of(settings)))
    return send_digest(store, settings, nights, people, now=settings.now(), newest_day=newest, is_forced=is_forced)


def run_mirror(settings: Settings) -> MirrorReport:
    """Write the newest night's phase, band, score and waste to the CRM's accounts. VIM-E044 unless a person signed the standing approval."""
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.store import open_store
    from vim_pipelines.warehouse import open_warehouse
    from vim_pipelines.writeback.mirror import current_rows, write_mirror
    from vim_pipelines.writeback.targets import open_target

    with open_warehouse(settings).session(read_only=True) as session:
        as_of, rows = current_rows(session, settings.now())
    if as_of is None:
        raise VimError("VIM-E024", "There is no finished audit", fix="Run vimotion audit first")
    with open_target(settings) as crm:
        return write_mirror(open_store(settings), crm, rows, policy_of(settings), as_of=as_of, settings=settings, now=settings.now())


def run_collection(settings: Settings, store: Store | None = None) -> CollectReport:
    """Poll the open batches of language-model calls, make drafts of what has ended, and ask for decisions on them as the night does.

    What is at stake is read from the published copy: the night may hold the working file. Before the audit of a batch's date is
    published nothing is asked; the batch stays open and the next round asks.
    """
    from vim_pipelines.approvals.asking import ask, unasked_drafts
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.reasoning.batches.collect import collect
    from vim_pipelines.store import open_store

    store, now = store or open_store(settings), settings.now()

    def ask_for(as_of: date) -> int | None:
        reader = _published(settings)
        if reader is None:
            return None
        with reader.session(read_only=True) as session:
            seen_on = session.scalar("select max(as_of_date) from marts.fct_account_signals")
            if seen_on is None or seen_on < as_of:
                return None
            draft_ids = unasked_drafts(store, as_of)
            disputed = _disputed(store, now)
            report = ask(
                session, store, as_of, now, policy=policy_of(settings), approval_hours=settings.approval_hours, seen_on=seen_on, draft_ids=draft_ids,
                disputed=disputed,
            )  # fmt: skip
        return len(report.requested)

    return collect(store, settings, now, ask=ask_for)


def plan_account_rerun(settings: Settings, store: Store, account_key: str) -> RerunPlan:
    """What drafting one account again would write, replace and cost; writes nothing."""
    from vim_pipelines.approvals.rerun import plan_rerun
    from vim_pipelines.warehouse import open_warehouse

    return plan_rerun(open_warehouse(settings), store, settings, account_key, settings.now())


def run_account_rerun(settings: Settings, store: Store, account_key: str) -> Rerun:
    """Draft one account again from the newest marts and ask for decisions; its rows of drafts and requests reach the warehouse with the next audit."""
    from vim_pipelines.approvals.rerun import rerun_account
    from vim_pipelines.warehouse import open_warehouse

    now = settings.now()
    return rerun_account(open_warehouse(settings), store, settings, account_key, now, disputed=_disputed(store, now))


def _published(settings: Settings) -> Warehouse | None:
    """Where readers read the marts: the published copy, or the warehouse itself where readers query that (Snowflake); None before the first audit."""
    from vim_pipelines.reporting.publish import PUBLISHED_NAME
    from vim_pipelines.warehouse import open_warehouse
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    if settings.warehouse != "duckdb":
        return open_warehouse(settings)
    path = settings.published_dir / PUBLISHED_NAME
    return DuckDBWarehouse(path) if path.is_file() else None


def _disputed(store: Store, now: datetime) -> dict[str, set[str]]:
    """Facts that a person disputes at this moment, by account: a dispute is in the marts only after the next audit."""
    from vim_pipelines.lifecycle.words import standing, word_of
    from vim_pipelines.store.overrides import read_overrides

    words: dict[str, list[dict[str, Any]]] = {}
    for row in read_overrides(store):
        words.setdefault(row["account_key"], []).append(word_of(row))
    return {account_key: facts for account_key, said in words.items() if (facts := set(standing(said, now.date()).disputes))}


def undo_write_back(settings: Settings, request_id: str, *, person: Actor, note: str | None) -> WriteBackReport:
    """Put back what one request changed, in the name of the person who asks."""
    from vim_pipelines.approvals.deciding import may_undo
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.store import open_store
    from vim_pipelines.writeback.apply import undo
    from vim_pipelines.writeback.targets import open_target

    store = open_store(settings)
    may_undo(store, request_id, person, policy_of(settings))
    with open_target(settings) as crm:
        return undo(store, crm, request_id, settings=settings, now=settings.now(), actor=person, note=note)


def run_replans(settings: Settings) -> list[str]:
    """Draft again every request that was rejected or sent back."""
    from vim_pipelines.approvals.queue import to_replan
    from vim_pipelines.approvals.replan import replan
    from vim_pipelines.store import open_store

    store = open_store(settings)
    return [line for request in to_replan(store, limit=1000) for line in replan(store, request.request_id, settings=settings, now=settings.now()).lines()]


def run_backtest(settings: Settings, *, activity: Path | None, train_before: date | None, rebuild: str, say: Callable[[str], object]) -> CalibrationCard:
    """Judge a folder's activity history, or the portfolio; keep the card in the warehouse and in the folder `backtests` of the home folder.

    `rebuild` (none, monthly, weekly) first builds the nights of the past that observation dates of the portfolio lack.
    """
    from vim_pipelines.evaluation.backtest import DEFAULT_TRAIN_BEFORE, backtest_activity
    from vim_pipelines.evaluation.backtest_card import store_card, write_card
    from vim_pipelines.warehouse import open_warehouse

    warehouse = open_warehouse(settings)
    card = backtest_activity(activity, train_before or DEFAULT_TRAIN_BEFORE) if activity else _judge_portfolio(settings, train_before, rebuild, say)
    with warehouse.session() as session:
        store_card(session, card)
    _, text = write_card(card, settings.home / "backtests")
    say(f"The card is kept in computed.calibration_cards and in {text}")
    return card


def _judge_portfolio(settings: Settings, test_from: date | None, rebuild: str, say: Callable[[str], object]) -> CalibrationCard:
    from vim_pipelines.evaluation import backtest_portfolio as portfolio_backtest
    from vim_pipelines.evaluation.backtest_terms import needed_nights, observations, terms
    from vim_pipelines.portfolio.file import load_portfolio
    from vim_pipelines.warehouse import open_warehouse

    portfolio, warehouse = load_portfolio(settings.portfolio, settings), open_warehouse(settings)
    within = portfolio_backtest.WITHIN_DAYS_MONTHLY if rebuild == "monthly" else portfolio_backtest.WITHIN_DAYS
    with warehouse.session() as session:
        have = portfolio_backtest.nights(session)
        if not have:
            raise VimError("VIM-E024", "There is no finished audit", fix="Run vimotion audit first")
        rows = observations(terms(portfolio_backtest.read_versions(session), have[-1]))
        first = session.scalar("select min(cast(occurred_at as date)) from raw.usage_events")
    if rebuild != "none" and first is not None:
        rebuild_nights(settings, needed_nights(rows, have, first=first, every=rebuild, within_days=within), newest=have[-1], say=say)
    with warehouse.session(read_only=True) as session:
        prepared = portfolio_backtest.prepare(session, have[-1], within)
    return portfolio_backtest.backtest_portfolio(prepared, portfolio.name, have[-1], test_from)


#: What a night of the past needs for its scores: no drafts, no requests, no phases (those fold over time and would be made again from there).
PAST_MARTS = ["fct_license_waste", "fct_adoption_variance", "fct_ticket_load", "fct_account_signals"]


def rebuild_nights(settings: Settings, days: Sequence[date], *, newest: date, say: Callable[[str], object]) -> None:
    """Build the scores of past nights as a backfill would: base models, signals, and the marts of the measures; no model is called.

    The base models stand at one date at a time, so they are put back to `newest` at the end, also after a failure.
    """
    from vim_pipelines.lifecycle.handoff_run import audit_handoffs
    from vim_pipelines.portfolio.file import load_portfolio
    from vim_pipelines.signals.run import compute_signals
    from vim_pipelines.store import open_store
    from vim_pipelines.store.locks import exclusive
    from vim_pipelines.transform.project import run_dbt, write_profile
    from vim_pipelines.warehouse import open_warehouse

    if not days:
        return
    warehouse, currency = open_warehouse(settings), load_portfolio(settings.portfolio, settings).currency
    write_profile(settings, warehouse)
    with exclusive(open_store(settings), "portfolio_audit") as taken:
        if not taken:
            raise VimError("VIM-E025", "Another audit of this home folder is running", fix="Wait for it to end")
        try:
            for number, day in enumerate(sorted(days), 1):
                say(f"Building the night of {day} ({number} of {len(days)})")
                with _captured(settings, "backtest", show=False):
                    run_dbt(settings, ["tag:base"], day, currency)
                    with warehouse.session() as session:
                        audit_handoffs(session, day)
                        compute_signals(session, day)
                    run_dbt(settings, PAST_MARTS, day, currency)
        finally:
            with _captured(settings, "backtest", show=False):
                run_dbt(settings, ["tag:base"], newest, currency)


def _run_job(settings: Settings, name: str, *, partition_key: str, debug: bool, on_step: OnStep | None = None) -> None:
    prepare_dagster_home(settings)
    with _captured(settings, name, show=debug):
        import dagster as dg
        from dagster._core.errors import DagsterExecutionInterruptedError

        from vim_pipelines.definitions import build_definitions

        job = build_definitions(settings).resolve_job_def(name)
        console = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}
        steps = tuple(node.name for node in job.nodes)

        def heard(record: Any) -> None:
            event = record.dagster_event
            if on_step is not None and event is not None and event.step_key is not None and (event.is_step_start or event.is_step_success):
                on_step(event.step_key, event.is_step_success, steps)

        with dg.DagsterInstance.get() as instance:
            run_id = str(uuid.uuid4())
            instance.add_event_listener(run_id, heard)
            try:
                result = job.execute_in_process(instance=instance, partition_key=partition_key, run_config=console, raise_on_error=False, run_id=run_id)
            except DagsterExecutionInterruptedError:
                raise KeyboardInterrupt from None
    if not result.success:
        if _was_interrupted(result):
            raise KeyboardInterrupt
        raise _failure(result)


def _was_interrupted(result: Any) -> bool:
    """Whether Ctrl-C ended the run: Dagster turns it into the failure of the step that was running."""
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        while error is not None:
            if error.cls_name == "DagsterExecutionInterruptedError":
                return True
            error = error.cause
    return False


@contextmanager
def _captured(settings: Settings, name: str, *, show: bool) -> Iterator[None]:
    """Send what Dagster, dbt and their libraries print to a log file: a person asked for a summary, not for six hundred lines."""
    if show:
        yield
        return
    log = settings.home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # dbt is a child process and writes its libraries' warnings to our standard error
    with log.open("w") as file, redirect_stdout(file), redirect_stderr(file), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _failure(result: Any) -> VimError:
    """The error that stopped a run, as a person should read it."""
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.severity.value == "ERROR":
            reason = check.description or check.check_name
            return VimError(
                "VIM-E022",
                f"The quality gate {check.check_name} stopped the night",
                why=reason,
                fix="Look at raw.quarantine and the check in Dagster (make ui)",
            )
    unforeseen: VimError | None = None
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        where = f"The step {event.step_key}" if event.is_step_failure else "The run"
        while error is not None:
            if CODED.search(error.message or ""):
                return _parsed(error.message)
            if error.cause is None and unforeseen is None:
                code = "VIM-E023" if (event.step_key or "").startswith("dbt_") else "VIM-E099"
                why = (error.message or "").strip().splitlines() or [""]
                unforeseen = VimError(code, f"{where} failed", why=why[0][:400], fix=LOOK_AT_LOG)
            error = error.cause
    return unforeseen or VimError("VIM-E099", "The run failed", fix=LOOK_AT_LOG)


def _parsed(message: str) -> VimError:
    text = message[message.index("VIM-E") :].strip()
    return VimError(text[:8], text[8:].strip())


#: How a VimError, or a kind of it, begins once Dagster has turned it into text.
CODED = re.compile(r"^\S*Error: VIM-E\d{3} ")
