"""A CRM in memory that behaves as badly as the vendors' documents allow, for the model check of consent.

Written from what a client sees of a CRM (CONNECTORS.md: answers lost before and after the effect, refusals, locks, late effects, people who edit
records), not from the code under test. Every effect is kept in order, with the permission that stood when it was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.targets.base import CrmRecord, CrmTarget, Found, MirrorResult, Planned, marker_of

#: What may become of one write. `late`: it takes effect only when time passes, within the time that a lost write is waited for.
FAULTS = ("none", "lost_before", "lost_after", "late", "refused", "locked", "down")
READ_FAULTS = ("none", "down")


class Killed(BaseException):
    """The process ended here: no handler of the code under test may run on, so it is no `Exception`."""


@dataclass(frozen=True)
class Effect:
    """Something that happened in the CRM."""

    kind: str  # create | set | delete | mirror
    object_name: str
    external_id: str
    fields: dict[str, Any]


@dataclass
class Record:
    object_name: str
    external_id: str
    fields: dict[str, Any]
    task_id: str | None = None


@dataclass
class World:
    """The CRM's rows and what happens next. `permitted` is asked at the moment a write is sent; what it returns is a breach."""

    records: dict[str, Record] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    read_faults: list[str] = field(default_factory=list)
    late: list[Callable[[], None]] = field(default_factory=list)
    permitted: Callable[[CrmRecord], str | None] = lambda record: None
    mirror_permitted: Callable[[Mapping[str, Mapping[str, Any]]], str | None] = lambda rows: None
    number: int = 0

    def next_fault(self) -> str:
        return self.faults.pop(0) if self.faults else "none"

    def arrive(self) -> None:
        """What was on its way arrives."""
        late, self.late = self.late, []
        for effect in late:
            effect()


def _error(code: str, text: str, **more: Any) -> VendorError:
    return VendorError(code, text, **more)


class ModelCrm(CrmTarget):
    """One connection to the world."""

    name: ClassVar[str] = "salesforce"
    mirror_object: ClassVar[str] = "Account"
    mirror_batch: ClassVar[int] = 2

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def address(self) -> str:
        return "http://127.0.0.1:1"

    def close(self) -> None:
        pass

    def planned(self, write: Intended) -> Planned:
        return Planned(write.action, write.object_name, write.external_id, write.proposed, write.expected, write.idempotency_key)

    def mirror_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return dict(fields)

    def read(self, record: CrmRecord) -> Found | None:
        self._reading()
        found = self._find(record)
        if found is None:
            return None
        names = [*record.proposed, "Status"] if record.action == "crm_task" else record.proposed
        return Found(found, {name: self.world.records[found].fields.get(name) for name in names})

    def write(self, record: CrmRecord, found: Found | None) -> str:
        breach = self.world.permitted(record)
        if breach:
            self.world.breaches.append(breach)
        answer: list[str] = []

        def effect() -> None:
            place = found.record_id if found is not None and found.record_id in self.world.records else None
            if record.action == "crm_note":  # an upsert by external id: the CRM itself keeps the key unique
                place = next(
                    (key for key, row in self.world.records.items() if row.object_name == "VIM_Draft__c" and row.external_id == record.external_id), None
                )
            if place is None:
                self.world.number += 1
                place = f"{record.object_name}-{self.world.number}"
                started = {"Status": "Not Started"} if record.action == "crm_task" else {}
                self.world.records[place] = Record(record.object_name, record.external_id, started | dict(record.proposed))
                self.world.effects.append(Effect("create", record.object_name, record.external_id, dict(record.proposed)))
            elif record.action != "crm_task":
                self.world.records[place].fields |= record.proposed
                self.world.effects.append(Effect("set", record.object_name, record.external_id, dict(record.proposed)))
            answer.append(place)

        self._sent(effect)
        return answer[0]

    def linked(self, record: CrmRecord) -> str | None:
        self._reading()
        draft = self._draft(record.external_id)
        return draft.task_id if draft is not None else None

    def link(self, record: CrmRecord, record_id: str) -> None:
        def effect() -> None:
            draft = self._draft(record.external_id)
            if draft is not None:
                draft.task_id = record_id

        self._sent(effect)

    def put_back(self, record: CrmRecord, record_id: str, before: Mapping[str, Any]) -> None:
        def effect() -> None:
            if record_id in self.world.records:
                self.world.records[record_id].fields |= {name: before.get(name) for name in record.proposed}

        self._sent(effect)

    def delete(self, record: CrmRecord, record_id: str) -> None:
        def effect() -> None:
            if self.world.records.pop(record_id, None) is not None:
                self.world.effects.append(Effect("delete", record.object_name, record.external_id, {}))

        self._sent(effect)

    def read_many(self, account_keys: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        self._reading()
        return {key: {name: self.world.accounts[key].get(name) for name in fields} for key in account_keys if key in self.world.accounts}

    def update_many(self, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, MirrorResult]:
        breach = self.world.mirror_permitted(rows)
        if breach:
            self.world.breaches.append(breach)
        results: dict[str, MirrorResult] = {}
        for key, fields in rows.items():
            fault = self.world.next_fault()
            if fault in ("refused", "locked", "down"):
                results[key] = MirrorResult("refused", "a rule of the CRM")
                continue
            if fault != "lost_before":
                self.world.accounts[key] |= fields
                self.world.effects.append(Effect("mirror", "Account", key, dict(fields)))
            results[key] = MirrorResult("unknown") if fault in ("lost_before", "lost_after", "late") else MirrorResult("done")
        return results

    # -- the wire

    def _sent(self, effect: Callable[[], None]) -> None:
        fault = self.world.next_fault()
        if fault == "refused":
            raise _error("VIM-E013", "a validation rule says no", status=400, vendor_code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
        if fault == "locked":
            raise _error("VIM-E013", "the row is locked", status=400, vendor_code="UNABLE_TO_LOCK_ROW")
        if fault == "lost_before":
            raise _error("VIM-E015", "no answer")
        if fault == "down":
            raise _error("VIM-E013", "bad gateway", status=502)
        if fault == "late":
            self.world.late.append(effect)
            raise _error("VIM-E015", "no answer yet")
        effect()
        if fault == "lost_after":
            raise _error("VIM-E015", "the answer was lost")

    def _reading(self) -> None:
        if self.world.read_faults and self.world.read_faults.pop(0) == "down":
            raise _error("VIM-E010", "the CRM does not answer")

    def _draft(self, external_id: str) -> Record | None:
        return next((row for row in self.world.records.values() if row.object_name == "VIM_Draft__c" and row.external_id == external_id), None)

    def _find(self, record: CrmRecord) -> str | None:
        if record.action == "crm_note":
            return next((key for key, row in self.world.records.items() if row.object_name == "VIM_Draft__c" and row.external_id == record.external_id), None)
        draft = self._draft(record.external_id)
        for key in (record.record_id, draft.task_id if draft is not None else None):
            if key in self.world.records:
                return key
        marker = marker_of(record.proposed["Description"])
        return next((key for key, row in self.world.records.items() if row.object_name == "Task" and marker in str(row.fields.get("Description"))), None)
