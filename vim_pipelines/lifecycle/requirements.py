"""Whether each requirement of the map is met, judged from the evidence of one account on one day.

Five answers and no sixth: met, unmet (known to be missing), waived (by a person, by name), unknown (nobody looks or nobody can
see), stale (was met, but the proof is too old). A rule returns met, unmet or unknown; words of persons and age are the same for all rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from vim_pipelines.lifecycle.phases import MANUAL
from vim_pipelines.lifecycle.rules import RULES
from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Status
from vim_pipelines.lifecycle.words import SILENCE, Standing, answers_for, said_by, standing, word_of

if TYPE_CHECKING:
    from vim_pipelines.lifecycle.phases import LifecycleMap, Requirement

NOTHING_ASKED_AGAIN: Mapping[str, date] = {}
_NOTHING_RECORDED = Proof("unknown", "A person judges this; nothing is recorded yet.")
_NO_FIELDS: frozenset[str] = frozenset()


class Finding(NamedTuple):
    """The judgement of one requirement of one account. A tuple: half a million are made in a night of 10,000 accounts."""

    requirement: Requirement
    status: Status
    evidence: str
    rows: tuple[tuple[str, str], ...] = ()
    #: Who is chased, where that is not whom the map names.
    who: str | None = None


class Watched(Mapping[str, Any]):
    """Facts that remember which of them a rule looked at: what rests on a disputed fact is not known, whatever the rule makes of a gap."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.read = facts, set[str]()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return self.facts[name]

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return self.facts.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self.facts)

    def __len__(self) -> int:
        return len(self.facts)


def judge_account(
    lifecycle: LifecycleMap, facts: Facts, words: Sequence[Mapping[str, Any]], as_of: date, *, asked_again: Mapping[str, date] = NOTHING_ASKED_AGAIN
) -> list[Finding]:
    """Every requirement of the map for one account, in the order of the map.

    `facts`: the account's evidence, dates as dates, unknown as None. `words`: the account's rows of lifecycle overrides; only those in force on
    `as_of` count. `asked_again`: requirements whose proofs and waivers count from a day on, since a re-entry.
    """
    in_force = standing([word_of(row) for row in words], as_of)
    return [judge(requirement, facts, in_force, as_of, asked_again.get(requirement.requirement_id)) for requirement in lifecycle.requirements]


def judge(requirement: Requirement, facts: Facts, words: Standing, as_of: date, since: date | None = None) -> Finding:
    """One requirement of one account. A waiver stands above the evidence, the evidence above an answer, a dispute above what rests on its fact."""
    if words is SILENCE and since is None:  # nearly every account on nearly every night
        proof = _NOTHING_RECORDED if requirement.rule == MANUAL else RULES[requirement.rule].judge(facts, requirement.values, as_of, _NO_FIELDS)
        return Finding(requirement, _aged(requirement, proof, as_of), proof.text, proof.rows, proof.who)

    waivers = {name: word for name, word in words.waivers.items() if since is None or word["created_at"].date() >= since}
    waiver = waivers.get(requirement.requirement_id)
    if waiver is not None:
        return Finding(requirement, "waived", f"Waived {said_by(waiver)}", (("lifecycle_override", str(waiver["override_id"])),))
    proof = _proof(requirement, facts, words, waivers, as_of)
    if since is not None and proof.status == "met" and proof.seen_on is not None and proof.seen_on < since:
        proof = Proof("unmet", f"{proof.text} That is from before {since.isoformat()}; since then it is asked again.", proof.rows, proof.seen_on)
    answer = words.answers.get(requirement.requirement_id)
    if answer is not None and answers_for(requirement, proof.status) and (since is None or answer["created_at"].date() >= since):
        said = Proof(answer["value"], f"Answered {answer['value']} {said_by(answer)}", (("lifecycle_override", str(answer["override_id"])),))
        proof = Proof(said.status, said.text, said.rows, answer["created_at"].date())
    return Finding(requirement, _aged(requirement, proof, as_of), proof.text, proof.rows, proof.who)


def without_disputed(facts: Facts, words: Standing) -> Facts:
    """The facts with the disputed ones unknown."""
    return {name: None if name in words.disputes else value for name, value in facts.items()} if words.disputes else facts


def _proof(requirement: Requirement, facts: Facts, words: Standing, waivers: Mapping[str, Mapping[str, Any]], as_of: date) -> Proof:
    if requirement.rule == MANUAL:
        return _NOTHING_RECORDED
    prefix = requirement.requirement_id + "."
    fields = frozenset(name.removeprefix(prefix) for name in waivers if name.startswith(prefix))
    rule = RULES[requirement.rule]
    if not words.disputes:
        return rule.judge(facts, requirement.values, as_of, fields)
    watched = Watched(facts)
    proof = rule.judge(watched, requirement.values, as_of, fields)
    disputed = sorted(watched.read & set(words.disputes))
    if not disputed:
        return proof
    word = words.disputes[disputed[0]]
    right = f" It should be {word['value']}." if word.get("value") else ""
    text = f"{disputed[0]} is disputed {said_by(word)}{'' if str(word['note']).endswith('.') else '.'}{right}"
    return Proof("unknown", text, (*proof.rows, ("lifecycle_override", str(word["override_id"]))))


def _aged(requirement: Requirement, proof: Proof, as_of: date) -> Status:
    limit = requirement.freshness_days
    if proof.status == "met" and limit is not None and proof.seen_on is not None and proof.seen_on < as_of - timedelta(days=limit):
        return "stale"
    return proof.status
