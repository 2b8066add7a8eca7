"""A small house for the tests of the inbox: people, requests in the store, and a browser without a screen (httpx on the ASGI application)."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from starlette.testclient import TestClient

from vim_pipelines.approvals.people import add_person
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.approvals.queue import request_approvals
from vim_pipelines.core.hashing import sha256_json, sha256_text
from vim_pipelines.store.models import Draft

AS_OF, NOW = date(2026, 6, 28), datetime(2026, 6, 29, 6, 0)
PASSWORD = "seven small otters"
WEEKS = [40, 41, None, 44, 50, 52, 49, 55, 58, 60]
FACTS = [
    {"handle": "F06", "metric": "arr_amount", "label": "Annual recurring revenue", "shown": "$60,000", "status": "ok", "window": "today", "unit": "money",
     "source_table": "marts.fct_account_signals", "source_key": "ACC-1"},
    {"handle": "F12", "metric": "unused_seats", "label": "Unused seats", "shown": "150 seats", "status": "ok", "window": "last four weeks", "unit": "seats",
     "source_table": "marts.fct_account_signals", "source_key": "ACC-1"},
    {"handle": "F10", "metric": "seats", "label": "Seats under contract", "shown": "200 seats", "status": "ok", "window": "today", "unit": "seats",
     "source_table": "marts.fct_account_signals", "source_key": "ACC-1"},
]  # fmt: skip
EVIDENCE = [
    {"fact_ids": ["F12", "F10"], "rows": [{"user_key": f"u{number}", "last_seen": "2026-03-01"} for number in range(3)], "source_table": "base.int_seats"}
]


def signals(**changes):
    return {
        "arr_amount": Decimal("60000"), "currency": "USD", "risk_band": "green", "segment": "mid_market", "csm_name": "Ada Moss", "csm_email": "ada@vendor.example",
        "lean_risk": 22.0, "next_opt_out_date": date(2026, 9, 1), "next_renewal_date": date(2026, 10, 1), "weekly_active": WEEKS,
    } | changes  # fmt: skip


def ask_about(
    store,
    account="ACC-1",
    *,
    name=None,
    document="license_optimization_plan",
    text="# Plan\n\n150 of 200 seats are unused.\n",
    version=1,
    audience="internal",
    now=NOW,
    **changes,
):
    """One draft and its request; returns the request's id."""
    draft_id = f"draft-{account}-{document}-{version}"
    with store.session() as session:
        session.add(
            Draft(
                draft_id=draft_id, account_key=account, account_name=name or f"Customer {account}", document=document, audience=audience, as_of_date=AS_OF,
                version=version, draft_key=sha256_text(f"{account}{document}{version}"), facts=FACTS, facts_sha256=sha256_json(FACTS), evidence=EVIDENCE,
                structured={}, rendered_text=text, rendered_sha256=sha256_text(text), status="written", gate_findings=[], written_by="offline", model=None,
                prompt_sha256="0" * 64, cost_usd=None, feedback=None, created_at=now,
            )
        )  # fmt: skip
    report = request_approvals(store, load_policy(), AS_OF, now, approval_hours=72, draft_ids=[draft_id], signals={account: signals(**changes)})
    (request_id,) = report.requested
    return request_id


def add_people(store):
    """ada: CSM; dora: director; sam: CSM for the segment 'enterprise' only."""
    policy = load_policy()
    for login, role, segments in (("ada", "csm", ()), ("dora", "director", ()), ("sam", "csm", ("enterprise",))):
        add_person(
            store,
            policy,
            login,
            name=f"{login.title()} Moss",
            role=role,
            segments=segments,
            email=f"{login}@vendor.example",
            password=PASSWORD,
            by="test",
            now=NOW,
        )


class Browser:
    """One person's browser: keeps cookies, fills forms with the token that the page holds."""

    def __init__(self, app, *, base="http://localhost", client=("127.0.0.1", 50000)):
        self.http = TestClient(app, base_url=base, client=client, follow_redirects=False, raise_server_exceptions=False)

    def get(self, path, **options):
        return self.http.get(path, **options)

    def token(self, path):
        return re.search(r'name="csrf" value="([0-9a-f]+)"', self.get(path).text)[1]

    def post(self, path, fields, *, token_from="/help", headers=None, **options):
        return self.http.post(path, data={"csrf": self.token(token_from)} | fields, headers=headers, **options)

    def log_in(self, login, password=PASSWORD, *, target="/"):
        return self.post("/login", {"login": login, "password": password, "next": target}, token_from="/login")

    def decide(self, request_id, decision, *, version=1, note=""):
        return self.post(f"/requests/{request_id}/decide", {"decision": decision, "version": str(version), "note": note})
