"""Who may approve what, as data with a version.

The version (a hash of the policy's content, not of its comments) is part of what an approval binds to. Without it a text approved
under one rule could be sent under another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vim_pipelines.approvals.connected import Connections, connections_of
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

POLICY_FILE = Path(__file__).with_name("policy.yaml")


@dataclass(frozen=True)
class Actor:
    """Who decides, in which role, through which door, and for which segments' accounts (empty: all)."""

    name: str
    role: str
    channel: str = "cli"
    segments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stakes:
    """What the policy looks at besides the kind of document. None is unknown. `arr_amount` is in `currency`, `amount_at_stake` in `stake_currency`."""

    arr_amount: Decimal | None = None
    currency: str | None = None
    risk_band: str | None = None
    segment: str | None = None
    amount_at_stake: Decimal | None = None
    stake_currency: str | None = None


class Question(Protocol):
    """What is asked of people, as it was when it was asked: a row of the store, or one line of the inbox."""

    @property
    def document(self) -> str: ...
    @property
    def approver_role(self) -> str: ...
    @property
    def approvals_needed(self) -> int: ...
    @property
    def arr_amount(self) -> Decimal | None: ...
    @property
    def currency(self) -> str | None: ...
    @property
    def risk_band(self) -> str | None: ...
    @property
    def segment(self) -> str | None: ...
    @property
    def amount_at_stake(self) -> Decimal | None: ...
    @property
    def stake_currency(self) -> str | None: ...


def stakes_of(question: Question) -> Stakes:
    """What the policy decides by, as it was when the question was asked."""
    return Stakes(question.arr_amount, question.currency, question.risk_band, question.segment, question.amount_at_stake, question.stake_currency)


def covers(segments: Collection[str], segment: str | None) -> bool:
    """Whether somebody with these segments acts for an account of `segment`. No segments: for all of them, also for an account whose segment is unknown."""
    return not segments or segment in segments


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskRule(_Strict):
    """The Task that an approval makes: due so many days after the as-of date."""

    due_days: int = Field(ge=0, le=365)
    priority: Literal["High", "Normal", "Low"] = "Normal"


class DocumentRule(_Strict):
    """Who decides on a kind of document, and what approval carries out."""

    title: str | None = None
    approver_role: str
    on_approve: tuple[Literal["crm_note", "crm_task"], ...]
    task: TaskRule = TaskRule(due_days=7)

    @model_validator(mode="after")
    def _task_needs_note(self) -> DocumentRule:
        """The Task's id is stored on the note's record: that is how a second run knows that the Task exists."""
        if "crm_task" in self.on_approve and "crm_note" not in self.on_approve:
            raise ValueError("crm_task needs crm_note: the record that remembers the Task")
        return self


class Limits(_Strict):
    """Amounts by currency, from which on (inclusive) a rule holds: ARR of the account, and the amount that the document is about."""

    arr_limits: dict[str, Decimal] = Field(default_factory=dict)
    stake_limits: dict[str, Decimal] = Field(default_factory=dict)

    def reached(self, stakes: Stakes) -> bool:
        """Whether a known amount reaches its limit. An amount without a limit in its currency does not."""
        return _reaches(stakes.arr_amount, self.arr_limits.get(stakes.currency or "")) or _reaches(
            stakes.amount_at_stake, self.stake_limits.get(stakes.stake_currency or "")
        )


class Escalation(Limits):
    """What lifts a request to a higher role."""

    role: str
    risk_bands: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


class TwoPeople(Limits):
    """When two different people must approve the same text."""

    documents: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


class Deadlines(_Strict):
    """When the sweep says something, as shares of the time between asking and expiry. Nothing in here ever approves."""

    remind_at: float = Field(gt=0, lt=1)
    escalate_at: float = Field(gt=0, lt=1)
    escalate_to: str

    @model_validator(mode="after")
    def _in_order(self) -> Deadlines:
        if self.remind_at >= self.escalate_at:
            raise ValueError("remind_at comes before escalate_at")
        return self


class AlertRules(_Strict):
    """When the Director is told at once. `muri_priority` is 0 to 100; the others are days."""

    muri_priority: float = Field(default=40, gt=0, le=100)
    quiet_days: int = Field(default=14, ge=1, le=90)
    notice_days: int = Field(default=30, ge=1, le=366)
    p1_days_to_opt_out: int = Field(default=30, ge=0, le=366)


class MirrorRule(_Strict):
    """Which computed fields may be written to the CRM account under a standing approval, and who signs it."""

    approver_role: str
    fields: tuple[str, ...]
    stamp: str
    stamp_days: int = Field(ge=1)


