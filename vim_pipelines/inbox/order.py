"""In which order the queue stands, and which of its rows a person asked for. Pure.

The first row is where an hour of attention is worth most: money x risk x nearness. Money in different currencies is made comparable by the
house's own measure, the limit from which a director decides in that currency (`escalation.arr_limits` of the policy), not by a rate that
nobody dated. What is not known counts as much as that limit, a middling risk and a middling distance: it never sinks to the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from vim_pipelines.approvals.policy import Actor, Policy, covers

ORDER_IN_WORDS = "Sorted by revenue x risk x nearness of the opt-out day (or the renewal, where no opt-out day is known); what is unknown counts as middling."

RISK_OF_BAND = {"red": 0.9, "yellow": 0.5, "green": 0.2}
UNKNOWN_RISK = 0.5
UNKNOWN_NEARNESS = 0.5
#: Days in which nearness falls by half: a quarter, the rhythm of reviews.
NEARNESS_HALF_DAYS = 90


@dataclass(frozen=True)
class Row:
    """One request as the queue shows it. Columns of `approval_requests`, and the audience of its draft."""

    request_id: str
    account_key: str
    account_name: str
    document: str
    version: int
    state: str
    approver_role: str
    approvals_needed: int
    risk_band: str | None
    arr_amount: Decimal | None
    currency: str | None
    segment: str | None
    amount_at_stake: Decimal | None
    stake_currency: str | None
    edited_by: str | None
    decided_by: str | None
    payload_sha256: str
    replan_round: int
    expires_at: datetime
    updated_at: datetime
    context: Mapping[str, Any]
    audience: str

    @property
    def lean_risk(self) -> float | None:
        """0 (calm) to 100."""
        return self.context.get("lean_risk")

    @property
    def owner(self) -> str | None:
        """The account's Customer Success Manager."""
        return self.context.get("csm_name")

    def deadline(self) -> tuple[str, date] | None:
        """The day that matters next and its name: opt-out, else renewal."""
        for key, name in (("opt_out_date", "opt-out"), ("renewal_date", "renewal")):
            text = self.context.get(key)
            if text:
                try:
                    return name, date.fromisoformat(str(text)[:10])
                except ValueError:
                    continue
        return None


def weight(row: Row, policy: Policy, today: date) -> float:
    """Revenue x risk x nearness, in multiples of the director's limit."""
    limit = policy.escalation.arr_limits.get(row.currency or "")
    money = float(row.arr_amount / limit) if row.arr_amount is not None and limit else 1.0
    risk = row.lean_risk / 100 if row.lean_risk is not None else RISK_OF_BAND.get(row.risk_band or "", UNKNOWN_RISK)
    next_day = row.deadline()
    nearness = UNKNOWN_NEARNESS if next_day is None else 0.5 ** (max((next_day[1] - today).days, 0) / NEARNESS_HALF_DAYS)
    return money * risk * nearness


def sort_key(row: Row, policy: Policy, today: date) -> tuple[float, datetime, str]:
    """Heaviest first; of equals what is to be decided sooner."""
    return (-weight(row, policy, today), row.expires_at, row.request_id)


def may_see(person: Actor, segment: str | None) -> bool:
    """Whether the account is one of the person's: who has segments sees only theirs, and learns nothing of the others by guessing ids."""
    return covers(person.segments, segment)


def may_decide(row: Row, person: Actor, policy: Policy) -> bool:
    """What the pages offer. Whether it holds is said by `decide` alone."""
    role, _ = policy.needs(row)
    return row.state == "pending" and may_see(person, row.segment) and policy.suffices(person.role, role) and row.edited_by != person.name


def is_low_risk(row: Row, policy: Policy) -> bool:
    """Whether it may be approved together with others: green, inside the house, nothing lifts it above the role of its kind, one person is enough."""
    role, people = policy.needs(row)
    return row.state == "pending" and row.risk_band == "green" and row.audience == "internal" and people == 1 and role == policy.roles[0]


@dataclass(frozen=True)
class Wanted:
    """What a person asked to see. `whose`: all, may (may decide) or own (the person's accounts)."""

    state: str = "pending"
    kind: str = ""
    risk: str = ""
    whose: str = "all"
    page: int = 1


def chosen(rows: Iterable[Row], wanted: Wanted, person: Actor, policy: Policy, *, name: str, email: str | None) -> list[Row]:
    """The rows that `person` may see and asked for, in the order given."""
    found = [row for row in rows if may_see(person, row.segment)] if person.segments else list(rows)
    if wanted.kind:
        found = [row for row in found if row.document == wanted.kind]
    if wanted.risk:
        found = [row for row in found if (row.risk_band or "unknown") == wanted.risk]
    if wanted.whose == "may":
        found = [row for row in found if may_decide(row, person, policy)]
    elif wanted.whose == "own":
        mail = (email or "").casefold()
        found = [row for row in found if row.owner == name or (mail and str(row.context.get("csm_email") or "").casefold() == mail)]
    return found
