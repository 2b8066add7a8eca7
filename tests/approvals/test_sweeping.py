"""Reminder at half of the time, the higher role at four fifths, an end that never approves; and a queue that stands still is told loudly."""

from __future__ import annotations

from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW, ask_and_approve, make_draft
from sqlalchemy import select

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import list_requests, request_approvals, show_request
from vim_pipelines.approvals.sweeping import stuck, sweep
from vim_pipelines.approvals.text import asked_role, list_lines
from vim_pipelines.settings import Settings
from vim_pipelines.store.models import ApprovalEvent, Delivery, Draft
from vim_pipelines.store.switches import turn

CEM = Actor("cem", "csm", "inbox")


@pytest.fixture
def pending(store, policy, signals):
    make_draft(store)
    [request_id] = request_approvals(store, policy, AS_OF, NOW, approval_hours=100, signals=signals).requested
    return request_id


def test_time_reminds_escalates_and_ends_each_once_and_never_approves(store, policy, pending):
    seen = []
    for hour in range(0, 120, 5):
        report = sweep(store, policy, NOW + timedelta(hours=hour))
        again = sweep(store, policy, NOW + timedelta(hours=hour))
        assert not any(again.metadata().values()), "a second sweep in the same hour does nothing"
        seen += [(hour, name) for name, number in report.metadata().items() if number]
    assert seen == [(50, "reminded"), (80, "escalated"), (100, "expired")]
    request = show_request(store, pending)
    assert request.state == "expired" and request.approved_sha256 is None
    with store.reading() as session:
        assert session.scalars(select(ApprovalEvent.action)).all() == ["request", "expire"]


def test_after_the_escalation_the_higher_role_is_shown_and_who_was_asked_may_still_decide(store, policy, pending):
    sweep(store, policy, NOW + timedelta(hours=85))
    [request] = list_requests(store)
    assert (request.approver_role, asked_role(request, policy)) == ("csm", "director") and list_lines([request], policy)[1].endswith("director")
    assert decide(store, pending, "approve", person=CEM, version=1, note=None, now=NOW + timedelta(hours=86), policy=policy).state == "approved"


def test_what_was_decided_is_neither_reminded_of_nor_ended(store, policy, pending):
    decide(store, pending, "approve", person=CEM, version=1, note=None, now=NOW, policy=policy)
    assert not any(sweep(store, policy, NOW + timedelta(hours=200)).metadata().values())


def waiting(store, now, **options):
    return stuck(store, Settings(portfolio="p.yaml", **({"write_mode": "live"} | options)), ["mail"], now)


def test_an_approval_that_nobody_carries_out_is_told_unless_writing_is_off_on_purpose(store):
    ask_and_approve(store)
    assert waiting(store, NOW + timedelta(minutes=59)) == []
    late = NOW + timedelta(minutes=61)
    assert waiting(store, late) == ["1 approved requests are not carried out, the oldest since 2026-06-29 06:00 UTC"]
    assert waiting(store, late, drain_minutes=120) == [] and waiting(store, late, write_mode="off") == []
    turn(store, "write_back", on=False, actor="dora", role="director", note="the CRM moves", now=NOW)
    assert waiting(store, late) == []


def test_a_message_and_an_edit_that_wait_too_long_are_told(store):
    late = NOW + timedelta(hours=2)
    make_draft(store, status="checking")
    with store.session() as session:
        session.scalar(select(Draft)).created_at = NOW
        for number, (channel, state) in enumerate((("mail", "unknown"), ("slack", "planned"), ("mail", "sent"), ("any", "planned"))):
            session.add(
                Delivery(
                    delivery_id=f"m{number}", delivery_key=f"k{number}", channel=channel, recipient="dora", kind="ask", state=state, attempts=1, created_at=NOW, updated_at=NOW
                )
            )  # fmt: skip
    assert waiting(store, late) == [
        "1 messages are not sent, the oldest since 2026-06-29 06:00 UTC",
        "1 edited texts wait for a judge, the oldest since 2026-06-29 06:00 UTC",
    ]
