"""What a draft may say about one account: numbered facts with a value, a unit, a status and a source, and nothing else.

A draft holds `{{F12}}` where a number belongs; code prints the value. The handles F01..F99 mean the same for every account and
every document, so that the output schema can be cached by the model's vendor and a swapped fact shows up as a wrong label. Without
this module every sentence would be a place where a number can be invented.

Pure: `reading.py` brings the rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from vim_pipelines.core.empty import EMPTY_LIST
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.core.money import format_money
from vim_pipelines.core.severities import SEVERITIES

Step = Literal["exact", "count", "following", "load", "measure", "money", "names", "ratio", "days", "score", "volatile"]
Relation = Literal["below", "equal", "above"]

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
GROUPS = 3
RISK_SLOTS = 5
#: Below this many seats a money figure is printed with its range (METRICS.md section 1: small samples).
RANGE_BELOW_SEATS = 50
MAX_TEXT = 200


@dataclass(frozen=True)
class Metric:
    """What code knows about a metric whatever the account: words for people, how coarse a change matters, whether a customer may ever see it.

    `says` are beginnings of words or phrases: a sentence that shows the value holds at least one of them, so that the value stands under its
    own name ("unused" beside the unused seats, not beside those under contract). The model is shown the same list. Empty: the value names itself.
    """

    name: str
    label: str
    step: Step
    may_be_shared: bool = False
    nouns: tuple[str, str] | None = None
    says: tuple[str, ...] = ()


_SEATS, _USERS, _TICKETS, _DAYS = ("seat", "seats"), ("user", "users"), ("ticket", "tickets"), ("day", "days")

_UNUSED = (
    "unused",
    "not in use",
    "no use",
    "nobody",
    "no one",
    "without a user",
    "free",
    "idle",
    "wait for a user",
    "not taken up",
    "take up",
    "have none",
    "room for",
)
_CONTRACTED = ("contract", "in all", "you have", "your", "bought", "subscri", "of them", "licen", "already has", "seats")
_ACTIVE = ("active", "at work", "worked", "working", "use", "using", "users", "people")
_IN_USE = ("in use", "used", "utili", "taken up", "share", "of them", "of the seats", "of your seats")
_GAP = ("right-size", "right size", "gap", "headroom", "beyond")
_RIGHT_SIZE = ("right size", "right-size", "needed", "headroom")
_RENEWAL = ("renew", "comes up", "contract", "term")
_OPT_OUT = ("opt out", "opt-out", "notice", "last day")
_WEEKLY = ("week",)
_GOAL = ("goal", "metric", "baseline", "target", "from", "to", "aim", "result", "outcome", "measure")

ACCOUNT_METRICS: tuple[Metric, ...] = (
    Metric("account_name", "Customer", "exact", True),
    Metric("csm_name", "Customer Success Manager", "exact", True),
    Metric("champion_name", "Champion", "exact", True),
    Metric("sponsor_name", "Sponsor", "exact", True),
    Metric("tier", "Tier", "exact"),
    Metric("arr_amount", "Annual recurring revenue", "money", True, says=("revenue", "arr", "brings", "worth", "a year", "pays", "contract", "stake")),
    Metric("renewal_date", "Renewal date", "exact", True, says=_RENEWAL),
    Metric("opt_out_date", "Opt-out deadline", "exact", True, says=_OPT_OUT),
    Metric("days_to_renewal", "Days to renewal", "days", True, _DAYS, ("renew", "left", "remain", "until", "before", "ahead", "away")),
    Metric("seats_contracted", "Seats under contract", "exact", True, _SEATS, _CONTRACTED),
    Metric("active_users_28d", "Active users", "count", True, _USERS, _ACTIVE),
    Metric("unused_seats", "Unused seats", "count", True, _SEATS, _UNUSED),
    Metric("utilization_28d", "Seats in use", "ratio", True, says=_IN_USE),
    Metric("shelfware_seats", "Right-size gap with headroom", "count", False, _SEATS, _GAP),
    Metric("right_size_seats", "Right size with headroom", "count", False, _SEATS, _RIGHT_SIZE),
    Metric("unused_value_annual", "Unused seats at net price, a year", "following", says=_UNUSED),
    Metric("waste_annual", "Right-size gap with headroom at net price, a year", "following", says=_GAP),
    Metric("weekly_active_recent", "Weekly active users, recent weeks", "count", True, _USERS, _WEEKLY),
    Metric("weekly_active_prior", "Weekly active users, weeks before", "count", True, _USERS, _WEEKLY),
    Metric(
        "gap_days",
        "Longest run of business days without use",
        "count",
        True,
        ("business day", "business days"),
        ("without", "gap", "pause", "run", "quiet", "nobody"),
    ),
    Metric("last_activity_date", "Last day with use", "volatile", True, says=("last", "use", "activ", "work")),
    Metric("tickets_28d", "Support tickets opened", "load", True, _TICKETS, ("ticket", "support", "opened", "received")),
    Metric("tickets_open", "Support tickets open", "load", True, _TICKETS, ("open", "wait", "unanswered", "unsolved")),
    Metric("risk_score", "Lean risk score", "score", says=("score",)),
    Metric("phase_name", "Lifecycle phase", "exact"),
    Metric("blocking_requirement", "Requirement that blocks the next phase", "exact"),
    Metric("fttv_reached_on", "First value reached on", "exact", True, says=("first", "value", "result", "milestone", "reached")),
)
RISK_METRIC = Metric("risk", "Risk found by a rule, worst first", "exact")
WINDOW_METRIC = Metric("usage_window", "Window of the usage figures", "volatile", True)
GROUP_METRICS: tuple[Metric, ...] = (
    Metric("product_name", "Product", "exact", True),
    Metric("seats_contracted", "Seats under contract", "exact", True, _SEATS, _CONTRACTED),
    Metric("active_users_28d", "Active users", "count", True, _USERS, _ACTIVE),
    Metric("unused_seats", "Unused seats", "count", True, _SEATS, _UNUSED),
    Metric("shelfware_seats", "Right-size gap with headroom", "count", False, _SEATS, _GAP),
    Metric("unused_value_annual", "Unused seats at net price, a year", "following", says=_UNUSED),
    Metric("waste_annual", "Right-size gap with headroom at net price, a year", "following", says=_GAP),
    Metric("net_unit_price_annual", "Net price of a seat, a year", "money", True, says=("price", "a seat", "each", "per seat", "cost")),
    Metric("unused_feature_names", "Value features not used", "names", True),
)
#: Facts of the account beyond the first sixty: people, goal, handoff, milestones, outcomes, renewal, next action. Handles F61 on.
FURTHER_METRICS: tuple[Metric, ...] = (
    Metric("economic_buyer_name", "Economic buyer", "exact"),
    Metric("account_executive_name", "Account executive", "exact", True),
    Metric("pain_metric", "Metric of the customer's goal", "exact", True),
    Metric("pain_baseline", "Baseline of the goal's metric", "exact", True, says=("baseline", "from", "start", "today", "began", "stood")),
    Metric("pain_target", "Target of the goal's metric", "exact", True, says=("target", "goal", "to ", "aim", "reach")),
    Metric("pain_due_on", "Day by which the goal is due", "exact", True, says=("goal", "due", "by ", "until", "target", "date")),
    Metric("pain_owner", "Person who answers for the goal", "exact", True),
    Metric("contacts_active", "People at the customer whom we know", "count", False, ("person", "people"), ("know", "contact", "people", "person", "recorded")),
    Metric("psp_verdict", "Verdict of the PSP diagnostic, and why", "exact"),
    Metric("handoff_missing", "Mandatory handoff fields that are missing", "exact"),
    Metric(
        "handoff_missing_count",
        "Count of mandatory handoff fields that are missing",
        "exact",
        False,
        ("field", "fields"),
        ("missing", "lack", "handoff", "absent"),
    ),
    Metric("handoff_conflicting", "Mandatory handoff fields on which CRM and papers differ, or the CRM contradicts itself", "exact"),
    Metric("handoff_rounds", "Requests already sent for the handoff", "exact", False, ("request", "requests"), ("request", "asked", "round", "sent")),
    Metric("fttv_due_on", "Day by which first value is due", "exact", True, says=("first", "value", "milestone", "due")),
    Metric("kickoff_held_on", "Day of the kickoff", "exact", True, says=("kickoff", "kick-off")),
    Metric("last_touchpoint_on", "Day of the last meeting with the customer", "volatile", True, says=("last", "met", "meeting", "spoke", "since")),
    Metric("next_touchpoint_on", "Day of the next meeting with the customer", "volatile", True, says=("next", "meet", "planned", "calendar")),
    Metric("users_trained", "Users who completed a training", "count", True, _USERS, ("train", "course", "complet")),
    Metric(
        "users_untrained",
        "Users with a seat and without a training",
        "count",
        True,
        _USERS,
        ("without", "not yet", "untrained", "no training", "still", "have not", "missing"),
    ),
    Metric("outcome_metric", "Metric of the last measured outcome", "exact", True),
    Metric("outcome_baseline", "Outcome's value at the start", "exact", True, says=("baseline", "from", "start", "before", "began")),
    Metric("outcome_measured", "Outcome's value as measured", "measure", True, says=("measured", "to ", "now", "reached", "stands", "today")),
    Metric("outcome_target", "Outcome's target", "exact", True, says=("target", "goal", "aim", "agreed")),
    Metric("outcome_measured_on", "Day of the last measurement", "volatile", True, says=("measured", "on ", "measurement")),
    Metric("ebr_held_on", "Day of the last executive business review", "exact", True, says=("review", "ebr")),
    Metric("ebr_planned_on", "Day of the next executive business review", "exact", True, says=("review", "ebr")),
    Metric("renewal_open_amount", "Amount of the open renewal", "money", says=("renew", "open")),
    Metric("renewal_open_close_on", "Close date of the open renewal", "exact", says=("renew", "close")),
    Metric("notice_on", "Day on which notice was served", "exact", True, says=("notice",)),
    Metric("lost_on", "Day on which the account was lost", "exact", says=("lost", "left", "ended", "end", "gone")),
    Metric("reference_consent_on", "Day of the reference's consent", "exact", True, says=("consent", "reference", "agreed")),
    Metric("escalations_90d", "Escalated tickets in the quarter", "load", False, _TICKETS, ("escalat",)),
    Metric("sla_breaches_90d", "Tickets answered too late in the quarter", "load", False, _TICKETS, ("late", "breach", "missed", "target", "service level")),
    Metric("tickets_28d_before", "Support tickets opened in the four weeks before", "load", True, _TICKETS, ("before", "earlier", "previous", "from", "prior")),
    Metric("weekly_active_change", "Change of weekly active users, up or down", "ratio", True, says=("change", "by", "week")),
    Metric("days_to_opt_out", "Days to the opt-out deadline", "days", False, _DAYS, (*_OPT_OUT, "left", "until", "remain")),
    Metric("next_action", "Next best action", "exact"),
    Metric("next_action_due_on", "Day by which the next action is due", "exact", says=("due", "by ", "until", "before")),
    Metric("next_action_why", "Why it is the next action", "volatile"),
)


def _handle(number: int) -> str:
    return f"F{number:02d}"


_FIRST_RISK = len(ACCOUNT_METRICS) + 1
_WINDOW_NUMBER = _FIRST_RISK + RISK_SLOTS
_FIRST_GROUP = _WINDOW_NUMBER + 1

_FIRST_FURTHER = _FIRST_GROUP + GROUPS * len(GROUP_METRICS)

#: Facts of the account as a whole, by name.
ACCOUNT_HANDLES: dict[str, str] = {metric.name: _handle(number) for number, metric in enumerate(ACCOUNT_METRICS, 1)} | {
    metric.name: _handle(number) for number, metric in enumerate(FURTHER_METRICS, _FIRST_FURTHER)
}
RISK_HANDLES: tuple[str, ...] = tuple(_handle(_FIRST_RISK + index) for index in range(RISK_SLOTS))
WINDOW_HANDLE = _handle(_WINDOW_NUMBER)
GROUP_HANDLES: tuple[dict[str, str], ...] = tuple(
    {metric.name: _handle(_FIRST_GROUP + group * len(GROUP_METRICS) + index) for index, metric in enumerate(GROUP_METRICS)} for group in range(GROUPS)
)
#: The closed list of handles, in order. Its length is part of the output schema.
HANDLES: tuple[str, ...] = tuple(_handle(number) for number in range(1, _FIRST_FURTHER + len(FURTHER_METRICS)))
METRIC_OF_HANDLE: dict[str, Metric] = (
    {ACCOUNT_HANDLES[metric.name]: metric for metric in (*ACCOUNT_METRICS, *FURTHER_METRICS)}
    | {handle: RISK_METRIC for handle in RISK_HANDLES}
    | {WINDOW_HANDLE: WINDOW_METRIC}
    | {handles[metric.name]: metric for handles in GROUP_HANDLES for metric in GROUP_METRICS}
)
METRIC_NAMES: frozenset[str] = frozenset(metric.name for metric in METRIC_OF_HANDLE.values())
MONEY_METRICS: frozenset[str] = frozenset(metric.name for metric in METRIC_OF_HANDLE.values() if metric.step in ("money", "following"))

#: The closed taxonomy of risks in words that fit into a sentence.
RISK_WORDS: dict[str, str] = {
    "MUDA_SHELFWARE": "unused seats beyond the right size",
    "MUDA_FEATURE": "paid features left unused",
    "MURA_SPIKY": "uneven weekly use",
    "MURA_GAP": "a long stretch without use",
    "MURA_DROP": "falling use",
    "MURI_SPIKE": "a surge in support tickets",
    "MURI_AGED_P1": "an old critical ticket still open",
    "MURI_SLA": "missed service levels",
    "SILENCE": "silence while use falls",
    "SPONSOR_LOST": "the loss of the sponsor",
    "SINGLE_THREAD": "dependence on one person",
    "RENEWAL_NO_TALK": "a near opt-out date without any talks",
    "FTTV_LATE": "late first value",
    "HANDOFF_GAP": "gaps in the sales handoff",
    "NOTICE_SERVED": "notice served",
    "DATA_STALE": "data too old to judge",
}


#: Texts that code of the lifecycle worded for its own pages: ids of rules, ISO dates and several sentences stand in them.
_WORDED_ELSEWHERE = frozenset({"next_action", "next_action_why", "psp_verdict"})
#: Values of a metric that the customer named; the rest of the unit is its name, so that only values of one metric can be compared.
OWN_METRIC_UNIT = "value of "


@dataclass(frozen=True)
class Fact:
    """One statement that code computed. `status` other than `ok` means: no sentence may use it.

    `detail` is the severity for a risk; `low` and `high` bound a money figure of a small group; `step` is the value as hashed (see `materiality.py`).
    """

    handle: str
    metric: str
    scope: str
    label: str
    unit: str
    status: str
    sensitivity: str
    fact_class: str
    value_number: Decimal | None = None
    value_text: str | None = None
    currency: str | None = None
    window: str | None = None
    source_table: str | None = None
    source_key: str | None = None
    detail: str | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    step: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether a sentence may use it: measured, and with a value. An empty list is measured, but there is nothing in it to name."""
        return self.status == "ok" and (self.value_number is not None or (self.value_text or "").strip().lower() not in ("", EMPTY_LIST))

    @property
    def is_empty(self) -> bool:
        """Whether it was looked for and is not there: no sponsor, no meeting ahead. An unknown fact may be there, unseen."""
        return self.status == "ok" and not self.is_known

    @property
    def is_money(self) -> bool:
        """Whether the value is an amount in a currency."""
        return self.unit == "money"

    def row(self) -> dict[str, Any]:
        """As JSON for the operations store; `fact_from_row` reads it again."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("value_number", "low", "high"):
            plain[name] = None if plain[name] is None else format(plain[name], "f")
        return plain | {"shown": show(self)}


def fact_from_row(row: Mapping[str, Any]) -> Fact:
    """The fact that `Fact.row` wrote."""
    values = {name: row.get(name) for name in Fact.__dataclass_fields__}
    for name in ("value_number", "low", "high"):
        values[name] = None if values[name] is None else Decimal(str(values[name]))
    return Fact(**values)  # type: ignore[arg-type]


ExcerptKind = Literal["ticket", "meeting_note", "document", "survey"]


@dataclass(frozen=True)
class Excerpt:
    """Somebody else's words about the account: redacted and cut to length, for a model to read between fences, never to cite as a fact."""

    kind: ExcerptKind
    source_key: str
    said_on: date | None
    text: str


