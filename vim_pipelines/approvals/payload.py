"""What a person is asked to approve: the exact text, the facts and evidence behind it, every action that a yes sets in motion,
and by what the plan will be judged.

All of it is hashed together and travels with the request, so that inbox, re-plan and write-back never open the warehouse, and
nothing can be written that was not on the page. Pure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from vim_pipelines.approvals.connected import CRM_ACTIONS
from vim_pipelines.approvals.policy import Policy, Stakes
from vim_pipelines.core.hashing import canonical_json, sha256_json, sha256_text
from vim_pipelines.core.net import is_mail_address
from vim_pipelines.store.models import Draft

SUBJECT_LENGTH = 255
#: What every installation carries out; `approvals.connected` knows the others. What is not connected the person who approves is told of
#: (`left_to_you`), so that nothing that a playbook names is dropped in silence. `writeback.actions` can write every one of these.
CONNECTED_ACTIONS = CRM_ACTIONS


@dataclass(frozen=True)
class AccountInfo:
    """What the policy and the CRM want to know about an account."""

    stakes: Stakes = Stakes()
    csm_email: str | None = None


def account_info(draft: Draft, signals: Mapping[str, Any] | None) -> AccountInfo:
    """From tonight's row of `marts.fct_account_signals` where there is one, else from the draft's own facts.

    The amount at stake is the one that the draft's playbook names (waste, value of unused seats), in the portfolio's currency; where that is
    the ARR there is no other.
    """
    row = signals or {}
    arr, currency = _amount(row.get("arr_amount")), row.get("currency")
    if arr is None:
        arr, currency = _known_amount(draft, "arr_amount")
    stake = _stake_of(draft)
    amount = None if stake is None or stake == "arr_amount" else _amount(row.get(stake))
    stake_currency = _text(row.get("portfolio_currency")) if amount is not None else None
    stakes = Stakes(arr, _text(currency), _text(row.get("risk_band")), _text(row.get("segment")), amount, stake_currency)
    return AccountInfo(stakes, _text(row.get("csm_email")))


def _stake_of(draft: Draft) -> str | None:
    from vim_pipelines.reasoning.playbooks import load_playbooks

    playbook = load_playbooks().get(draft.document)
    return playbook.trigger.stake if playbook is not None else None


def _known_amount(draft: Draft, metric: str) -> tuple[Decimal | None, str | None]:
    for fact in draft.facts:
        if fact.get("metric") == metric and fact.get("scope", "account") == "account" and fact.get("status", "ok") == "ok":
            return _amount(fact.get("value_number")), fact.get("currency")
    return None, None


def request_id_of(draft_id: str, version: int) -> str:
    """Identity of the question about one draft: the same draft asked for twice is the same request. Short enough to type."""
    return f"req-{sha256_json([draft_id, version])[:12]}"


def build_payload(
    draft: Draft,
    policy: Policy,
    info: AccountInfo,
    *,
    request_id: str,
    planned: Sequence[Mapping[str, Any]] = (),
    criteria: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The payload as plain JSON values: what is hashed is what a database gives back. `planned` as for `actions`, `criteria` of `planned_criteria`."""
    payload = {
        "text": draft.rendered_text,
        "facts": draft.facts,
        "facts_sha256": draft.facts_sha256,
        "evidence": capped(draft.evidence, policy.evidence_rows_per_fact),
        "actions": actions(draft, policy, info, request_id=request_id, planned=planned),
        "left_to_you": left_to_you(draft, policy, info, planned),
        "criteria": list(criteria),
        "policy_version": policy.version,
    }
    return json.loads(canonical_json(payload))  # type: ignore[no-any-return]


def note_to_write(draft: Draft, policy: Policy) -> dict[str, Any]:
    """The payload of a request without a text: a person must write. It names the gates and the places, and quotes nothing that a gate held back.

    The facts go with it, so that whoever writes has them at hand. It carries no action: there is nothing that could be approved.
    """
    found = sorted({f"{finding['gate']}, {finding['where']}" for finding in draft.gate_findings})
    lines = [
        f"# A person must write this: {policy.title(draft.document)} for {draft.account_name}",
        "",
        "No text that was drafted passed its gates, so none is shown here and none can be approved.",
        "Write it by hand from the facts below, then dismiss this entry with a note that says where the text is.",
        "",
        "Held back by:",
        *[f"- {line}" for line in found],
        "",
    ]
    payload = {
        "text": "\n".join(lines),
        "facts": draft.facts,
        "facts_sha256": draft.facts_sha256,
        "evidence": capped(draft.evidence, policy.evidence_rows_per_fact),
        "actions": [],
        "criteria": [],
        "policy_version": policy.version,
    }
    return json.loads(canonical_json(payload))  # type: ignore[no-any-return]


