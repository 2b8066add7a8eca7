"""Disputing a fact from the page of a request, and the lease of whoever is reading it: neither opens the warehouse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW, make_draft

from vim_pipelines.approvals.disputing import dispute_fact, open_request
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.overrides import read_overrides

CEM, DORA = Actor("cem", "csm", "inbox", ("smb",)), Actor("dora", "director", "slack")


@pytest.fixture
def pending(store, policy):
    make_draft(store)
    signals = {"ACC-1": {"arr_amount": 60_000, "currency": "USD", "risk_band": "green", "segment": "smb"}}
    [request_id] = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, signals=signals).requested
    return request_id


@pytest.mark.parametrize("fact", ["unused_seats", "F12"])
def test_a_disputed_fact_is_on_record_and_holds_the_question(store, policy, pending, fact):
    word, held = dispute_fact(store, pending, fact, "90", person=CEM, note="half are test users", now=NOW, policy=policy)
    assert (word["fact"], word["value"], word["seen_on"], word["actor"], held) == ("unused_seats", "90", AS_OF, "cem", [pending])
    assert show_request(store, pending).state == "superseded"
    assert [row["override_id"] for row in read_overrides(store, "ACC-1")] == [word["override_id"]]


@pytest.mark.parametrize(
    ("fact", "person", "note", "code"),
    [
        ("unused_seat", CEM, "why", "VIM-E047.*unused_seats"),
        ("unused_seats", CEM, " ", "VIM-E045"),
        ("unused_seats", Actor("eva", "csm", "inbox", ("enterprise",)), "why", "VIM-E043"),
        ("unused_seats", Actor("sys", "nobody", "inbox"), "why", "VIM-E043"),
    ],
)
def test_a_dispute_that_may_not_be_said_changes_nothing(store, policy, pending, fact, person, note, code):
    with pytest.raises(VimError, match=code):
        dispute_fact(store, pending, fact, None, person=person, note=note, now=NOW, policy=policy)
    assert show_request(store, pending).state == "pending" and read_overrides(store) == []


def test_the_lease_of_whoever_reads_a_question_ends_by_itself(store, policy, pending):
    assert open_request(store, pending, CEM, NOW) == NOW + timedelta(minutes=15)
    assert open_request(store, pending, DORA, NOW + timedelta(minutes=5)) is None
    assert open_request(store, pending, CEM, NOW + timedelta(minutes=5), minutes=30) == NOW + timedelta(minutes=35)
    assert open_request(store, pending, DORA, NOW + timedelta(minutes=36)) is not None
    assert show_request(store, pending).opened_by == "dora"