@dataclass(frozen=True)
class FactSheet:
    """All facts of one account as of one date, by handle. `evidence` holds source rows, at most 50 for each fact; `excerpts` untrusted texts."""

    account_key: str
    account_name: str
    as_of: date
    facts: Mapping[str, Fact]
    evidence: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)
    excerpts: tuple[Excerpt, ...] = field(default=(), compare=False)

    def get(self, metric: str, group: int | None = None) -> Fact | None:
        """The account's fact of `metric`, or that of product group `group` (0 is the one with most money unused)."""
        handles = ACCOUNT_HANDLES | {"usage_window": WINDOW_HANDLE} if group is None else GROUP_HANDLES[group]
        return self.facts.get(handles.get(metric, ""))

    def known(self, metric: str, group: int | None = None) -> Fact | None:
        """Like `get`, but None for a fact that no sentence may use."""
        fact = self.get(metric, group)
        return fact if fact is not None and fact.is_known else None

    @property
    def groups(self) -> tuple[int, ...]:
        """Product groups that this account has, those with most money unused first."""
        return tuple(index for index, handles in enumerate(GROUP_HANDLES) if handles["product_name"] in self.facts)

    @property
    def risks(self) -> tuple[Fact, ...]:
        """Risks that the rules found, worst first; `scope` is the rule's id, `detail` the severity."""
        return tuple(self.facts[handle] for handle in RISK_HANDLES if handle in self.facts)

    def only(self, metrics: Iterable[str], *, shareable: bool) -> FactSheet:
        """The part that a document may see: its metrics, and for a customer's document only what may be shared (money: contracted too)."""
        wanted = set(metrics)
        kept = {
            handle: fact
            for handle, fact in self.facts.items()
            if fact.metric in wanted and (not shareable or (fact.sensitivity == "shareable" and (not fact.is_money or fact.fact_class == "contracted")))
        }
        for handles in GROUP_HANDLES:
            if handles["product_name"] not in kept:  # a group without its name cannot be spoken of
                kept = {handle: fact for handle, fact in kept.items() if handle not in handles.values()}
        evidence = tuple(entry for entry in self.evidence if any(handle in kept for handle in entry["fact_ids"]))
        return replace(self, facts=kept, evidence=evidence)

    def rows(self) -> list[dict[str, Any]]:
        """Facts as JSON, in the order of their handles."""
        return [self.facts[handle].row() for handle in HANDLES if handle in self.facts]

    @property
    def sha256(self) -> str:
        """Identity of the facts as shown: exact values, no steps."""
        return sha256_json({"account": self.account_key, "as_of": self.as_of, "facts": self.rows()})


