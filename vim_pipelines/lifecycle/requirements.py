"""Whether each requirement of the map is met, judged from the evidence of one account on one day.

Five answers and no sixth: met, unmet (known to be missing), waived (by a person, by name), unknown (nobody looks or nobody can
see), stale (was met, but the proof is too old). A rule returns met, unmet or unknown; waivers and age are the same for all rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.lifecycle.rules import RULES
from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Status

if TYPE_CHECKING:
    from vim_pipelines.lifecycle.phases import LifecycleMap, Requirement


@dataclass(frozen=True)
class Finding:
    """The judgement of one requirement of one account."""

    requirement: Requirement
    status: Status
    evidence: str
    rows: tuple[tuple[str, str], ...] = ()


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
