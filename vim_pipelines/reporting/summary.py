"""What a night did, in one object: the command line prints it, JSON carries it, later pages show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.money import format_money

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as OperationsSession

    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse import Warehouse
    from vim_pipelines.warehouse.base import Session

BAND_ORDER = ("red", "yellow", "green", "unknown")


@dataclass(frozen=True)
class NightSummary:
    """Figures of one as-of date. Money is in `currency`; None means unknown, never zero."""

    as_of_date: date
    portfolio: str
    accounts: int
    currency: str
    waste_annual: Decimal | None
    unused_value_annual: Decimal | None
    accounts_without_money: int
    accounts_by_phase: dict[str, int]
    accounts_by_band: dict[str, int]
    drafts_written: int
    drafts_held: int
    awaiting_approval: int
    cost_usd: Decimal | None
    attention: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    accounts_held: int = 0
    to_write: int = 0
    #: Alerts that nobody has acknowledged.
    alerts_open: int = 0
    #: Approved plans by what came of them; empty before the first.
    plans_by_outcome: dict[str, int] = field(default_factory=dict)
    #: Per queue of next best actions: actions and hours in this week's capacity, and actions beyond it.
    queues: dict[str, dict[str, float]] = field(default_factory=dict)
    #: Drafts whose answers come with a batch of language-model calls.
    drafts_waiting: int = 0

    def timed(self, seconds: float, cpu_seconds: float) -> NightSummary:
        """The same figures with the time that the command took."""
        return replace(self, seconds=seconds, cpu_seconds=cpu_seconds)

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`: decimals as text, dates in ISO form."""
        return {key: str(value) if isinstance(value, Decimal | date) else value for key, value in asdict(self).items()}


def summarise(warehouse: Warehouse, store: Store, as_of: date, *, portfolio: str, seconds: float, cpu_seconds: float) -> NightSummary:
    """Read the figures of `as_of` from the marts and the operations store."""
    from sqlalchemy import func, select
    from sqlalchemy.orm import aliased

    from vim_pipelines.store.models import Alert, ApprovalEvent, ApprovalRequest, PendingDraft

    with warehouse.session(read_only=True) as session:
        total = session.rows(
            "select count(*) as accounts, max(portfolio_currency) as currency, sum(waste_annual) as waste, sum(unused_value_annual) as unused,"
            " sum(case when money_status <> 'ok' or money_status is null then 1 else 0 end) as without_money"
            " from marts.fct_account_signals where as_of_date = ?",
            [as_of],
        )[0]
        phases = session.rows(
            "select phase, max(phase_name) as phase_name, count(*) as accounts from marts.fct_account_state where as_of_date = ? group by phase order by phase",
            [as_of],
        )
        bands = session.rows("select risk_band, count(*) as accounts from marts.fct_account_signals where as_of_date = ? group by risk_band", [as_of])
        queues = session.rows(
            "select queue_owner, sum(case when is_in_capacity then 1 else 0 end) as in_capacity, sum(case when is_in_capacity then effort_hours else 0 end) as hours,"
            " sum(case when status = 'cut' then 1 else 0 end) as beyond from marts.fct_next_best_actions"
            " where as_of_date = ? and status in ('open', 'cut') group by queue_owner order by queue_owner",
            [as_of],
        )
        held = session.rows(
            "select account_key, account_name, hold_reason from marts.fct_account_signals where as_of_date = ? and hold_reason is not null order by account_key",
            [as_of],
        )
        quality = session.rows(
            "select entity, metric, value, detail from marts.fct_data_quality where as_of_date = ? and (status in ('warn', 'stale') or metric = 'is_fed') order by entity, metric",
            [as_of],
        )
        outcomes = plan_outcomes(session, as_of)
    with store.session() as operations:
        drafts = count_documents(operations, as_of)
        waiting = operations.scalar(select(func.count()).where(ApprovalRequest.state == "pending"))
        in_batches = operations.scalar(select(func.count()).select_from(PendingDraft))
        newer = aliased(ApprovalRequest)
        by_hand = operations.scalar(
            select(func.count(ApprovalRequest.request_id.distinct()))
            .join(ApprovalEvent, ApprovalEvent.request_id == ApprovalRequest.request_id)
            .where(ApprovalRequest.state == "rejected", ApprovalEvent.action == "human_must_write")
            .where(
                ~select(newer.request_id)
                .where(newer.account_key == ApprovalRequest.account_key, newer.document == ApprovalRequest.document, newer.version > ApprovalRequest.version)
                .exists()
            )
        )
        alerts = operations.scalar(select(func.count()).select_from(Alert).where(Alert.acknowledged_at.is_(None)))
        cost = cost_of_calls(operations, as_of)
    found = {row["risk_band"] or "unknown": int(row["accounts"]) for row in bands}
    return NightSummary(
        as_of_date=as_of,
        portfolio=portfolio,
        accounts=int(total["accounts"]),
        currency=total["currency"] or "",
        waste_annual=total["waste"],
        unused_value_annual=total["unused"],
        accounts_without_money=int(total["without_money"] or 0),
        accounts_by_phase={f"{row['phase']} {row['phase_name']}": int(row["accounts"]) for row in phases},
        accounts_by_band={band: found.get(band, 0) for band in BAND_ORDER},
        drafts_written=int(drafts.get("written", 0)),
        drafts_held=int(drafts.get("held", 0)),
        awaiting_approval=int(waiting or 0),
        to_write=int(by_hand or 0),
        alerts_open=int(alerts or 0),
        cost_usd=cost,
        attention=held_lines(held) + attention_lines(quality),
        accounts_held=len(held),
        plans_by_outcome=outcomes,
        drafts_waiting=int(in_batches or 0),
        queues={row["queue_owner"]: {name: float(row[name]) for name in ("in_capacity", "hours", "beyond")} for row in queues},
        seconds=seconds,
        cpu_seconds=cpu_seconds,
    )


