"""What write-back asks of a CRM. `apply`, `mirror`, `undo` and `reconcile` know this and nothing of any vendor.

An approved payload speaks one language, whatever CRM stands behind it: the objects and fields of `writeback.actions.WRITABLE`
(`VIM_Draft__c.Body__c`, `Task.Subject`, `Account.VIM_Phase__c`). It is what the policy lists and what the hash binds, so a payload that was
approved before a second CRM was connected is as valid as ever. A target says the same in its CRM's own words (`planned`, `mirror_fields`);
the outbox row holds those words, for they are what is really sent, read back and undone.

A new target is one module with one class:

1. `planned` is pure and always gives the same answer for the same `Intended`: after a crash the row in the outbox is compared with it, and
   a difference counts as an edit of the store. What must be looked up (an owner's id, a company's id) is therefore named by what is known
   (`owner.email`, `company.externalId`) and resolved in `write`; `read` gives it back under the same name.
2. `read` must find a record that was created a moment ago and whose answer was lost: by a unique key, or by a place that is not delayed (never
   by a search index), with `marker_of` to tell our record from others. It gives every field of `proposed`, and of a task also its status.
3. `write` creates or sets, once; it never looks for itself whether it was done before, `read` was asked for that. An account that is not
   in the CRM is a refusal (`VendorError` VIM-E013 with a status below 500) that `write` raises; to `read` it is a record that is not there.
4. `link` and `linked`: after `link` a second run knows of the task even if everything else is forgotten. A CRM in which the task itself carries the
   marker at an undelayed place needs no second memory: there `link` sees to that place, and `linked` looks at it.
5. `update_many` answers for each account by itself, also where the CRM says HTTP 200 to a request of which half failed. An account of which
   the answer says nothing is 'unknown', never 'done'.
6. No method sends a write a second time after a lost answer; that is what the client's `Safety` is for. VIM-E015 goes up as it came.

Name the class in `targets.TARGETS`, give `tests/writeback/orgs.py` a way to look into its emulator, and the tests there run on it as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.actions import Intended

#: A scope, a channel or blocks that Slack refuses: nothing was done, and the same again is refused again.
REFUSED_BY_SLACK = ("VIM-E140", "VIM-E141", "VIM-E142")

Effect = Literal["none", "refused", "unknown"]


@dataclass(frozen=True)
class Planned:
    """One intended write in the words of a CRM. `external_id`: the key by which our record is known, the account's key for `crm_fields`.

    `expected` holds what the proposal saw (`crm_fields` only; None: no record was there).
    """

    action: str
    object_name: str
    external_id: str
    proposed: dict[str, Any]
    expected: dict[str, Any] | None
    idempotency_key: str


@dataclass(frozen=True)
class CrmRecord:
    """The record that an outbox row is about: all of it comes from the row. `record_id` is known once the CRM has answered."""

    action: str
    object_name: str
    external_id: str
    proposed: dict[str, Any]
    record_id: str | None = None


@dataclass(frozen=True)
class Found:
    """A record as it stands: the CRM's id of it and the fields that the write is about, in the names of `proposed`."""

    record_id: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class MirrorResult:
    """What became of one account of a bulk update, as far as the answer says. `error` is the CRM's own words."""

    outcome: Literal["done", "refused", "unknown"]
    error: str = ""


class CrmTarget(ABC):
    """One CRM as a place to write to; a context manager that closes its connections. Methods raise what the vendor's client raises."""

    #: What stands in `outbox.target` and in `standing_approvals.target`.
    name: ClassVar[str]
    #: The CRM's name for the object that carries the mirror's fields.
    mirror_object: ClassVar[str]
    #: Accounts to one bulk update: one request, so that what one request lost is what one chunk does not know.
    mirror_batch: ClassVar[int]

    @property
    @abstractmethod
    def address(self) -> str:
        """Where writes really go: what `may_write` compares with the sandbox's loopback rule."""

    @abstractmethod
    def planned(self, write: Intended) -> Planned:
        """`write` in this CRM's words. Pure. VIM-E112 if the approved text does not fit (it is never cut)."""

    @abstractmethod
    def mirror_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Canonical mirror fields (`VIM_Phase__c`) with their values in this CRM's names, in the same order. Pure."""

    @abstractmethod
    def read(self, record: CrmRecord) -> Found | None:
        """The record as it stands, or None if there is none. VIM-E051 if several records carry its key."""

    @abstractmethod
    def write(self, record: CrmRecord, found: Found | None) -> str:
        """Create it, or set its fields where `found` is not None; returns the CRM's id of it."""

    @abstractmethod
    def linked(self, record: CrmRecord) -> str | None:
        """Id of the task that the CRM itself knows as this write's, or None."""

    @abstractmethod
    def link(self, record: CrmRecord, record_id: str) -> None:
        """Make the CRM know the task `record_id` as this write's. Repeatable."""

    @abstractmethod
    def put_back(self, record: CrmRecord, record_id: str, before: Mapping[str, Any]) -> None:
        """Set the fields of `record.proposed` to their values in `before` (None clears a field): undo of a change."""

    @abstractmethod
    def delete(self, record: CrmRecord, record_id: str) -> None:
        """Take the record away, into the CRM's recycle bin where it has one: undo of a create. One that is gone already is no error."""

    @abstractmethod
    def read_many(self, account_keys: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Fields (this CRM's names) of accounts by account key; those that are not in the CRM are left out."""

    @abstractmethod
    def update_many(self, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, MirrorResult]:
        """Set fields (this CRM's names) of at most `mirror_batch` accounts by account key; a result for each. Never creates an account."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def target_of(self, action: str) -> str:
        """Where the writes of an action go, as `outbox.target` says it: this CRM, but for what stands beside it (`writeback.deliverables`)."""
        return self.name

    def carries(self, action: str) -> bool:
        """Whether an action can be carried out here."""
        return action in ("crm_note", "crm_task", "crm_fields")

    def effect_of(self, error: VendorError) -> Effect:
        """What a failed write left behind: `none` (not carried out, try later), `refused` (the CRM said no), `unknown` (read before anything else)."""
        return effect_of(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def effect_of(error: VendorError) -> Effect:
    """The rule of `CrmTarget.effect_of` for the shared client: its codes mean the same for every vendor.

    Credentials that the CRM refuses (VIM-E011) are a no: no later attempt with the same ones can succeed, so a person must look.
    """
    if error.code == "VIM-E015" or (error.code == "VIM-E013" and (error.status is None or error.status >= 500)):
        return "unknown"
    if error.code in ("VIM-E011", *REFUSED_BY_SLACK) or (error.code == "VIM-E013" and error.vendor_code not in ("LOCKED", "UNABLE_TO_LOCK_ROW")):
        return "refused"
    return "none"


def marker_of(proposed_text: str) -> str:
    """The line that only our record has: the last one of the text that is sent (`approvals.payload.task_marker`)."""
    return proposed_text.rstrip().splitlines()[-1] if proposed_text.strip() else ""
