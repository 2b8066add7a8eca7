"""The request for missing anchors: which handoff fields somebody must answer, in a text that can be sent as it stands.

Written by code from the audit's findings, so that every value and every quote in it is the record's own. To the account executive for as
many rounds as the matrix allows, then to the director.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vim_pipelines.lifecycle.handoff import FieldFinding

_HEADINGS = (("missing", "Not in the handoff"), ("conflicting", "The sources say different things; which is right?"), ("invalid", "The CRM contradicts itself"))


@dataclass(frozen=True)
class AnchorRequest:
    """One request. `round` counts from 1; `role` is account_executive or director; `fields` are the ids asked for."""

    round: int
    is_escalated: bool
    role: str
    name: str | None
    email: str | None
    subject: str
    text: str
    fields: tuple[str, ...]


def anchor_request(account: Mapping[str, Any], open_fields: Sequence[FieldFinding], rounds: int, max_rounds: int) -> AnchorRequest | None:
    """The next request of an account, or None if nothing is open.

    `account`: account_name, owner_name, owner_email, director_email, csm_name. `rounds`: requests sent before. The director is asked once
    the account executive was asked `max_rounds` times.
    """
    if not open_fields:
        return None
    is_escalated = rounds >= max_rounds
    role = "director" if is_escalated else "account_executive"
    name, email = (None, account.get("director_email")) if is_escalated else (account.get("owner_name"), account.get("owner_email"))
    customer = account.get("account_name") or account["account_key"]
    labels = ", ".join(finding.field.label for finding in open_fields)
    subject = f"Handoff of {customer}: {labels}" if not is_escalated else f"Escalation: handoff of {customer} is incomplete after {rounds} requests"
    opening = (
        f"the account executive{' ' + account['owner_name'] if account.get('owner_name') else ''} was asked {rounds} times, and the handoff of {customer} is still not complete."
        if is_escalated
        else f"to take over {customer} we need answers to the points below{f' (request {rounds + 1} of {max_rounds})' if rounds else ''}."
    )
    parts = [f"Hello{' ' + name.split()[0] if name else ''},", "", opening[:1].upper() + opening[1:]]
    for status, heading in _HEADINGS:
        found = [finding for finding in open_fields if finding.status == status]
        if found:
            parts += ["", f"{heading}:", *(_line(finding) for finding in found)]
    parts += [
        "",
        "Please answer in the CRM or in the handoff document; a point that does not apply can be waived by name.",
        "",
        str(account.get("csm_name") or "Customer Success"),
    ]
    return AnchorRequest(rounds + 1, is_escalated, role, name, email, subject, "\n".join(parts), tuple(finding.field.field_id for finding in open_fields))


def _line(finding: FieldFinding) -> str:
    quote = " ".join((finding.quote or "").split())
    said = f' The {str(finding.document_kind).replace("_", " ")} {finding.document_key} reads: "{quote}".' if quote else ""
    if finding.status == "missing":
        return f"- {finding.field.label}.{said}"
    return f"- {finding.field.label}: {finding.reason}.{said}"
