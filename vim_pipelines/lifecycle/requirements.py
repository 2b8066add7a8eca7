"""Whether each requirement of the map is met, judged from the evidence of one account on one day.

Five answers and no sixth: met, unmet (known to be missing), waived (by a person, by name), unknown (nobody looks or nobody can
see), stale (was met, but the proof is too old). A rule returns met, unmet or unknown; waivers and age are the same for all rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from vim_pipelines.core.dates import end_of_day

if TYPE_CHECKING:
    from vim_pipelines.lifecycle.phases import LifecycleMap, Requirement

Status = Literal["met", "unmet", "waived", "unknown", "stale"]
PASSING: frozenset[str] = frozenset({"met", "waived"})

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Proof:
    """What a rule found: its answer, why in words, the rows that show it as (entity, key), and the day the proof is from."""

    status: Status
    text: str
    rows: tuple[tuple[str, str], ...] = ()
    seen_on: date | None = None


@dataclass(frozen=True)
class Finding:
    """The judgement of one requirement of one account."""

    requirement: Requirement
    status: Status
    evidence: str
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Rule:
    """A way to prove a requirement. `needs`: names of the values it takes from phases.yaml."""

    judge: Callable[[Facts, Mapping[str, Any], date, frozenset[str]], Proof]
    needs: frozenset[str] = frozenset()


def judge_account(lifecycle: LifecycleMap, facts: Facts, waivers: Sequence[Mapping[str, Any]], as_of: date) -> list[Finding]:
    """Every requirement of the map for one account, in the order of the map.

    `facts`: a row of base.int_lifecycle_evidence, dates as dates, unknown as None. `waivers`: the account's rows of lifecycle overrides
    that name a requirement; only those in force on `as_of` count. `ID.FIELD` waives one field of a requirement that has fields.
    """
    in_force = {str(row["requirement_id"]): row for row in sorted(waivers, key=_age) if row.get("requirement_id") and is_in_force(row, as_of)}
    findings = []
    for requirement in lifecycle.requirements:
        waiver = in_force.get(requirement.requirement_id)
        if waiver is not None:
            findings.append(Finding(requirement, "waived", _waived(waiver), (("lifecycle_override", str(waiver["override_id"])),)))
            continue
        proof = _proof(requirement, facts, as_of, in_force)
        findings.append(Finding(requirement, _aged(requirement, proof, as_of), proof.text, proof.rows))
    return findings


def is_in_force(override: Mapping[str, Any], as_of: date) -> bool:
    """Whether a person's word was given by the end of `as_of` and has not run out."""
    created, expires = override["created_at"], override.get("expires_on")
    return created < end_of_day(as_of) and (expires is None or expires >= as_of)


def _age(override: Mapping[str, Any]) -> tuple[datetime, str]:
    return override["created_at"], str(override["override_id"])


def _waived(waiver: Mapping[str, Any]) -> str:
    until = f" until {waiver['expires_on'].isoformat()}" if waiver.get("expires_on") else ""
    return f"Waived by {waiver['actor']} ({waiver['role']}){until}: {waiver['note']}"


def _proof(requirement: Requirement, facts: Facts, as_of: date, in_force: Mapping[str, Mapping[str, Any]]) -> Proof:
    if requirement.rule == "manual":
        return Proof("unknown", "A person judges this; nothing is recorded yet.")
    prefix = requirement.requirement_id + "."
    fields = frozenset(name.removeprefix(prefix) for name in in_force if name.startswith(prefix))
    return RULES[requirement.rule].judge(facts, requirement.values, as_of, fields)


def _aged(requirement: Requirement, proof: Proof, as_of: date) -> Status:
    limit = requirement.freshness_days
    if proof.status == "met" and limit is not None and proof.seen_on is not None and proof.seen_on < as_of - timedelta(days=limit):
        return "stale"
    return proof.status


def _row(entity: str, key: Any) -> tuple[tuple[str, str], ...]:
    return ((entity, str(key)),) if key is not None else ()


