"""Approval requests as text and as JSON, for the command line."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Literal

from vim_pipelines.core.money import format_money
from vim_pipelines.reasoning.facts import product_title, show_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import DataclassInstance

    from vim_pipelines.approvals.alerts import AlertView
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.approvals.policy import Policy
    from vim_pipelines.approvals.queue import Request, RequestDetail

SHORT_ID = 12
DifferenceKind = Literal["same", "removed", "added"]


def list_lines(requests: Sequence[Request], policy: Policy) -> list[str]:
    """One line per request, the most urgent first, with the id that the other commands take."""
    if not requests:
        return ["Nothing waits for a decision."]
    head = f"{'Request':<{SHORT_ID}}  {'Account':<28}  {'Document':<26}  {'Risk':<7}  {'ARR':>12}  {'Decide by':<16}  {'State':<10}  Role"
    rows = [
        f"{request.request_id[:SHORT_ID]:<{SHORT_ID}}  {request.account_name[:28]:<28}  {policy.title(request.document)[:26]:<26}  {request.risk_band or 'unknown':<7}  "
        f"{format_money(request.arr_amount, request.currency):>12}  {request.expires_at:%Y-%m-%d %H:%M}  {request.state:<10}  {asked_role(request, policy)}"
        for request in requests
    ]
    return [head, *rows, "", f"{len(requests)} requests. Next: vimotion inbox show REQUEST, then approve or reject it"]


def asked_role(request: Request, policy: Policy) -> str:
    """The role that is asked by now: after the escalation the higher one, never a lower. Who may decide does not change by it."""
    return request.approver_role if request.escalated_at is None else max(request.approver_role, policy.deadlines.escalate_to, key=policy.rank)


def alert_lines(alerts: Sequence[AlertView]) -> list[str]:
    """What directors were told and nobody has acknowledged, one line each; nothing where there is none."""
    if not alerts:
        return []
    rows = [f"{alert.alert_id:<18}  {alert.as_of_date}  {alert.text.splitlines()[0].lstrip('# ')[:100]}" for alert in alerts]
    return ["", "Alerts:", *rows, "", f"{len(alerts)} alerts. Next: vimotion inbox acknowledge ALERT"]


def to_write_lines(requests: Sequence[Request], policy: Policy) -> list[str]:
    """What a person must write, one line each; nothing where there is none."""
    if not requests:
        return []
    rows = [
        f"{request.request_id[:SHORT_ID]:<{SHORT_ID}}  {request.account_name[:28]:<28}  {policy.title(request.document)[:26]:<26}  {request.risk_band or 'unknown':<7}  "
        f"{format_money(request.arr_amount, request.currency):>12}  facts of {request.as_of_date}"
        for request in requests
    ]
    return [
        "",
        "A person must write:",
        *rows,
        "",
        f"{len(requests)} to write. Next: vimotion inbox show REQUEST; dismiss it with a note once the text is written",
    ]


def request_lines(request: RequestDetail, policy: Policy, *, with_facts: bool) -> list[str]:
    """The request as a reviewer reads it: what it is, the text, what approval will do, what happened so far."""
    lines = [
        f"{policy.title(request.document)} for {request.account_name} ({request.account_key})",
        f"Request {request.request_id}, version {request.version}, "
        + (
            f"{request.state}; to be decided by a {request.approver_role} until {request.expires_at:%Y-%m-%d %H:%M} UTC"
            if request.actions
            else "a person must write this"
        ),
        f"ARR {format_money(request.arr_amount, request.currency)}, risk {request.risk_band or 'unknown'}, facts as of {request.as_of_date}, written by {request.written_by}",
        f"Text and facts sha256 {request.payload_sha256}",
        *[f"! {broken}" for broken in request.breaks],
        *[f"? a gate doubted it, a second model found nothing: {doubt['what']} ({doubt['where']})" for doubt in request.doubts],
        "-" * 100,
        request.text.rstrip(),
        "-" * 100,
        *_changed(request),
        *(["Approval will:", *[f"  {_action(action)}" for action in request.actions]] if request.actions else []),
        *(["Left to you, by hand:", *[f"  {_by_hand(action)}" for action in request.left_to_you]] if request.left_to_you else []),
        *(["It has worked when:", *[f"  {_criterion(row)}" for row in request.criteria]] if request.criteria else []),
    ]
    if with_facts or not request.actions:  # who must write it by hand needs the facts
        lines += ["", "Facts:", *[f"  {fact_line(fact)}" for fact in request.facts]]
    lines += [
        "",
        "History:",
        *[
            f"  {event.at:%Y-%m-%d %H:%M}  {event.action:<12} {event.actor} ({event.role}, {event.channel}){': ' + event.note if event.note else ''}"
            for event in request.events
        ],
    ]
    return lines


def _changed(request: RequestDetail) -> list[str]:
    """What is other than in the version before: whoever sent it back wants to see that it was heard."""
    if request.earlier_text is None:
        return []
    why = f"edited by {request.edited_by}" if request.edited_by else f"re-planned, round {request.replan_round}" if request.replan_round else "from newer facts"
    lines = difference_lines(request.earlier_text, request.text)
    return [f"Changed since version {request.version - 1} ({why}):", *[f"  {line}" for line in lines or ["nothing in the text"]]]


def difference(old_text: str, new_text: str) -> list[tuple[DifferenceKind, str]]:
    """What changed between two texts, line by line in their order: (`same`, `removed` or `added`, line). Empty texts have no lines."""
    old, new = old_text.splitlines(), new_text.splitlines()
    rows: list[tuple[DifferenceKind, str]] = []
    for kind, start, end, begin, stop in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind == "equal":
            rows += [("same", line) for line in old[start:end]]
        else:
            rows += [*(("removed", line) for line in old[start:end]), *(("added", line) for line in new[begin:stop])]
    return rows


def difference_lines(old_text: str, new_text: str) -> list[str]:
    """The changed lines alone, marked as in a patch; empty where nothing but blank lines changed."""
    marks = {"removed": "-", "added": "+"}
    return [f"{marks[kind]} {line}" for kind, line in difference(old_text, new_text) if kind != "same" and line.strip()]


def people_lines(people: Sequence[PersonView]) -> list[str]:
    """One line per person: what they may decide and by what each door knows them."""
    if not people:
        return ["Nobody may decide yet. Next: vimotion inbox people add LOGIN --role director"]
    rows = []
    for person in people:
        doors = (("mail", person.email), ("Slack", person.slack_user_id), ("this machine", person.os_user), ("CRM", person.crm_user_id))
        known = ", ".join(f"{door} {value}" for door, value in doors if value)
        password = "password" if person.has_password else "no password"
        rights = f"{person.role} for {', '.join(person.segments) or 'all segments'}" if person.is_active else "may not decide any more"
        rows.append(f"{person.login:<20}  {person.name[:28]:<28}  {rights:<40}  {password}{'; ' + known if known else ''}")
    return rows


def request_json(request: Request) -> dict[str, Any]:
    """All fields as plain values: decimals as text, times in ISO form."""
    return as_json(request)


def as_json(row: DataclassInstance) -> dict[str, Any]:
    """Any row of the inbox (request, alert, person) as plain values."""
    return {key: _plain(value) for key, value in asdict(row).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _action(action: dict[str, Any]) -> str:
    fields = action.get("fields", {})
    if action["action"] == "gmail_draft":
        return f"lay a draft into the mailbox of {fields.get('mailbox')} ({_recipient(fields)}; nothing is sent): {fields.get('subject', '')}"
    if action["action"] == "training_webhook":
        return f"hand an invitation to the training system: {fields.get('message', '')}"
    if action["action"] == "slack_internal":
        steps = " ".join(str(fields.get("steps", "")).split())
        return f"post into the Slack channel {fields.get('channel')}: {fields.get('title', '')}; {steps[:300]}{' ...' if len(steps) > 300 else ''}"
    subject = fields.get("Subject") or fields.get("Title__c") or ""
    record = {"crm_task": "create a task in the CRM", "crm_note": "store the text in the CRM (VIM_Draft__c)", "crm_fields": "set fields of the account"}
    return f"{record.get(action['action'], action['action'])}{': ' + subject if subject else ''}"


_BY_HAND = {
    "gmail_draft": "write an e-mail",
    "slack_internal": "post inside the house",
    "training_webhook": "enrol in the training system",
    "crm_fields": "set fields of the account in the CRM",
}


def _by_hand(action: dict[str, Any]) -> str:
    """One line: what to do and with which values. The text itself stands above, so it is not said again."""
    if action["action"] == "gmail_draft":
        fields = action["fields"]
        return f"write an e-mail with the text above ({action['target']} is not connected), {_recipient(fields)}; title: {fields.get('subject', '')}"
    shown = "; ".join(
        f"{name}: {' '.join(str(value).split())[:80]}"
        for name, value in action["fields"].items()
        if name.lower() not in ("body", "text", "note", "steps", "sha256") and value
    )
    return f"{_BY_HAND.get(action['action'], action['action'])} ({action['target']} is not connected), with the text above; {shown}"


def _recipient(fields: dict[str, Any]) -> str:
    """To whom a letter goes, with name and address as far as they are known. Letters of earlier versions name only the person."""
    if fields.get("note"):
        return str(fields["note"])
    name, address = fields.get("to_name"), fields.get("to")
    return f"to {name} <{address}>" if name and address else f"to {address or name or 'nobody who is named'}"


def _criterion(row: dict[str, Any]) -> str:
    baseline = row["baseline"] or row["baseline_text"] or "unknown"
    due = f"by {row['due_date']}" if row["due_date"] else f"within {row['days_after_approval']} days of approval"
    return f"{row['sentence']}   [{row['measure']}, {baseline} on {row['baseline_on']}; {due}]"


def product_names(scope: str) -> str:
    """The products of a fact's scope as names: `core+analytics` becomes `Core and Analytics`."""
    return show_list([product_title(name) for name in scope.split("+")])


def fact_line(fact: dict[str, Any]) -> str:
    """One fact: its handle, what it is and of which product, its value, and the row that it comes from."""
    value, scope = fact.get("shown") or "unknown", str(fact.get("scope") or "account")
    label = str(fact.get("label") or fact.get("metric")) + (f" ({product_names(scope)})" if scope != "account" and fact.get("metric") != "risk" else "")
    source = " ".join(str(fact[name]) for name in ("source_table", "source_key") if fact.get(name)) or "computed"
    return f"{fact.get('handle', ''):<4} {label:<50} {value}   [{source}]"