def cost_of_calls(operations: OperationsSession, as_of: date) -> Decimal | None:
    """US dollars of the calls of one as-of date, by the rule of marts.fct_llm_costs: None where an answered call has no price, however many others have
    one; a call that nobody answered counts as nothing; no call costs nothing."""
    from sqlalchemy import func, select

    from vim_pipelines.store.models import LlmCall

    is_unpriced = LlmCall.cost_usd.is_(None) & LlmCall.output_tokens.is_not(None)
    unpriced, cost = operations.execute(select(func.count().filter(is_unpriced), func.sum(LlmCall.cost_usd)).where(LlmCall.as_of_date == as_of)).one()
    return None if unpriced else Decimal(cost or 0)


def count_documents(operations: OperationsSession, as_of: date) -> dict[str, int]:
    """Documents of one as-of date by the status of their newest version: a held text is followed by the offline drafter's, and the document counts once, as it stands."""
    from sqlalchemy import func, select
    from sqlalchemy.orm import aliased

    from vim_pipelines.store.models import Draft

    later = aliased(Draft)
    is_last = ~select(later.draft_id).where(
        later.account_key == Draft.account_key, later.document == Draft.document, later.as_of_date == as_of, later.version > Draft.version
    ).exists()  # fmt: skip
    rows = operations.execute(select(Draft.status, func.count()).where(Draft.as_of_date == as_of, is_last).group_by(Draft.status))
    return {status: int(count) for status, count in rows}


#: States of a plan, in the order in which a person asks for them.
OUTCOME_ORDER = ("met", "missed", "expired", "open", "unknown")


def plan_outcomes(session: Session, as_of: date) -> dict[str, int]:
    """Approved plans by state on `as_of`; empty if there are none, or if the warehouse is from before they were followed."""
    if not session.table_exists("marts.fct_plan_outcome_counts"):
        return {}
    sums = ", ".join(f"sum(plans_{state}) as plans_{state}" for state in OUTCOME_ORDER)
    [row] = session.rows(f"select count(*) as groups, {sums} from marts.fct_plan_outcome_counts where as_of_date = ?", [as_of])
    return {state: int(row[f"plans_{state}"]) for state in OUTCOME_ORDER} if row["groups"] else {}


#: Queues that the summary names.
QUEUES_BY_NAME = 6
#: Accounts that the summary names when gates hold them.
HELD_BY_NAME = 2
#: What a figure of marts.fct_data_quality means to a person; others are shown by their names.
PHRASES = {
    "quarantined": "rows set aside with a reason in raw.quarantine: {count}",
    "unattributed_share": "{share} have no account; kept, and in no account's figures",
    "invalid_lines": "lines that make no sense and are in no figure: {count}",
    "money_unknown_lines": "lines whose money is unknown, without a price or an exchange rate: {count}",
    "as_of_assumed": "past dates are assumed, not known",
    "freshness_days": "nothing new for {count} days",
}