def _not_fed(kind: str) -> Proof:
    return Proof("unknown", f"No source records {kind}: no account of the portfolio has any.")


def _count(facts: Facts, name: str) -> int:
    return int(facts.get(name) or 0)


def _handoff_fields_complete(facts: Facts, _values: Mapping[str, Any], _as_of: date, waived: frozenset[str]) -> Proof:
    if not facts.get("is_handoff_document_fed") or facts.get("handoff_fields_missing") is None:
        return _not_fed("handoff documents")
    rows = _row("document", facts.get("handoff_document_key"))
    missing = [name for name in str(facts.get("handoff_missing_fields") or "").split(", ") if name]
    open_fields = [name for name in missing if name not in waived]
    by_name = f" Waived by name: {', '.join(name for name in missing if name in waived)}." if set(missing) & waived else ""
    if open_fields:
        document = "The handoff document lacks" if rows else "There is no handoff document; missing are"
        return Proof("unmet", f"{document} {', '.join(open_fields)}.{by_name}", rows, facts.get("handoff_authored_on"))
    return Proof(
        "met", f"All {_count(facts, 'handoff_fields_expected')} mandatory handoff fields are accounted for.{by_name}", rows, facts.get("handoff_authored_on")
    )


def _team_named(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    lacking = [word for name, word in (("csm_name", "CSM"), ("owner_name", "account executive")) if not facts.get(name)]
    if facts.get("is_contact_fed") and not _count(facts, "contacts_named"):
        lacking.append("a contact at the customer")
    if lacking:
        return Proof("unmet", f"Not named: {', '.join(lacking)}.", _row("account", facts.get("account_key")))
    return Proof("met", f"CSM {facts['csm_name']}, account executive {facts['owner_name']}.", _row("account", facts.get("account_key")))


def _handoff_meeting_held(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    return _meeting(facts, "handoff", "handoff meeting")


def _kickoff_held(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    return _meeting(facts, "kickoff", "kickoff")


def _meeting(facts: Facts, kind: str, name: str) -> Proof:
    if not facts.get(f"is_{kind}_meeting_fed"):
        return _not_fed(f"{name}s")
    held = facts.get(f"{kind}_meeting_held_on")
    if held is None:
        return Proof("unmet", f"No {name} was held.")
    return Proof("met", f"The {name} was held on {held.isoformat()}.", _row("meeting", facts.get(f"{kind}_meeting_key")), held)


def _licences_assigned(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_license_assignment_fed"):
        return _not_fed("licence assignments")
    users = _count(facts, "users_assigned")
    if not users:
        return Proof("unmet", "No licence is assigned to anybody.")
    return Proof("met", f"Licences are assigned to {users} users.", _row("license_assignment", facts.get("assignment_key")), facts.get("first_assigned_on"))


def _pain_metric_with_baseline(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_pain_metric_fed"):
        return _not_fed("pain metrics")
    if facts.get("pain_milestone_key") is not None:
        return Proof("met", f"Pain metric {facts.get('pain_metric_name')} has a baseline.", _row("milestone", facts["pain_milestone_key"]))
    named = _count(facts, "pain_metrics_named")
    return Proof("unmet", "The pain metric has no baseline." if named else "No pain metric is recorded.")


def _sponsor_and_champion_named(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_contact_role_fed"):
        return _not_fed("roles of contacts")
    rows = _row("contact", facts.get("sponsor_key")) + _row("contact", facts.get("champion_key"))
    lacking = []
    for role in ("sponsor", "champion"):
        if _count(facts, f"{role}s_active"):
            continue
        left = facts.get(f"{role}_left_on")
        lacking.append(
            f"the {role} left on {left.isoformat()}" if left else f"the {role} has left" if _count(facts, f"{role}s_left") else f"no {role} is named"
        )
    if lacking:
        return Proof("unmet", f"{' and '.join(lacking)}."[:1].upper() + f"{' and '.join(lacking)}."[1:], rows)
    return Proof("met", f"Sponsor {facts.get('sponsor_name')}, champion {facts.get('champion_name')}.", rows)


def _red_flags_closed_or_owned(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_red_flag_fed"):
        return _not_fed("red flags")
    open_flags, unowned = _count(facts, "red_flags_open"), _count(facts, "red_flags_unowned")
    rows = _row("task", facts.get("red_flag_key"))
    if unowned:
        return Proof("unmet", f"{unowned} of {open_flags} open red flags have no owner.", rows)
    return Proof("met", f"All {open_flags} open red flags have an owner." if open_flags else "No red flag is open.", rows)


def _success_plan_written(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_success_plan_fed"):
        return _not_fed("success plans")
    if facts.get("success_plan_key") is None:
        return Proof("unmet", "There is no success plan.")
    return Proof("met", "The success plan is written.", _row("document", facts["success_plan_key"]), facts.get("success_plan_authored_on"))


def _questionnaire_answered(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_questionnaire_fed"):
        return _not_fed("questionnaires")
    if facts.get("questionnaire_key") is None:
        return Proof("unmet", "The questionnaire has no answer.")
    return Proof("met", "The questionnaire is answered.", _row("survey_response", facts["questionnaire_key"]), facts.get("questionnaire_on"))


def _fttv_defined_and_dated(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_fttv_fed"):
        return _not_fed("first-value milestones")
    if not _count(facts, "fttv_milestones"):
        return Proof("unmet", "No first-value milestone is defined.")
    rows = _row("milestone", facts.get("fttv_milestone_key"))
    if facts.get("fttv_due_on") is None and facts.get("fttv_reached_on") is None:
        return Proof("unmet", "The first-value milestone has no date.", rows)
    due = facts.get("fttv_due_on")
    return Proof("met", f"First value is due on {due.isoformat()}." if due else "First value is reached.", rows)


def _cadence_set(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_cadence_meeting_fed"):
        return _not_fed("regular meetings")
    rows, last = _row("meeting", facts.get("cadence_meeting_key")), facts.get("last_cadence_on")
    ahead = _count(facts, "cadence_meetings_ahead")
    if ahead:
        return Proof("met", f"{ahead} regular meetings are planned.", rows, as_of)
    if last is not None and last >= as_of - timedelta(days=int(values["held_within_days"])):
        return Proof("met", f"The last regular meeting was held on {last.isoformat()}.", rows, last)
    return Proof("unmet", f"No regular meeting is planned; the last was on {last.isoformat()}." if last else "No regular meeting is planned or was held.", rows)


def _users_trained(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_training_completion_fed"):
        return _not_fed("training completions")
    trained, users = _count(facts, "users_trained"), facts.get("active_users_28d")
    rows = _row("training_completion", facts.get("training_key"))
    if users is None:
        return Proof("unknown", "The number of active users is not known.", rows)
    needed = -(-int(users) * int(round(float(values["share_of_active_users"]) * 100)) // 100)
    status: Status = "met" if trained >= max(needed, 1) else "unmet"
    return Proof(status, f"{trained} users trained, {max(needed, 1)} needed for {int(users)} active ones.", rows, facts.get("last_trained_on"))


def _no_usage_gap(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    gap = facts.get("gap_days")
    if facts.get("usage_status") != "ok" or gap is None:
        return Proof("unknown", f"Use cannot be seen ({facts.get('usage_status') or 'unknown'}).")
    status: Status = "met" if gap < values["gap_days"] else "unmet"
    return Proof(status, f"Longest silence in 90 days: {int(gap)} business days.")


def _used_every_week(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    seen, used = facts.get("weeks_seen"), facts.get("weeks_in_use")
    if facts.get("usage_status") not in ("ok", "insufficient") or seen is None or used is None or seen < values["min_weeks"]:
        return Proof("unknown", "Too few complete weeks of use are known.")
    status: Status = "met" if used >= seen * values["share_of_weeks"] else "unmet"
    return Proof(status, f"In use in {int(used)} of {int(seen)} complete weeks.")


def _fttv_not_overdue(facts: Facts, _values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_fttv_fed"):
        return _not_fed("first-value milestones")
    rows, due, reached = _row("milestone", facts.get("fttv_milestone_key")), facts.get("fttv_due_on"), facts.get("fttv_reached_on")
    if reached is not None:
        return Proof("met", f"First value was reached on {reached.isoformat()}; no pivot is needed.", rows, reached)
    if due is None:
        return Proof("unknown", "First value has no date to be late against.", rows)
    if due >= as_of:
        return Proof("met", f"First value is due on {due.isoformat()}; no pivot is needed yet.", rows)
    return Proof("unmet", f"First value was due on {due.isoformat()} and is not reached.", rows)


def _fttv_reached(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_fttv_fed"):
        return _not_fed("first-value milestones")
    rows, reached = _row("milestone", facts.get("fttv_milestone_key")), facts.get("fttv_reached_on")
    if reached is not None:
        return Proof("met", f"First value was reached on {reached.isoformat()}.", rows, reached)
    return Proof("unmet", "First value is not reached." if rows else "No first-value milestone is defined.", rows)


def _adoption_band(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    share, age = facts.get("utilization_28d"), facts.get("cycle_age_days")
    if facts.get("usage_status") != "ok" or share is None or age is None:
        return Proof("unknown", f"The share of seats in use is not known (use: {facts.get('usage_status') or 'unknown'}).")
    bands = sorted((int(days), float(limit)) for days, limit in values["bands"].items())
    limit = next((limit for days, limit in reversed(bands) if age >= days), None)
    if limit is None:
        return Proof("unknown", f"The contract is {int(age)} days old; there is no band before day {bands[0][0]}.")
    status: Status = "met" if share > limit else "unmet"
    return Proof(status, f"{_percent(share)} of the seats are in use; the band for a contract of {int(age)} days begins above {_percent(limit)}.")


def _won_back(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if facts.get("contract_status") == "unknown":
        return Proof("unknown", "No source feeds contract lines.")
    won = facts.get("won_back_on")
    if won is not None and not facts.get("notice_is_open"):
        return Proof("met", f"A new contract began on {won.isoformat()}.", _row("account", facts.get("account_key")), won)
    return Proof("unmet", "No new contract has begun since the notice.")


def _percent(share: float) -> str:
    """Rounded down: 75.04 % must not read as 76 %, nor 74.9 % as 75 % reached."""
    from decimal import ROUND_FLOOR, Decimal

    return f"{(Decimal(str(share)) * 100).quantize(Decimal('0.1'), rounding=ROUND_FLOOR).normalize():f} %"


RULES: dict[str, Rule] = {
    "handoff_fields_complete": Rule(_handoff_fields_complete),
    "team_named": Rule(_team_named),
    "handoff_meeting_held": Rule(_handoff_meeting_held),
    "licences_assigned": Rule(_licences_assigned),
    "pain_metric_with_baseline": Rule(_pain_metric_with_baseline),
    "sponsor_and_champion_named": Rule(_sponsor_and_champion_named),
    "red_flags_closed_or_owned": Rule(_red_flags_closed_or_owned),
    "success_plan_written": Rule(_success_plan_written),
    "questionnaire_answered": Rule(_questionnaire_answered),
    "kickoff_held": Rule(_kickoff_held),
    "fttv_defined_and_dated": Rule(_fttv_defined_and_dated),
    "cadence_set": Rule(_cadence_set, frozenset({"held_within_days"})),
    "users_trained": Rule(_users_trained, frozenset({"share_of_active_users"})),
    "no_usage_gap": Rule(_no_usage_gap, frozenset({"gap_days"})),
    "used_every_week": Rule(_used_every_week, frozenset({"share_of_weeks", "min_weeks"})),
    "fttv_not_overdue": Rule(_fttv_not_overdue),
    "fttv_reached": Rule(_fttv_reached),
    "adoption_band": Rule(_adoption_band, frozenset({"bands"})),
    "won_back": Rule(_won_back),
}