def sheet_from_rows(
    account_key: str, account_name: str, as_of: date, rows: Iterable[Mapping[str, Any]], evidence: Iterable[Mapping[str, Any]] = ()
) -> FactSheet:
    """The sheet that a stored draft was written from, so that a re-plan never opens the warehouse."""
    return FactSheet(account_key, account_name, as_of, {str(row["handle"]): fact_from_row(row) for row in rows}, tuple(evidence))


def build_sheet(
    account_key: str,
    account_name: str,
    as_of: date,
    fact_rows: Sequence[Mapping[str, Any]],
    risk_rows: Sequence[Mapping[str, Any]] = (),
    evidence: Sequence[Mapping[str, Any]] = (),
) -> FactSheet:
    """A fact sheet from rows of `marts.fct_account_facts` and `marts.fct_risks` of one account and date.

    Metrics without a handle are left out; more than three products are pooled into the third group.
    """
    by_key = {(str(row["metric"]), str(row["scope"])): row for row in fact_rows}
    facts: dict[str, Fact] = {}

    def add(handle: str, fact: Fact | None) -> None:
        if fact is not None:
            facts[handle] = replace(fact, handle=handle)

    for metric in (*ACCOUNT_METRICS, *FURTHER_METRICS):
        row = by_key.get((metric.name, "account"))
        add(ACCOUNT_HANDLES[metric.name], None if row is None else _fact(metric, row))
    add(ACCOUNT_HANDLES["account_name"], _own("account_name", "account", account_name, "marts.dim_accounts", account_key))
    add(ACCOUNT_HANDLES["right_size_seats"], _right_size(facts.get(ACCOUNT_HANDLES["seats_contracted"]), facts.get(ACCOUNT_HANDLES["shelfware_seats"])))
    for handle, risk in zip(RISK_HANDLES, rank_risks(risk_rows), strict=False):
        add(handle, _risk(risk))
    window = _usage_window(facts, as_of)
    add(WINDOW_HANDLE, None if window is None else _own("usage_window", "account", window, "marts.fct_account_signals", account_key))
    for handles, group in zip(GROUP_HANDLES, _groups(by_key), strict=False):
        for name, group_fact in group.items():
            add(handles[name], group_fact)
    _small_group_ranges(facts)
    return FactSheet(account_key, account_name, as_of, facts, tuple(evidence))


