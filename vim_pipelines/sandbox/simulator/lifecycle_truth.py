"""What a perfect audit of the lifecycle would say of each account at the end of the day before today.

Written from the map (DESIGN section 4, GUARDRAILS section 4) and from the rows that the simulator wrote, in plain loops over one account,
with nothing of the pipeline's code. Where the map leaves open what is right (a sponsor who left: does the handoff still name one?), the
truth says nothing rather than one of two answers. Use is not judged here: shares of seats have truths of their own (`truth.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.hashing import canonical_json
from vim_pipelines.sandbox.simulator.contracts import People
from vim_pipelines.sandbox.simulator.documents import Handoff
from vim_pipelines.sandbox.simulator.paper import conflict_of
from vim_pipelines.sandbox.simulator.plan import Parameters
from vim_pipelines.sandbox.simulator.profile import Profile
from vim_pipelines.sandbox.simulator.rows import ENTITY_BY_TABLE

if TYPE_CHECKING:
    import pandas as pd

#: `kind` is requirement, phase, handoff_field, conflict or a planted neglect; `name` what it is about; `expected` the right answer.
COLUMNS = ("account_key", "kind", "name", "expected", "parameters")
#: Requirements that hold an account in the spine and are proven by records of the CRM alone, in the order of the map.
STRUCTURED = (
    "p1_sales_docs", "p2_psp_diagnostic", "p2_champion_alignment", "p2_red_flags", "p3_kickoff", "p3_fttv_milestone", "p3_cadence", "p4_fttv", "p8_value_quantified",
    "p8_ebr", "p9_early_renewal", "p10_reference",
)  # fmt: skip
#: Fields that only people can tell: no column of the CRM holds them.
TOLD_FIELDS = ("desired_outcome", "risks", "commitments")
#: Days without any regular meeting after which no rhythm is left, and days of grace before a relation that was won back.
CADENCE_DAYS, GRACE_DAYS = 120, 60

Records = Mapping[str, list[dict[str, Any]]]


def lifecycle_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as a DataFrame with columns `COLUMNS`, all text."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS)).astype("string")


def lifecycle_truths(parameters: Parameters, profile: Profile, people: People, handoff: Handoff, versions: Records) -> list[dict[str, Any]]:
    """The truths of one account. `versions`: everything that was written of it."""
    account = _Account(parameters, profile, people, handoff, versions)
    found: list[dict[str, Any]] = []

    def say(kind: str, name: str, expected: str, **details: Any) -> None:
        found.append({"account_key": profile.key, "kind": kind, "name": name, "expected": expected, "parameters": canonical_json(details)})

    if account.is_lost:
        say("phase", "phase", "11")
        say("neglect", "p11_save_play", "met" if account.documents("save_play") else "unmet")
        if account.lost_on is not None and account.lost_on < account.as_of - timedelta(days=30):
            say("neglect", "p11_post_mortem", "met" if account.documents("post_mortem") else "unmet")
        return found
    statuses = {name: answer for name in STRUCTURED if (answer := getattr(account, name)()) is not None}
    for name, is_met in statuses.items():
        say("requirement", name, "met" if is_met else "unmet")
    missing = account.missing_fields()
    if missing is not None:
        for name in ("seats", "term", "notice_days", *TOLD_FIELDS, "sponsor", "champion", "billing", "sla_tier"):
            say("handoff_field", name, "missing" if name in missing else "present")
    if (conflict := conflict_of(profile, parameters.today)) is not None:
        say("conflict", conflict[0], "conflicting", crm=conflict[1], document=conflict[2])
    if profile.truth == "dirty_conflicting_seats":
        say("conflict", "seats", "conflicting")
    if (phase := account.phase(statuses)) is not None:
        say("phase", "phase", str(phase[0]), blocked_by=phase[1])
    late = account.late_follow_ups()
    if profile.role.kind == "twin" or (profile.tells("follow_ups_late") and late):
        say("neglect", "p5_follow_up", "unmet" if late else "met", tasks=late)
    if profile.tells("escalation_open"):
        say("neglect", "p7_escalation", "unmet")
    if profile.tells("ebr_overdue"):
        say("neglect", "p8_ebr", "unmet")
    if profile.tells("renewal_late"):
        say("neglect", "renewal_not_opened", "unmet")
    if profile.truth in ("dropping", "silence", "ticket_overload", "sponsor_lost") and account.p10_reference():
        say("neglect", "advocacy_withheld", "unmet")
    return found


class _Account:
    """The rows of one account as they are known at the end of `as_of`, and what they prove."""

    def __init__(self, parameters: Parameters, profile: Profile, people: People, handoff: Handoff, versions: Records) -> None:
        self.profile, self.people, self.handoff = profile, people, handoff
        self.as_of = parameters.today - timedelta(days=1)
        end = datetime.combine(parameters.today, time())
        self.rows = {table: _newest(table, rows, end) for table, rows in versions.items()}
        #: Whether a version of the handoff is still to come: a document in two goes, of which one is known.
        self.is_unfinished = any(row["document_kind"] == "handoff" and row["modified_at"] >= end for row in versions["documents"])
        #: Rows of a relation that was lost and won back prove nothing of the new one.
        self.since = profile.defect.start - timedelta(days=GRACE_DAYS) if profile.truth == "win_back" else date.min
        lines = [line for line in profile.lines if line.status == "terminated"]
        self.lost_on = None if profile.truth == "win_back" else max((line.end for line in lines), default=None)

    @property
    def is_lost(self) -> bool:
        return self.profile.truth == "notice_served" or self.profile.tells("churned")

    def documents(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows["documents"] if row["document_kind"] == kind and self.since <= row["authored_on"] <= self.as_of]

    def meetings(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows["meetings"] if row["meeting_kind"] == kind and row["held_at"].date() >= self.since]

    def milestones(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows["milestones"] if row["milestone_kind"] == kind]

    def held(self, kind: str) -> list[date]:
        days = [row["held_at"].date() for row in self.meetings(kind) if row["status"] == "held"]
        return [day for day in days if day <= self.as_of]

    def holders(self, role: str) -> list[dict[str, Any]]:
        return [row for row in self.rows["contacts"] if row["role"] == role and row["is_active"] and (row["left_on"] is None or row["left_on"] > self.as_of)]

    # ---- the gates of the spine: True met, False known to be missing, None where the map leaves it open

    def p1_sales_docs(self) -> bool | None:
        missing = self.missing_fields()
        if missing is None or self.profile.tells("paper_conflict") or self.profile.role.kind == "dirty":
            return None
        return not missing & {"seats", "term", "notice_days", *TOLD_FIELDS, "sponsor", "champion"}

    def p2_psp_diagnostic(self) -> bool | None:
        return any(row["baseline_value"] is not None for row in self.milestones("pain_metric"))

    def p2_champion_alignment(self) -> bool | None:
        return bool(self.holders("sponsor") and self.holders("champion"))

    def p2_red_flags(self) -> bool | None:
        return not any(row["task_kind"] == "red_flag" and row["status"] == "open" and not row["owner_email"] for row in self.rows["tasks"])

    def p3_kickoff(self) -> bool | None:
        return bool(self.held("kickoff"))

    def p3_fttv_milestone(self) -> bool | None:
        return any(row["due_date"] is not None for row in self.milestones("fttv"))

    def p3_cadence(self) -> bool | None:
        ahead = [row for row in self.meetings("cadence") if row["status"] == "planned" and row["held_at"].date() > self.as_of]
        recent = [day for day in self.held("cadence") if day >= self.as_of - timedelta(days=CADENCE_DAYS)]
        # One without the other: how long a rhythm lasts without a next date is a matter of taste.
        return None if bool(ahead) != bool(recent) and recent else bool(ahead)

    def p4_fttv(self) -> bool | None:
        return any(row["reached_on"] is not None and row["reached_on"] <= self.as_of for row in self.milestones("fttv"))

    def p8_value_quantified(self) -> bool | None:
        measured = [row["measured_on"] for row in self.milestones("pain_metric") if row["baseline_value"] is not None and row["measured_value"] is not None]
        # How old a measurement may be is a matter of taste beyond a year.
        return False if not measured else True if max(measured) >= self.as_of - timedelta(days=365) else None

    def p8_ebr(self) -> bool | None:
        if self.profile.tells("ebr_overdue"):
            return None
        held = [row for row in self.rows["ebrs"] if row["status"] == "held" and self.since <= row["held_on"] <= self.as_of]
        return bool(held)

    def p9_early_renewal(self) -> bool | None:
        """The renewal of the term that runs was won; None for one that was won long ago and may or may not count until the next is due.

        Lines of several terms leave open which of them is renewed.
        """
        running = self.profile.active_lines(self.as_of)
        if len({(line.start, line.end) for line in running}) != 1:
            return None
        won = [
            row
            for row in self.rows["opportunities"]
            if row["opportunity_type"] == "renewal" and row["is_won"] and self.since <= row["close_date"] <= self.as_of
        ]
        return False if not won else True if any(row["close_date"] >= running[0].start for row in won) else None

    def p10_reference(self) -> bool | None:
        consents = [row for row in self.rows["customer_references"] if row["status"] in ("consented", "given") and row["consented_on"] <= self.as_of]
        valid = {row["reference_kind"] for row in consents if row["expires_on"] is None or row["expires_on"] >= self.as_of}
        # Consent to a review or to a seat on a board is not said to be consent to be a reference.
        return True if valid & {"reference_call", "case_study"} else None if valid else False

    # ---- the handoff

    def missing_fields(self) -> set[str] | None:
        """Fields that neither the handoff nor the CRM holds; None where the newest version of the handoff is not known yet or a role is in doubt."""
        if self.profile.truth in ("sponsor_lost",) or self.profile.tells("sponsor_replaced") or self.profile.role.kind == "dirty":
            return None
        if any(person.left is not None for person in self.people.contacts if person.role in ("sponsor", "champion")):
            return None
        written = self.documents("handoff")
        if self.handoff.exists and (not written or self.is_unfinished):
            return None
        lacking = set(self.handoff.missing)
        missing = lacking & set(TOLD_FIELDS)
        for role in ("sponsor", "champion"):
            if role in lacking and not self.holders(role):
                missing.add(role)
        if "sponsor" not in lacking and self.people.sponsor is None:
            return None  # a title without a name: whether that names a sponsor is a matter of taste
        if self.profile.tells("crm_gap"):
            missing |= {"billing", "sla_tier"} | ({"notice_days"} if self.profile.lacks_notice else set())
        return missing

    # ---- state and neglect

    def phase(self, statuses: Mapping[str, bool]) -> tuple[int, str | None] | None:
        """(phase, requirement that holds it) of an account whose gates are all known up to there; None where use or taste decides."""
        if self.profile.tells("new_product") or self.profile.truth in ("sponsor_lost", "win_back") or self.profile.tells("sponsor_replaced"):
            return None
        for name in STRUCTURED:
            if name not in statuses:
                return None
            if not statuses[name]:
                return int(name[1 : name.index("_")]), name
            # Phase 4 is left by use as well: only clean twins, which use nearly all of their seats, are sure to pass.
            if name == "p4_fttv" and self.profile.role.kind != "twin":
                return None
        return 10, None

    def late_follow_ups(self) -> list[str]:
        """Open follow-ups whose day is over."""
        tasks = [row for row in self.rows["tasks"] if row["task_kind"] == "follow_up" and row["status"] == "open" and row["due_date"] < self.as_of]
        return sorted(row["task_key"] for row in tasks)


def _newest(table: str, versions: list[dict[str, Any]], end: datetime) -> list[dict[str, Any]]:
    """The newest version of each key that is known before `end`."""
    key = ENTITY_BY_TABLE[table].key
    found: dict[str, dict[str, Any]] = {}
    for row in versions:
        if row["modified_at"] < end and (row[key] not in found or row["modified_at"] > found[row[key]]["modified_at"]):
            found[row[key]] = row
    return list(found.values())