def held_lines(held: Sequence[Mapping[str, Any]]) -> list[str]:
    """The accounts that a gate held (account_key, account_name, hold_reason) as sentences: two by name, the others as a number."""
    lines = [f"{row['account_name']} ({row['account_key']}) is {row['hold_reason']}" for row in held[:HELD_BY_NAME]]
    return lines + ([f"and {len(held) - HELD_BY_NAME} more accounts are held (raw.held_accounts)"] if len(held) > HELD_BY_NAME else [])


def attention_lines(quality: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows of marts.fct_data_quality (entity, metric, value, detail) as sentences; the entities that no source feeds on one line."""
    unfed = [row["entity"] for row in quality if row["metric"] == "is_fed" and not row["value"]]
    lines = []
    for row in quality:
        if row["metric"] == "is_fed":
            continue
        value = float(row["value"]) if row["value"] is not None else None
        phrase = PHRASES.get(row["metric"], row["metric"].replace("_", " ") + ": {count}")
        shown = phrase.format(count="unknown" if value is None else f"{value:,.0f}", share="unknown" if value is None else f"{value:.1%}")
        lines.append(f"{row['entity'].replace('_', ' ')}: {shown}{' (' + row['detail'] + ')' if row['detail'] and row['detail'] != 'all' else ''}")
    if unfed:
        lines.append(f"no source feeds {', '.join(name.replace('_', ' ') for name in unfed)}: what depends on them is unknown, not zero")
    return lines


def queue_line(queues: Mapping[str, Mapping[str, float]]) -> str:
    """The queues of next best actions in a line: what this week's hours hold, and what lies beyond."""
    each = [f"{owner.split('@')[0]} {queue['in_capacity']:.0f} ({queue['hours']:g} h, {queue['beyond']:.0f} beyond)" for owner, queue in queues.items()]
    more = f", and {len(each) - QUEUES_BY_NAME} more" if len(each) > QUEUES_BY_NAME else ""
    return ", ".join(each[:QUEUES_BY_NAME]) + more if each else "none"


def summary_lines(summary: NightSummary, next_commands: list[str]) -> list[str]:
    """The summary as lines of text, the same on a terminal and in a log."""
    unknown = f" ({summary.accounts_without_money} accounts without a figure)" if summary.accounts_without_money else ""
    held = f", {summary.accounts_held} of them held for bad data: nothing was computed, drafted or written for them" if summary.accounts_held else ""
    phases = [f"    {name:<28}{count:>6}" for name, count in summary.accounts_by_phase.items()]
    bands = "   ".join(f"{band} {count}" for band, count in summary.accounts_by_band.items())
    cost = "unknown" if summary.cost_usd is None else f"${summary.cost_usd:.2f}"
    attention = [f"    {line}" for line in summary.attention[:8]]
    if len(summary.attention) > 8:
        attention.append(f"    and {len(summary.attention) - 8} more in marts.fct_data_quality")
    return [
        f"Portfolio audit of {summary.portfolio}, as of {summary.as_of_date}",
        "",
        f"  Accounts audited      {summary.accounts}{held}",
        f"  Money wasted per year {format_money(summary.waste_annual, summary.currency or None)} right-size gap, with headroom{unknown}",
        f"                        {format_money(summary.unused_value_annual, summary.currency or None)} unused today",
        "  Accounts by phase",
        *phases,
        f"  Accounts by risk band {bands}",
        f"  Next best actions     {queue_line(summary.queues)}",
        f"  Documents             written {summary.drafts_written}   held back by a gate {summary.drafts_held}   awaiting approval {summary.awaiting_approval}"
        + (f"   for a person to write {summary.to_write} (vimotion inbox list)" if summary.to_write else ""),
        *([f"  Alerts                {summary.alerts_open} that nobody has acknowledged (vimotion inbox alerts)"] if summary.alerts_open else []),
        *([f"                        {summary.drafts_waiting} wait for a batch of calls to end: vimotion batches collect"] if summary.drafts_waiting else []),
        *(
            [f"  Approved plans        {'   '.join(f'{state} {count}' for state, count in summary.plans_by_outcome.items())}"]
            if summary.plans_by_outcome
            else []
        ),
        f"  Cost                  {cost} of language-model calls",
        f"  Time                  {summary.seconds:.0f} s ({summary.cpu_seconds:.0f} s of CPU in this process and its children)",
        *(["  Data that needs a look", *attention] if attention else []),
        "",
        "Next:",
        *[f"  {command}" for command in next_commands],
    ]