def rank_risks(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Risks, worst first; equal severity in the order of the rule's id, so that the order is the same every night."""
    return sorted(rows, key=lambda row: (-_severity_rank(str(row["severity"])), str(row["rule_id"])))


def _severity_rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _fact(metric: Metric, row: Mapping[str, Any]) -> Fact:
    number = row.get("value_number")
    text = row.get("value_text")
    if text is not None and metric.name in _WORDED_ELSEWHERE:
        text = plain_words(str(text))
    sensitivity = str(row["sensitivity"]) if metric.may_be_shared else "internal"
    return Fact(
        handle="", metric=metric.name, scope=str(row["scope"]), label=metric.label, unit=str(row["unit"]), status=str(row["status"]),
        sensitivity=sensitivity, fact_class=str(row["fact_class"]), value_number=_decimal(number), value_text=clean_text(text) if text is not None else None,
        currency=_optional(row.get("currency")), window=_optional(row.get("window_label")), source_table=_optional(row.get("source_table")),
        source_key=_optional(row.get("source_key")),
    )  # fmt: skip


def _own(metric: str, scope: str, text: str, source_table: str | None, source_key: str | None) -> Fact:
    label = next(item.label for item in METRIC_OF_HANDLE.values() if item.name == metric)
    return Fact(
        "", metric, scope, label, "text", "ok" if text else "unknown", "shareable", "computed", value_text=clean_text(text), source_table=source_table,
        source_key=source_key,
    )  # fmt: skip


def _risk(row: Mapping[str, Any]) -> Fact:
    rule, severity = str(row["rule_id"]), str(row["severity"])
    return Fact(
        handle="", metric="risk", scope=rule, label=RISK_METRIC.label, unit="text", status="ok", sensitivity="internal", fact_class="computed",
        value_text=f"{RISK_WORDS.get(rule, rule.replace('_', ' ').lower())} ({severity})", source_table="marts.fct_risks", source_key=rule, detail=severity,
    )  # fmt: skip


def _right_size(seats: Fact | None, gap: Fact | None) -> Fact | None:
    """Seats that cover the busy weeks with headroom: contracted minus the gap. Derived here because a model must not subtract."""
    if seats is None or gap is None:
        return None
    known = seats.is_known and gap.is_known
    value = seats.value_number - gap.value_number if known and seats.value_number is not None and gap.value_number is not None else None
    return replace(
        gap, metric="right_size_seats", label=METRIC_OF_HANDLE[ACCOUNT_HANDLES["right_size_seats"]].label, value_number=value,
        status="ok" if value is not None else "unknown", sensitivity="internal", fact_class="computed",
    )  # fmt: skip


def _usage_window(facts: Mapping[str, Fact], as_of: date) -> str | None:
    active = facts.get(ACCOUNT_HANDLES["active_users_28d"])
    return f"the 28 days to {show_date(as_of)}" if active is not None and active.is_known else None


def _groups(by_key: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[dict[str, Fact]]:
    scopes = sorted({scope for metric, scope in by_key if metric == "unused_seats" and scope != "account"})  # contract lines have no unused seats
    built = []
    for scope in scopes:
        group: dict[str, Fact] = {}
        for metric in GROUP_METRICS:
            row = by_key.get((metric.name, scope))
            if row is not None:
                group[metric.name] = _fact(metric, row)
        waste = group.get("waste_annual")
        if waste is not None:
            group["waste_annual"] = replace(waste, low=_bound(by_key, "waste_low", scope), high=_bound(by_key, "waste_high", scope))
        names = group.get("unused_feature_names")
        if names is not None and names.value_text:
            group["unused_feature_names"] = replace(names, value_text=show_list(feature_words(names.value_text)))
        group["product_name"] = replace(_own("product_name", scope, product_title(scope), "raw.contract_lines", scope))
        built.append(group)
    built.sort(key=_group_order)
    return built if len(built) <= GROUPS else [*built[: GROUPS - 1], _pool(built[GROUPS - 1 :])]


def _bound(by_key: Mapping[tuple[str, str], Mapping[str, Any]], metric: str, scope: str) -> Decimal | None:
    row = by_key.get((metric, scope))
    return _decimal(row.get("value_number")) if row is not None and row.get("status") == "ok" else None


def _group_order(group: Mapping[str, Fact]) -> tuple[Any, ...]:
    """The largest contract first: what is paid for a product changes with a contract, what is unused of it with every user.

    Ordered by waste, even in eightfold steps, two products of one account changed places and handles on a quiet night, and all its documents were written again.
    """
    known = {name: fact.value_number for name in ("seats_contracted", "net_unit_price_annual") if (fact := group.get(name)) is not None and fact.is_known}
    seats, price = known.get("seats_contracted") or Decimal(0), known.get("net_unit_price_annual") or Decimal(0)
    return (-seats * price, -seats, group["product_name"].scope)


def _pool(groups: Sequence[Mapping[str, Fact]]) -> dict[str, Fact]:
    """The last group when an account has more products than groups: sums where all parts are known, no price, no features."""
    pooled: dict[str, Fact] = {}
    for metric in GROUP_METRICS:
        parts = [group.get(metric.name) for group in groups]
        first = next((part for part in parts if part is not None), None)
        if first is None or metric.name in ("net_unit_price_annual", "unused_feature_names", "active_users_28d"):
            continue  # people use several products: active users do not add up
        scope = "+".join(group["product_name"].scope for group in groups)
        if metric.name == "product_name":
            pooled[metric.name] = replace(first, scope=scope, value_text=show_list([str(group["product_name"].value_text) for group in groups]))
            continue
        summable = all(part is not None and part.is_known for part in parts) and len({part.currency for part in parts if part is not None}) == 1
        total = sum((part.value_number or Decimal(0) for part in parts if part is not None), Decimal(0)) if summable else None
        pooled[metric.name] = replace(first, scope=scope, source_key=None, value_number=total, low=None, high=None, status="ok" if summable else "unknown")
    return pooled


def _small_group_ranges(facts: dict[str, Fact]) -> None:
    """Keep `low` and `high` only where the group is small, and lend them to the account's figure when there is a single group."""
    present = [handles for handles in GROUP_HANDLES if handles["product_name"] in facts]
    for handles in present:
        waste, seats = facts.get(handles["waste_annual"]), facts.get(handles["seats_contracted"])
        if waste is None:
            continue
        small = seats is not None and seats.is_known and seats.value_number is not None and seats.value_number < RANGE_BELOW_SEATS
        if not small:
            facts[handles["waste_annual"]] = replace(waste, low=None, high=None)
        elif len(present) == 1:
            account = facts.get(ACCOUNT_HANDLES["waste_annual"])
            if account is not None and account.currency == waste.currency:
                facts[account.handle] = replace(account, low=waste.low, high=waste.high)


def compare(left: Fact, right: Fact) -> Relation | None:
    """Whether `left` is below, equal to or above `right`; None if one is unknown or their units or currencies differ.

    Units keep apart what has no order between it: values of two metrics of the customer's own (`value of quote hours`), tickets of four
    weeks and of a quarter.
    """
    if not (left.is_known and right.is_known) or left.unit != right.unit or left.currency != right.currency:
        return None
    if left.unit == "date":
        first, second = left.value_text or "", right.value_text or ""
        return "below" if first < second else "above" if first > second else "equal"
    if left.value_number is None or right.value_number is None:
        return None
    return "below" if left.value_number < right.value_number else "above" if left.value_number > right.value_number else "equal"


def show(fact: Fact) -> str | None:
    """The value as people read it, with its unit: `$45,000`, `150 seats`, `25%`, `23 February 2027`. None if it is not known.

    People are whole: a mean over weeks reads `about 63 users`.

    The only place that prints a fact: drafts, tables of figures and tests all use it.
    """
    if not fact.is_known:
        return None
    if fact.unit == "date":
        return show_date(date.fromisoformat(str(fact.value_text)[:10])) if fact.value_text else None
    if fact.value_number is None:
        return fact.value_text
    value = fact.value_number
    if fact.unit == "money":
        if fact.currency is None:
            return None
        amount = format_money(value, fact.currency)
        if fact.low is None or fact.high is None or fact.low == fact.high:
            return amount
        return f"{amount} (range {format_money(fact.low, fact.currency)} to {format_money(fact.high, fact.currency)})"
    if METRIC_OF_HANDLE[fact.handle].step == "score":
        return f"{_trim(value, 0)} of 100"
    if fact.unit == "ratio":
        return f"{_trim(value * 100, 1)}%"
    if fact.unit == "probability":
        return "less than 0.0001" if value < Decimal("0.0001") else _trim(value, 4)
    if fact.unit.startswith(OWN_METRIC_UNIT):
        return _trim(value, 4)  # as the customer states it: a baseline of 0.25 is not 0.3
    metric = METRIC_OF_HANDLE.get(fact.handle)
    nouns = metric.nouns if metric is not None and metric.nouns else {"seats": _SEATS, "users": _USERS, "days": _DAYS}.get(fact.unit)
    if nouns == _USERS and value != value.to_integral_value():
        return f"about {_trim(value, 0)} {nouns[1]}"
    number = _trim(value, 1)
    return number if nouns is None else f"{number} {nouns[0] if number == '1' else nouns[1]}"


def show_date(day: date) -> str:
    """`23 February 2027`: no locale, no ambiguity between day and month."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def show_list(names: str | Sequence[str]) -> str:
    """`A, B and C` from a sequence or a comma- or semicolon-separated text."""
    items = [item.strip() for item in re.split(r"[;,|]", names)] if isinstance(names, str) else list(names)
    items = sorted({clean_text(item) for item in items if item.strip()}, key=str.casefold) if isinstance(names, str) else items
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def product_title(name: str) -> str:
    """A product's key as a name: `core` becomes `Core`; a name that has capitals already is left as it is."""
    return name if any(letter.isupper() for letter in name) else name.replace("_", " ").strip().capitalize()


def feature_words(names: str) -> str:
    """Feature keys as words: `bulk_import` becomes `bulk import`."""
    return names.replace("_", " ")


def plain_words(text: str) -> str:
    """Sentences of the lifecycle as a phrase: no ids of rules, dates as people write them, no full stop at the end.

    Whole sentences are kept, as many as fit into `MAX_TEXT`; a sentence alone that does not fit is cut by `clean_text`.
    """
    text = re.sub(r"\b[A-Z][A-Z_]*[A-Z]\b", lambda found: RISK_WORDS.get(found[0], found[0]), text)
    text = re.sub(r"\b(\d{4})-(\d\d)-(\d\d)\b", _iso_date_in_words, text)
    text = re.sub(r"(?<=\d) %", "%", text).replace("_", " ").replace(" < ", " below ").replace(" > ", " above ")
    sentences = [part for part in re.split(r"(?<=[.;])\s+", text.strip()) if part]
    kept = ""
    for sentence in sentences:
        longer = f"{kept} {sentence}".strip()
        if kept and len(longer.rstrip(".; ")) > MAX_TEXT:
            break
        kept = longer
    return kept.rstrip(".; ")


def _iso_date_in_words(found: re.Match[str]) -> str:
    try:
        return show_date(date(int(found[1]), int(found[2]), int(found[3])))
    except ValueError:
        return found[0]


def clean_text(text: Any) -> str:
    """Text of a source system made safe for a sentence: one line, no control or format characters, no Markdown or slot, not too long.

    A contact called `{{F06}} <b>` must neither open a slot nor a tag.
    """
    plain = unicodedata.normalize("NFKC", str(text))
    plain = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in plain if unicodedata.category(letter) != "Cf")
    plain = re.sub(r"[{}<>\[\]`*|\\]", "", plain)
    plain = re.sub(r"\s+", " ", plain).strip().lstrip("#>+-=~ ")
    return plain if len(plain) <= MAX_TEXT else plain[: MAX_TEXT - 1].rstrip() + "…"


def _trim(value: Decimal, places: int) -> str:
    text = f"{value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP):,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _decimal(value: Any) -> Decimal | None:
    """None for NULL and for pandas' NaN: unknown is not a number."""
    if value is None:
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


def _optional(value: Any) -> str | None:
    return None if value is None or (isinstance(value, float) and value != value) else str(value)