class Policy(_Strict):
    """The approval policy. Roles are ordered: a later one may decide whatever an earlier one may."""

    roles: tuple[str, ...] = Field(min_length=1)
    default: DocumentRule
    documents: dict[str, DocumentRule] = Field(default_factory=dict)
    escalation: Escalation
    two_people: TwoPeople
    deadlines: Deadlines
    alerts: AlertRules = AlertRules()
    max_replan_rounds: int = Field(ge=0)
    dismiss_cooldown_days: int = Field(ge=0)
    evidence_rows_per_fact: int = Field(ge=0, le=50)
    mirror: MirrorRule
    #: What approvals carry out in this installation (`policy_of`). Not a rule, so it is no part of `version`.
    connections: Connections = Field(default=Connections(), exclude=True)

    @model_validator(mode="after")
    def _roles_exist(self) -> Policy:
        named = {rule.approver_role for rule in (self.default, *self.documents.values())} | {
            self.escalation.role,
            self.mirror.approver_role,
            self.deadlines.escalate_to,
        }
        unknown = sorted(named - set(self.roles))
        if unknown:
            raise ValueError(f"role {', '.join(unknown)} is not in the list of roles ({', '.join(self.roles)})")
        if self.mirror.stamp not in self.mirror.fields:
            raise ValueError(f"mirror.stamp {self.mirror.stamp} is not one of mirror.fields")
        strange = sorted(set(self.two_people.documents) - set(self.documents))
        if strange:
            raise ValueError(f"two_people.documents names {', '.join(strange)}, which is not under documents")
        return self

    @property
    def version(self) -> str:
        """Hex sha256 of the rules.

        Computed each time (50 microseconds): a cached one would be copied by `model_copy` along with changed rules.
        """
        return sha256_json(self.model_dump(mode="json"))

    def rule(self, document: str) -> DocumentRule:
        """The rule for a kind of document."""
        return self.documents.get(document, self.default)

    def title(self, document: str) -> str:
        """The document's name for people."""
        return self.rule(document).title or document.replace("_", " ").capitalize()

    def rank(self, role: str) -> int:
        """Place of `role` in the order of roles; -1 for one that does not exist, which therefore may nothing."""
        return self.roles.index(role) if role in self.roles else -1

    def approver_role(self, document: str, stakes: Stakes) -> str:
        """The lowest role that may decide. What is unknown about the account lifts the request, it never lowers it."""
        role, lift = self.rule(document).approver_role, self.escalation
        is_unknown = stakes.arr_amount is None or stakes.risk_band is None or (stakes.currency or "") not in lift.arr_limits
        if is_unknown or lift.reached(stakes) or stakes.risk_band in lift.risk_bands or stakes.segment in lift.segments:
            return max(role, lift.role, key=self.rank)
        return role

    def approvals_needed(self, document: str, stakes: Stakes) -> int:
        """How many different people must approve the same text: 1 or 2."""
        two = self.two_people
        return 2 if document in two.documents or stakes.segment in two.segments or two.reached(stakes) else 1

    def needs(self, question: Question) -> tuple[str, int]:
        """The role that must decide and how many people, by the question's own policy and today's, whichever asks more.

        A role that the policy no longer knows ranks lowest, so today's rule holds.
        """
        stakes = stakes_of(question)
        role = max(question.approver_role, self.approver_role(question.document, stakes), key=self.rank)
        return role, max(question.approvals_needed, self.approvals_needed(question.document, stakes))

    def suffices(self, role: str, needed: str) -> bool:
        """Whether somebody in `role` may decide what needs `needed`. A role that does not exist may nothing."""
        return self.rank(role) >= max(self.rank(needed), 0)


def policy_of(settings: Settings) -> Policy:
    """The policy of this installation: the file that VIMOTION_POLICY names, else the one that is shipped. Raises VIM-E046."""
    return load_policy(settings.policy).model_copy(update={"connections": connections_of(settings)})


def load_policy(path: Path | None = None) -> Policy:
    """The policy of the YAML file at `path`, or the one that is shipped. Raises VIM-E046 that names the entry that is wrong."""
    path = path or POLICY_FILE
    try:
        return _read_policy(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise VimError("VIM-E046", f"The approval policy {path} cannot be read", why=error.strerror or "", fix="Correct VIMOTION_POLICY") from None


@lru_cache(maxsize=8)
def _read_policy(path: Path, _modified_ns: int) -> Policy:
    import yaml

    fix = f"Correct {path.name}; the file that is shipped shows every entry"
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise VimError("VIM-E046", f"The approval policy {path.name} is not YAML", why=f"{where}{getattr(error, 'problem', error)}", fix=fix) from None
    except ValidationError as error:
        wrong = [
            f"{'.'.join(str(part) for part in item['loc']) or 'the file'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False)
        ]
        raise VimError("VIM-E046", f"The approval policy {path.name} is wrong", why="; ".join(wrong), fix=fix) from None


def _reaches(amount: Decimal | None, limit: Decimal | None) -> bool:
    return amount is not None and limit is not None and amount >= limit