def payload_sha256(payload: Mapping[str, Any]) -> str:
    """What an approval binds to."""
    return sha256_json(payload)


def vim_key(request_id: str) -> str:
    """External id of the CRM record that carries an approved text: one record per approved request."""
    return f"VIM-{request_id}"


def actions(draft: Draft, policy: Policy, info: AccountInfo, *, request_id: str, planned: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The writes that approval carries out, field by field. The text itself stands once in the payload, under `text`.

    Which ones, their wording and their dates come from `planned`, the draft's playbook filled in, where there is one, else from the policy.
    The key, the hash and the line by which a Task is found again are always ours: they are what keeps a write from happening twice.
    """
    rule, title, key = policy.rule(draft.document), policy.title(draft.document), vim_key(request_id)
    heading = f"{title}: {draft.account_name}"
    given = {str(action["action"]): dict(action["fields"]) for action in planned if _is_carried_out(action, policy, info)}
    names = tuple(given) if planned else rule.on_approve
    built: list[dict[str, Any]] = []
    if "crm_note" in names:
        fields = {"Title__c": heading} | given.get("crm_note", {})
        fields.pop("Body__c", None)
        fields |= {
            "Account__c": draft.account_key,
            "Document__c": draft.document,
            "Sha256__c": sha256_text(draft.rendered_text),
            "Version__c": str(draft.version),
            "As_Of_Date__c": draft.as_of_date.isoformat(),
            "Policy_Version__c": policy.version,
            "Request_Id__c": request_id,
        }
        built.append({"action": "crm_note", "object": "VIM_Draft__c", "key": key, "fields": _written(fields)})
    if "crm_task" in names:
        due = (draft.as_of_date + timedelta(days=rule.task.due_days)).isoformat()
        fields = {"Subject": heading, "Description": f"Carry out the approved {title}.", "Priority": rule.task.priority, "ActivityDate": due}
        fields |= {name: value for name, value in given.get("crm_task", {}).items() if value}
        fields["WhatId"] = draft.account_key
        fields["Description"] = f"{fields['Description'].strip()}\n\nThe approved text is in the record {key}.\n{task_marker(request_id)}"
        if info.csm_email:
            fields["Owner_Email__c"] = info.csm_email
        built.append({"action": "crm_task", "object": "Task", "key": key, "fields": _written(fields)})
    if "training_webhook" in given:
        invitation: dict[str, Any] = {name: given["training_webhook"].get(name) for name in ("account", "contact", "start_by", "message")}
        built.append({"action": "training_webhook", "object": "training.invitation", "key": key, "fields": _written(invitation)})
    if "slack_internal" in given:
        word: dict[str, Any] = {"title": heading, "channel": policy.connections.slack_channel} | {k: v for k, v in given["slack_internal"].items() if v}
        word = {name: word.get(name) for name in ("channel", "title", "steps")} | {"note": key}
        built.append({"action": "slack_internal", "object": "slack.message", "key": key, "fields": _written(word)})
    if "gmail_draft" in given:
        letter: dict[str, Any] = {"mailbox": info.csm_email, "subject": heading} | _letter_fields(draft, given["gmail_draft"])
        built.append({"action": "gmail_draft", "object": "gmail.draft", "key": key, "fields": _written(letter)})
    return built


def left_to_you(draft: Draft, policy: Policy, info: AccountInfo, planned: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the playbook names and nothing here can carry out: shown to the person who approves, who does it by hand. A mail has its address and its title."""
    heading = f"{policy.title(draft.document)}: {draft.account_name}"
    left = []
    for action in planned:
        if _is_carried_out(action, policy, info):
            continue
        fields = dict(action["fields"])
        if action["action"] == "gmail_draft":
            letter: dict[str, Any] = {"subject": heading} | _letter_fields(draft, fields) | ({"body": fields["body"]} if "body" in fields else {})
            fields = {name: value for name, value in letter.items() if value}
        left.append({"action": action["action"], "target": action["target"], "fields": fields, "precondition": action["precondition"]})
    return left


def _is_carried_out(planned: Mapping[str, Any], policy: Policy, info: AccountInfo) -> bool:
    """Whether approval does it here. A letter needs a mailbox that may be opened (that of the account's CSM), a word inside the house a channel."""
    connections, action = policy.connections, str(planned["action"])
    if action == "slack_internal":
        return action in connections.actions and bool(planned["fields"].get("channel") or connections.slack_channel)
    if action == "gmail_draft":
        _, _, domain = (info.csm_email or "").rpartition("@")
        is_ours = bool(domain) and domain.casefold() == (connections.mailbox_domain or "").casefold()
        return action in connections.actions and is_ours and is_mail_address(str(info.csm_email))
    return action in connections.actions


def _letter_fields(draft: Draft, given: Mapping[str, Any]) -> dict[str, Any]:
    """To whom and about what. The facts know names; where one of them knows the mail address too it is used, else the letter has no recipient and says so."""
    fields: dict[str, Any] = {"subject": given["subject"]} if given.get("subject") else {}
    unknown = []
    for place in ("to", "cc"):
        name = str(given.get(place) or "")
        address = _address_of(draft, name)
        fields |= {place: address, f"{place}_name": name if name != address else None}
        if name and address is None:
            unknown.append(name)
    if fields["to"] is None:
        fields["note"] = f"without a recipient: the address of {unknown[0]} is not known" if unknown else "without a recipient: none is named"
    return fields


def _address_of(draft: Draft, name: str) -> str | None:
    """The mail address of a person whom the facts name (`champion_name` beside `champion_email`)."""
    if is_mail_address(name):
        return name
    texts = {str(fact.get("metric")): str(fact.get("value_text") or "") for fact in draft.facts if fact.get("status", "ok") == "ok"}
    for metric, text in texts.items():
        if name and metric.endswith("_name") and text == name:
            found = texts.get(f"{metric.removesuffix('_name')}_email", "")
            if is_mail_address(found):
                return found
    return None


def _written(fields: Mapping[str, Any]) -> dict[str, Any]:
    limits = {"Subject": SUBJECT_LENGTH, "Title__c": SUBJECT_LENGTH}
    return {name: str(value)[: limits.get(name)] for name, value in fields.items() if value not in (None, "")}


def planned_actions(draft: Draft, policy: Policy) -> list[dict[str, Any]]:
    """`on_approve` of the draft's playbook with every field filled in; empty for a document that has no playbook."""
    from vim_pipelines.reasoning.playbooks import actions_for, load_playbooks

    playbook = load_playbooks().get(draft.document)
    if playbook is None:
        return []
    names = {str(fact["metric"]): str(fact.get("value_text") or "") for fact in draft.facts if str(fact.get("metric", "")).endswith("_name")}
    return actions_for(
        playbook, account_key=draft.account_key, draft_key=draft.draft_key, title=f"{policy.title(draft.document)}: {draft.account_name}", text=draft.rendered_text,
        sha256=sha256_text(draft.rendered_text), steps=draft.structured.get("rendered_steps") or (), names=names,
    )  # fmt: skip


def planned_criteria(draft: Draft) -> list[dict[str, Any]]:
    """By what the plan will be judged, with the baselines of the draft's own facts; empty for a document that has no playbook."""
    from vim_pipelines.reasoning.playbooks import criteria_for, load_playbooks

    playbook = load_playbooks().get(draft.document)
    return [] if playbook is None else criteria_for(playbook, draft.facts, draft.as_of_date)


def task_marker(request_id: str) -> str:
    """The line in a Task's description by which a Task whose answer was lost is found again: Task has no external id of ours."""
    return f"Value-in-Motion {vim_key(request_id)}"


def capped(evidence: Sequence[Mapping[str, Any]], limit: int) -> list[dict[str, Any]]:
    """`evidence` with at most `limit` entries for each fact; an entry that serves several facts stays while one of them has room."""
    seen: Counter[str] = Counter()
    kept = []
    for entry in evidence:
        facts = entry.get("fact_ids") or [entry.get("fact_id") or entry.get("handle") or ""]
        if any(seen[str(fact)] < limit for fact in facts):
            seen.update(str(fact) for fact in facts)
            rows = entry.get("rows")
            kept.append({**entry, "rows": list(rows)[:limit]} if isinstance(rows, list) else dict(entry))
    return kept


def _amount(value: Any) -> Decimal | None:
    try:
        amount = None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() else None


def _text(value: Any) -> str | None:
    return str(value) if value is not None and value == value and str(value) else None
