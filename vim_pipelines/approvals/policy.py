"""Who may approve what, as data with a version.

The version (a hash of the policy's content, not of its comments) is part of what an approval binds to. Without it a text approved
under one rule could be sent under another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json

POLICY_FILE = Path(__file__).with_name("policy.yaml")


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


class Escalation(_Strict):
    """What lifts a request to a higher role."""

    role: str
    risk_bands: tuple[str, ...] = ()
    arr_limits: dict[str, Decimal] = Field(default_factory=dict)


class MirrorRule(_Strict):
    """Which computed fields may be written to the CRM account under a standing approval, and who signs it."""

    approver_role: str
    fields: tuple[str, ...]
    stamp: str
    stamp_days: int = Field(ge=1)


class Policy(_Strict):
    """The approval policy. Roles are ordered: a later one may decide whatever an earlier one may."""

    roles: tuple[str, ...] = Field(min_length=1)
    people: dict[str, str] = Field(default_factory=dict)
    default: DocumentRule
    documents: dict[str, DocumentRule] = Field(default_factory=dict)
    escalation: Escalation
    max_replan_rounds: int = Field(ge=0)
    dismiss_cooldown_days: int = Field(ge=0)
    evidence_rows_per_fact: int = Field(ge=0, le=50)
    mirror: MirrorRule

    @model_validator(mode="after")
    def _roles_exist(self) -> Policy:
        named = {rule.approver_role for rule in (self.default, *self.documents.values())} | {
            self.escalation.role,
            self.mirror.approver_role,
            *self.people.values(),
        }
        unknown = sorted(named - set(self.roles))
        if unknown:
            raise ValueError(f"role {', '.join(unknown)} is not in the list of roles ({', '.join(self.roles)})")
        if self.mirror.stamp not in self.mirror.fields:
            raise ValueError(f"mirror.stamp {self.mirror.stamp} is not one of mirror.fields")
        return self

    @property
    def version(self) -> str:
        """Hex sha256 of the rules. People are left out: hiring someone does not change what was agreed.

        Computed each time (50 microseconds): a cached one would be copied by `model_copy` along with changed rules.
        """
        return sha256_json(self.model_dump(mode="json", exclude={"people"}))

    def rule(self, document: str) -> DocumentRule:
        """The rule for a kind of document."""
        return self.documents.get(document, self.default)

    def title(self, document: str) -> str:
        """The document's name for people."""
        return self.rule(document).title or document.replace("_", " ").capitalize()

    def rank(self, role: str) -> int:
        """Place of `role` in the order of roles; -1 for one that does not exist, which therefore may nothing."""
        return self.roles.index(role) if role in self.roles else -1

    def approver_role(self, document: str, *, arr_amount: Decimal | None, currency: str | None, risk_band: str | None) -> str:
        """The lowest role that may decide. What is unknown about the account lifts the request, it never lowers it."""
        role = self.rule(document).approver_role
        limit = self.escalation.arr_limits.get(currency or "")
        is_large = arr_amount is None or limit is None or arr_amount >= limit
        if is_large or risk_band is None or risk_band in self.escalation.risk_bands:
            return max(role, self.escalation.role, key=self.rank)
        return role


def load_policy(path: Path | None = None) -> Policy:
    """The policy of the YAML file at `path`, or the one that is shipped. Raises VIM-E046 that names the entry that is wrong."""
    import yaml

    path = path or POLICY_FILE
    fix = f"Correct {path.name}; the file that is shipped shows every entry"
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise VimError("VIM-E046", f"The approval policy {path} cannot be read", why=error.strerror or "", fix=fix) from None
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


@dataclass(frozen=True)
class Actor:
    """Who decides, in which role, through which door."""

    name: str
    role: str
    channel: str = "cli"


def resolve_actor(os_user: str, policy: Policy, *, act_as: str | None = None, is_sandbox: bool, roles: Mapping[str, str] | None = None) -> Actor:
    """The person at the command line and the role the policy (or the tenant's own `roles` map, which wins) gives to them.

    `act_as` is the value of `--as`: a role, or `NAME:ROLE`. It is accepted in the sandbox only (VIM-E043 elsewhere), and the event
    names both, so that a sandbox decision never reads as somebody else's. An unlisted user has no role: VIM-E043.
    """
    if act_as is not None:
        if not is_sandbox:
            raise VimError("VIM-E043", "--as is refused here", why="Only the sandbox lets one person play another", fix="Decide under your own login")
        name, _, role = act_as.rpartition(":")
        _known_role(policy, role)
        return Actor(f"{name or role} (played by {os_user})", role)
    role = {**policy.people, **(roles or {})}.get(os_user, "")
    if not role:
        fix = f"In the sandbox, add --as {policy.roles[-1]}" if is_sandbox else f"Add '{os_user}: {policy.roles[0]}' under people in the approval policy"
        raise VimError("VIM-E043", f"The user {os_user} has no role", why="Every decision is bound to a named person with a role", fix=fix)
    _known_role(policy, role)
    return Actor(os_user, role)


def _known_role(policy: Policy, role: str) -> None:
    if policy.rank(role) < 0:
        raise VimError("VIM-E043", f"There is no role '{role}'", fix=f"The roles are {', '.join(policy.roles)}")
