"""From an approved payload to intended writes: which record, which fields, under which key. Pure.

Everything that is written was in the payload when its hash was signed, except who signed it and when. Objects and fields outside the
allow-list are refused here, whatever a payload says: the agent takes no action outside the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.writeback.fields import writable

#: What an item approval may write. Account fields belong to the mirror, except through `crm_fields` with the value that was expected.
WRITABLE: dict[str, frozenset[str]] = writable() | {
    "gmail.draft": frozenset({"mailbox", "to", "to_name", "cc", "cc_name", "subject", "body", "note"}),
    "slack.message": frozenset({"channel", "title", "steps", "note"}),
    "training.invitation": frozenset({"account", "contact", "start_by", "message"}),
}
OBJECT_OF = {
    "crm_note": "VIM_Draft__c",
    "crm_task": "Task",
    "crm_fields": "Account",
    "gmail_draft": "gmail.draft",
    "slack_internal": "slack.message",
    "training_webhook": "training.invitation",
}

#: What is made once and then belongs to a person: that it exists is enough, whatever they made of it since.
MADE_ONCE = ("crm_task", "gmail_draft", "slack_internal", "training_webhook")

#: The record that remembers the Task is written before the Task.
ORDER = ("crm_note", "crm_task", "crm_fields", "training_webhook", "slack_internal", "gmail_draft")


@dataclass(frozen=True)
class Intended:
    """One intended write. `external_id` is the value of `VIM_Key__c`, or the record's Id for `crm_fields`. `expected` holds what the proposal saw."""

    action: str
    object_name: str
    external_id: str
    proposed: dict[str, Any]
    expected: dict[str, Any] | None
    idempotency_key: str


def idempotency_key(request_id: str, action: str, approved_sha256: str) -> str:
    """One approved action is one row of the outbox, however often a run starts."""
    return sha256_json([request_id, action, approved_sha256])


def intended_writes(request_id: str, payload: Mapping[str, Any], approved_sha256: str, *, approved_by: str, approved_at: datetime) -> list[Intended]:
    """The writes of an approved request, in the order in which they are carried out. Raises VIM-E044 for anything not on the allow-list."""
    found = []
    for action in sorted(payload["actions"], key=lambda item: ORDER.index(item["action"]) if item["action"] in ORDER else len(ORDER)):
        name, fields = action["action"], dict(action["fields"])
        if OBJECT_OF.get(name) != action["object"]:
            raise _refused(request_id, f"the action {name} on {action['object']}")
        if name == "crm_note":
            fields |= {
                "Body__c": payload["text"],
                "Status__c": "approved",
                "Approved_By__c": approved_by,
                "Approved_At__c": approved_at.isoformat(timespec="seconds") + "Z",
            }
        if name == "gmail_draft":
            fields["body"] = payload["text"]
        outside = sorted(set(fields) - WRITABLE[action["object"]])
        if outside:
            raise _refused(request_id, f"the fields {', '.join(outside)} of {action['object']}")
        expected = dict(action.get("expected") or {}) if name == "crm_fields" else None
        found.append(Intended(name, action["object"], action["key"], fields, expected, idempotency_key(request_id, name, approved_sha256)))
    if len({item.action for item in found}) != len(found):
        raise _refused(request_id, "the same action twice")
    return found


def _refused(request_id: str, what: str) -> VimError:
    return VimError(
        "VIM-E044", f"The request {request_id} names {what}", why="No approval can carry that out", fix="Reject it, and correct the playbook that made it"
    )
