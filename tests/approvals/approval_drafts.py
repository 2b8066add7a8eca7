"""Drafts as a night leaves them in the store, for the tests of approvals and of write-back."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.core.hashing import sha256_json, sha256_text
from vim_pipelines.store.models import Draft

AS_OF = date(2026, 6, 28)
NOW = datetime(2026, 6, 29, 6, 0)


def make_draft(
    store,
    *,
    account="ACC-1",
    document="license_optimization_plan",
    version=1,
    facts="facts-1",
    text="150 of 200 seats are unused.",
    status="written",
    as_of=AS_OF,
    feedback=None,
):
    """Write one draft into the store, as the night does; returns its id."""
    rows = [{"handle": "F12", "metric": "unused_seats", "scope": "account", "status": "ok", "value_number": "150", "shown": "150 seats"}]
    evidence = [{"fact_ids": ["F12"], "user_key": f"u{number}"} for number in range(60)]
    key = sha256_text(f"{account}{document}{facts}")
    draft_id = f"draft-{account}-{document}-{version}"
    with store.session() as session:
        session.add(
            Draft(
                draft_id=draft_id,
                account_key=account,
                account_name=f"Customer {account}",
                document=document,
                audience="internal",
                as_of_date=as_of,
                version=version,
                draft_key=key,
                facts=rows,
                facts_sha256=sha256_json(rows),
                evidence=evidence,
                structured={},
                rendered_text=text,
                rendered_sha256=sha256_text(text),
                status=status,
                gate_findings=[],
                written_by="offline",
                model=None,
                prompt_sha256="0" * 64,
                cost_usd=None,
                feedback=feedback,
                created_at=NOW + timedelta(seconds=version),
            )
        )
    return draft_id


def ask_and_approve(store, account="ACC-1", *, actor="dora", document="license_optimization_plan", version=1, text="150 of 200 seats are unused."):
    """A draft, its request and its approval by a director; returns the request's id."""
    draft_id = make_draft(store, account=account, document=document, version=version, facts=f"facts-{version}", text=text)
    signals = {account: {"arr_amount": 60000, "currency": "USD", "risk_band": "green", "csm_email": "ada@vendor.example"}}
    report = request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72, draft_ids=[draft_id], signals=signals)
    (request_id,) = report.requested
    request = show_request(store, request_id)
    decide(store, request_id, "approve", person=Actor(actor, "director", "cli"), version=request.version, note=None, now=NOW, policy=load_policy())
    return request_id
