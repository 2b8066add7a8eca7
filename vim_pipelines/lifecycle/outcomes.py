"""What became of an approved plan: each of its success criteria followed to met, missed or expired.

A plan that nobody looks back at teaches nothing, and a plan judged by a rule that was written afterwards teaches the wrong thing. So a
criterion is measurable when the plan is asked for, is signed with it (baseline, bar and date are part of the hash-bound payload), and is
judged by the rule here from the measures of the nights alone. What could not be known is `expired`, never `missed`.

Pure down to `follow_plans`, which brings the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vim_pipelines.core.dates import as_day, end_of_day
from vim_pipelines.core.empty import EMPTY_LIST
from vim_pipelines.core.severities import SERIOUS

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse.base import Session

RULE_VERSION = "1"
#: Open risks of severity high or critical, counted from `marts.fct_risks`; every other measure is a metric of `marts.fct_account_facts`.
HIGH_RISKS = "high_risks"
#: A date that has passed proves a miss only if the measure was known this close to it: an audit may run weekly, and two of them may fail.
KNOWN_WITHIN_DAYS = 14

State = Literal["open", "met", "missed", "expired", "unknown"]
STATES: tuple[State, ...] = ("open", "met", "missed", "expired", "unknown")
Comparison = Literal[
    "at_most", "at_least", "below_baseline_by", "above_baseline_by", "below_baseline_by_share", "above_baseline_by_share", "is_recorded", "is_empty"
]  # fmt: skip
#: Comparisons of words and dates, which have no target: something is there, or it was looked for and is not there.
OF_WORDS = ("is_recorded", "is_empty")
DueDate = Literal["opt_out_date", "renewal_date"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Due(_Strict):
    """By when. `date` is a date fact of the account; `days_after_approval` counts where that date is unknown or not ahead on the day of approval."""

    date: DueDate | None = None
    days_after_approval: int = Field(ge=1, le=730)


class Criterion(_Strict):
    """A sentence, and how code finds out whether it came true.

    `measure` is an account-level fact that the document sees, or `high_risks`. `judged` by_due: reached on any night up to the date, for
    what stays reached; on_due: as it stands at the date, for measures that swing (a quarter of nights has a good one by chance).
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    sentence: str = Field(min_length=10)
    measure: str
    comparison: Comparison
    target: Decimal | None = None
    judged: Literal["by_due", "on_due"]
    due: Due

    @model_validator(mode="before")
    @classmethod
    def _is_more_than_a_sentence(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError("a sentence alone cannot be followed; give id, sentence, measure, comparison, target, judged and due")
        return value

    @model_validator(mode="after")
    def _has_its_target(self) -> Criterion:
        if (self.comparison in OF_WORDS) != (self.target is None):
            raise ValueError(f"{self.comparison} takes {'no' if self.comparison in OF_WORDS else 'a'} target")
        if self.target is not None and "baseline" in self.comparison and self.target <= 0:
            raise ValueError(f"{self.comparison} takes a target above zero")
        if self.comparison == "below_baseline_by_share" and self.target is not None and self.target > 1:
            raise ValueError("below_baseline_by_share takes a target of at most 1")
        return self


@dataclass(frozen=True)
class Promise:
    """A criterion as it was approved: with the baseline known then, the day that baseline is of, and the due date if the contract gave one."""

    criterion: str
    sentence: str
    measure: str
    comparison: str
    judged: str
    days_after_approval: int
    target: Decimal | None = None
    due_date: date | None = None
    baseline: Decimal | None = None
    baseline_text: str | None = None
    baseline_on: date | None = None


@dataclass(frozen=True)
class Reading:
    """The measure as known on one night. A night on which it was not known has no reading."""

    on: date
    number: Decimal | None = None
    text: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a criterion stands at, and the reading that proves it (for `open`, the newest one)."""

    state: State
    due_on: date
    reason: str
    proof: Reading | None = None


# --- what is signed ---------------------------------------------------------------------------------------------------


def bind(criterion: Criterion, facts: Sequence[Mapping[str, Any]], facts_as_of: date) -> dict[str, Any]:
    """The criterion as part of a request's payload: JSON with its baseline and its due date from the draft's own facts."""
    number, text = _baseline(criterion.measure, facts)
    dated = _account_fact(criterion.due.date, facts) if criterion.due.date else None
    return {
        "criterion": criterion.id, "sentence": criterion.sentence, "measure": criterion.measure, "comparison": criterion.comparison,
        "target": None if criterion.target is None else format(criterion.target, "f"), "judged": criterion.judged,
        "due_fact": criterion.due.date, "due_date": dated["value_text"] if dated else None, "days_after_approval": criterion.due.days_after_approval,
        "baseline": None if number is None else format(number.normalize(), "f"), "baseline_text": text, "baseline_on": facts_as_of.isoformat(),
    }  # fmt: skip


def promise_of(row: Mapping[str, Any]) -> Promise:
    """The promise that `bind` wrote."""
    return Promise(
        criterion=row["criterion"], sentence=row["sentence"], measure=row["measure"], comparison=row["comparison"], judged=row["judged"],
        days_after_approval=int(row["days_after_approval"]), target=_decimal(row["target"]), due_date=_date(row["due_date"]),
        baseline=_decimal(row["baseline"]), baseline_text=row["baseline_text"], baseline_on=_date(row["baseline_on"]),
    )  # fmt: skip


def _baseline(measure: str, facts: Sequence[Mapping[str, Any]]) -> tuple[Decimal | None, str | None]:
    if measure == HIGH_RISKS:
        if _account_fact("risk_score", facts) is None:
            return None, None  # an account that was not scored has no risks and is not free of them
        return Decimal(sum(1 for fact in facts if fact.get("metric") == "risk" and fact.get("detail") in SERIOUS)), None
    fact = _account_fact(measure, facts)
    return (None, None) if fact is None else (_decimal(fact.get("value_number")), fact.get("value_text"))


def _account_fact(metric: str, facts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The known fact of the account as a whole."""
    return next((fact for fact in facts if (fact.get("metric"), fact.get("scope"), fact.get("status")) == (metric, "account", "ok")), None)


# --- the rule ---------------------------------------------------------------------------------------------------------


def due_on(promise: Promise, approved_on: date) -> date:
    """The contract's date if it was known and ahead on the day of approval, else so many days after it."""
    if promise.due_date is not None and promise.due_date > approved_on:
        return promise.due_date
    return approved_on + timedelta(days=promise.days_after_approval)


def judge(promise: Promise, readings: Iterable[Reading], *, approved_on: date, as_of: date, withdrawn_on: date | None = None) -> Verdict:
    """What the criterion stands at on `as_of`, from the readings of nights after the approval and up to `as_of`.

    met: reached by the date (`by_due`), or at it (`on_due`). missed: the date has come, the measure was known within the last 14 days
    before it, and it was not reached. expired: it ended without an answer, because the measure was not known then or the plan was undone
    before the date; what is_recorded and was not is one of these, because a name that no source gives looks like one that nobody wrote
    down. unknown: there is no baseline to hold the measure against. Whether the plan was carried out does not enter: else a criterion
    that came true by itself would count as a success, and one that did not would not count.
    """
    due = due_on(promise, approved_on)
    if _needs_baseline(promise) and promise.baseline is None:
        return Verdict("unknown", due, "the measure was not known when the plan was asked for")
    is_withdrawn = withdrawn_on is not None and withdrawn_on <= as_of and withdrawn_on < due
    end = min(due, as_of) if withdrawn_on is None else min(due, as_of, withdrawn_on)
    seen = sorted((reading for reading in readings if approved_on < reading.on <= end), key=lambda reading: reading.on)
    newest = seen[-1] if seen else None
    if promise.judged == "by_due":
        first = next((reading for reading in seen if is_reached(promise, reading)), None)
        if first is not None:
            return Verdict("met", due, "reached by the date", first)
    if is_withdrawn:
        return Verdict("expired", due, "the plan was undone before its date", newest)
    if as_of < due:
        return Verdict("open", due, "the date is ahead" if newest else "the date is ahead; the measure has not been known since the approval", newest)
    if newest is None or newest.on <= due - timedelta(days=KNOWN_WITHIN_DAYS):
        return Verdict("expired", due, "the measure was not known when the date came", newest)
    if promise.judged == "on_due" and is_reached(promise, newest):
        return Verdict("met", due, "reached at the date", newest)
    return Verdict("missed", due, "not reached when the date came", newest)


def is_reached(promise: Promise, reading: Reading) -> bool:
    """Whether a reading reaches the promise's bar."""
    words = (reading.text or "").strip().lower()
    if promise.comparison == "is_recorded":
        return reading.number is not None or words not in ("", EMPTY_LIST)
    if promise.comparison == "is_empty":  # no words at all is a night on which nobody looked
        return words == EMPTY_LIST
    bar = bar_of(promise)
    if bar is None or reading.number is None:
        return False
    return reading.number <= bar if promise.comparison == "at_most" or promise.comparison.startswith("below") else reading.number >= bar


def bar_of(promise: Promise) -> Decimal | None:
    """The value to reach; None without a target, or without the baseline that the target is counted from."""
    target, base = promise.target, promise.baseline
    if target is None or not _needs_baseline(promise):
        return target
    if base is None:
        return None
    step = abs(base) * target if promise.comparison.endswith("_share") else target
    return base - step if promise.comparison.startswith("below") else base + step


def plan_state(states: Sequence[str]) -> State:
    """A plan is open while a criterion is, met when all are; else the worst that is known of it: missed, expired, unknown."""
    if not states:
        return "unknown"
    for state in ("open", "missed", "expired", "unknown"):
        if state in states:
            return state
    return "met"


def _needs_baseline(promise: Promise) -> bool:
    return "baseline" in promise.comparison


# --- the rows of a night ----------------------------------------------------------------------------------------------

TABLE = "computed.plan_outcomes"
COLUMNS: dict[str, str] = {
    "as_of_date": "date", "request_id": "varchar", "account_key": "varchar", "account_name": "varchar", "segment": "varchar", "document": "varchar",
    "version": "bigint", "criterion_number": "bigint", "criterion": "varchar", "sentence": "varchar", "measure": "varchar", "comparison": "varchar",
    "judged": "varchar", "target": "double", "baseline": "double", "baseline_text": "varchar", "baseline_on": "date", "bar": "double",
    "approved_on": "date", "executed_on": "date", "withdrawn_on": "date", "due_on": "date", "state": "varchar", "value": "double",
    "value_text": "varchar", "value_on": "date", "reason": "varchar", "plan_state": "varchar", "rule_version": "varchar",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """An approved request. Times are naive UTC; None: it has not happened."""

    request_id: str
    account_key: str
    account_name: str
    document: str
    version: int
    approved_at: datetime
    executed_at: datetime | None
    withdrawn_at: datetime | None
    promises: tuple[Promise, ...]


@dataclass(frozen=True)
class OutcomeReport:
    """What was written: the as-of dates, the requested one first, its rows, and its plans by state."""

    dates: tuple[date, ...]
    rows: int
    plans_by_state: dict[str, int]


def outcome_rows(
    plans: Iterable[Plan], readings: Mapping[tuple[str, str], Sequence[Reading]], segments: Mapping[str, str | None], as_of: date
) -> list[dict[str, Any]]:
    """Rows of `computed.plan_outcomes` as known at the end of `as_of`: plans decided by then, in the state of their events by then.

    `readings` by (account, measure). A plan without criteria, asked for before there were any, is one row with the state unknown.
    """
    end, rows = end_of_day(as_of), []
    for plan in plans:
        if plan.approved_at >= end:
            continue
        approved_on, executed_on, withdrawn_on = plan.approved_at.date(), _by(plan.executed_at, end), _by(plan.withdrawn_at, end)
        verdicts = [
            judge(
                promise, readings.get((plan.account_key, promise.measure), ()), approved_on=approved_on, as_of=as_of, withdrawn_on=withdrawn_on
            )
            for promise in plan.promises
        ]  # fmt: skip
        common = {
            "as_of_date": as_of, "request_id": plan.request_id, "account_key": plan.account_key, "account_name": plan.account_name,
            "segment": segments.get(plan.account_key), "document": plan.document, "version": plan.version, "approved_on": approved_on,
            "executed_on": executed_on, "withdrawn_on": withdrawn_on, "plan_state": plan_state([verdict.state for verdict in verdicts]),
            "rule_version": RULE_VERSION,
        }  # fmt: skip
        if not verdicts:
            rows.append(common | {"criterion_number": 1, "criterion": "none", "state": "unknown", "reason": "the plan was approved without criteria"})
        rows += [
            common | _row(number, promise, verdict) for number, (promise, verdict) in enumerate(zip(plan.promises, verdicts, strict=True), 1)
        ]  # fmt: skip
    return rows


def _row(number: int, promise: Promise, verdict: Verdict) -> dict[str, Any]:
    proof = verdict.proof or Reading(date.min)
    return {
        "criterion_number": number, "criterion": promise.criterion, "sentence": promise.sentence, "measure": promise.measure,
        "comparison": promise.comparison, "judged": promise.judged, "target": _float(promise.target), "baseline": _float(promise.baseline),
        "baseline_text": promise.baseline_text, "baseline_on": promise.baseline_on, "bar": _float(bar_of(promise)), "due_on": verdict.due_on,
        "state": verdict.state, "value": _float(proof.number), "value_text": proof.text, "value_on": proof.on if verdict.proof else None,
        "reason": verdict.reason,
    }  # fmt: skip


def follow_plans(session: Session, store: Store, as_of: date) -> OutcomeReport:
    """Write the outcomes of `as_of`, and of every later day that was written before: a night that is built late is a reading they lacked.

    The marts of `as_of` must have been built.
    """
    ensure_outcome_table(session)
    later = session.rows(f"select distinct as_of_date from {TABLE} where as_of_date > ? order by as_of_date", [as_of])
    dates = (as_of, *(as_day(row["as_of_date"]) for row in later))
    plans = read_plans(store, max(dates))
    readings = read_readings(session, plans, max(dates))
    written = []
    for day in dates:
        rows = outcome_rows(plans, readings, _segments(session, day), day)
        session.replace_partition(TABLE, _frame(rows), "as_of_date", day)
        written.append(rows)
    states: dict[str, int] = defaultdict(int)
    for plan_state_of in {row["request_id"]: row["plan_state"] for row in written[0]}.values():
        states[plan_state_of] += 1
    return OutcomeReport(dates, len(written[0]), dict(sorted(states.items())))


def ensure_outcome_table(session: Session) -> None:
    """Create the table of this module if it does not exist."""
    session.ensure_table(TABLE, COLUMNS)


def read_plans(store: Store, as_of: date) -> list[Plan]:
    """Requests approved by the end of `as_of`, with what happened to them. Of a payload only the criteria are read: texts are long."""
    from sqlalchemy import select

    from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest

    times: dict[str, dict[str, datetime]] = defaultdict(dict)
    with store.session() as session:
        events = select(ApprovalEvent.request_id, ApprovalEvent.action, ApprovalEvent.at).where(ApprovalEvent.action.in_(("approve", "apply", "undo")))
        for request_id, action, at in session.execute(events.order_by(ApprovalEvent.event_number)):
            times[request_id].setdefault(action, at)
        requests = select(
            ApprovalRequest.request_id,
            ApprovalRequest.account_key,
            ApprovalRequest.account_name,
            ApprovalRequest.document,
            ApprovalRequest.version,
            ApprovalRequest.payload["criteria"],
        ).where(ApprovalRequest.approved_sha256.is_not(None), ApprovalRequest.decided_at < end_of_day(as_of))
        return [
            Plan(
                request_id, account_key, account_name, document, version, times[request_id]["approve"], times[request_id].get("apply"),
                times[request_id].get("undo"), tuple(promise_of(row) for row in criteria or ()),
            )
            for request_id, account_key, account_name, document, version, criteria in session.execute(requests.order_by(ApprovalRequest.request_id))
            if "approve" in times[request_id]
        ]  # fmt: skip


def read_readings(session: Session, plans: Sequence[Plan], as_of: date) -> dict[tuple[str, str], list[Reading]]:
    """Every known value of the plans' measures, by (account, measure), on the nights from an approval to the plan's last date, and up to `as_of`."""
    from vim_pipelines.warehouse.base import KEYS_PER_QUERY, chunks

    found: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    measures = sorted({promise.measure for plan in plans for promise in plan.promises})
    if not measures or not session.table_exists("marts.fct_account_facts"):
        return found
    counts_risks = HIGH_RISKS in measures and session.table_exists("marts.fct_risks")
    spans = _spans(plans)
    # In the order of their approvals, so that a query reads the nights of plans of about one age and not those of all of them.
    for keys in chunks(sorted(spans, key=lambda key: (spans[key], key)), KEYS_PER_QUERY):
        where = f"as_of_date > ? and as_of_date <= ? and account_key in ({', '.join('?' * len(keys))})"
        given = [min(spans[key][0] for key in keys), min(as_of, max(spans[key][1] for key in keys)), *keys]
        facts = session.rows(
            "select account_key, as_of_date, metric, value_number, value_text from marts.fct_account_facts"
            f" where {where} and scope = 'account' and status = 'ok' and metric in ({', '.join('?' * len(measures))})",
            [*given, *measures],
        )
        for row in facts:
            found[row["account_key"], row["metric"]].append(Reading(as_day(row["as_of_date"]), _decimal(row["value_number"]), row["value_text"]))
        if counts_risks:
            for row in session.rows(_RISK_COUNTS.format(where=where, severities=", ".join("?" * len(SERIOUS))), [*given, *given, *SERIOUS]):
                found[row["account_key"], HIGH_RISKS].append(Reading(as_day(row["as_of_date"]), Decimal(int(row["risks"]))))
    return found


def _spans(plans: Sequence[Plan]) -> dict[str, tuple[date, date]]:
    """By account, the day of its first approval and the last day by which one of its plans is judged."""
    spans: dict[str, tuple[date, date]] = {}
    for plan in plans:
        approved_on = plan.approved_at.date()
        days = [approved_on, *(due_on(promise, approved_on) for promise in plan.promises)]
        first, last = spans.get(plan.account_key, (approved_on, approved_on))
        spans[plan.account_key] = (min(first, *days), max(last, *days))
    return spans


#: A night on which the account was scored counts its severe risks, also none; a night on which it was not says nothing.
_RISK_COUNTS = """
    select scored.account_key, scored.as_of_date, count(risks.rule_id) as risks
    from (
        select account_key, as_of_date from marts.fct_account_facts
        where {where} and scope = 'account' and status = 'ok' and metric = 'risk_score'
    ) as scored
    left join (
        select account_key, as_of_date, rule_id from marts.fct_risks
        where {where} and risk_status = 'open' and severity in ({severities})
    ) as risks
        on scored.account_key = risks.account_key and scored.as_of_date = risks.as_of_date
    group by scored.account_key, scored.as_of_date
"""


def _segments(session: Session, as_of: date) -> dict[str, str | None]:
    if not session.table_exists("marts.fct_account_signals"):
        return {}
    rows = session.rows("select account_key, segment from marts.fct_account_signals where as_of_date = ?", [as_of])
    return {row["account_key"]: row["segment"] for row in rows}


def _frame(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds = {"bigint": "Int64", "double": "Float64"}
    return frame.astype({name: kinds.get(kind, "object") for name, kind in COLUMNS.items()}).where(frame.notna(), None)


def _by(at: datetime | None, end: datetime) -> date | None:
    return at.date() if at is not None and at < end else None


def _date(value: Any) -> date | None:
    return None if not value else date.fromisoformat(str(value)[:10])


def _decimal(value: Any) -> Decimal | None:
    return None if value is None or value != value else Decimal(str(value))


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
