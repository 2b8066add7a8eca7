"""The CRM as a door: a task asks, its fields answer, and whoever the CRM says changed it last is the one who decided."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from approval_drafts import AS_OF, NOW, make_draft
from stores import settings_for

from vim_pipelines.approvals.channels.crm import CrmChannel, connect, task_fields
from vim_pipelines.approvals.crm_door import read_decisions
from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.deliveries import deliver, plan
from vim_pipelines.approvals.people import add_person
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.sandbox.emulators.run import start_emulators
from vim_pipelines.store.models import Delivery
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions

OPTIONS = TransportOptions(
    timeout_seconds=5, retry=RetryPolicy(attempts=2, base_seconds=0.0), limiter=Limiter(1000, 1000), sleep=lambda _: None, rng=random.Random(1)
)
DORA, CARL, STRANGER = "005VM0000000001AAA", "005VM0000000002AAA", "005VM0000000009AAA"
TEXT = "150 of 200 seats are unused: a secret until it is approved."
FIELDS = ["Subject", "Description", "Status", "OwnerId", "WhatId", "ActivityDate", "VIM_Decision__c", "VIM_Decision_Note__c"]


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    """An org whose admin has deployed the fields of the door."""
    folder: Path = tmp_path_factory.mktemp("org")
    with start_emulators(folder, ("salesforce",)) as running:
        for name in ("VIM_Decision__c", "VIM_Decision_Note__c", "LastModifiedById"):
            body = {"object": "Task", "field": name, "change": "add", "value": None}
            httpx.post(f"{running.url('salesforce')}/_sandbox/schema", json=body, trust_env=False).raise_for_status()
        yield running


@pytest.fixture
def settings(org, tmp_path):
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    return settings_for(url, tmp_path, write_mode="live", crm_decisions=True, **org.credentials)


@pytest.fixture
def channel(settings):
    found = connect(settings, OPTIONS)
    assert found is not None
    yield found
    found.close()


@pytest.fixture
def people(store):
    for login, role, user in (("dora", "director", DORA), ("carl", "csm", CARL)):
        add_person(store, load_policy(), login, name=login.title(), role=role, crm_user_id=user, by="test", now=NOW)


@pytest.fixture
def request_id(store, people, channel):
    account = channel.client.create("Account", {"Name": "Customer under test"})
    draft_id = make_draft(store, account=account, text=TEXT)
    signals = {account: {"arr_amount": 60000, "currency": "USD", "risk_band": "green", "csm_email": "ada@vendor.example"}}
    return request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72, draft_ids=[draft_id], signals=signals).requested[0]


def told(store, channel, settings, request_id, login="dora", now=NOW):
    """The tasks are made; the one of `login`."""
    plan(store, [channel], policy=load_policy(), now=now)
    deliver(store, [channel], settings=settings, now=now)
    with store.session() as session:
        row = session.query(Delivery).filter_by(request_id=request_id, recipient=login).one()
        assert row.state == "sent", row.error
        return row.reference["task_id"]


def answer(channel, task_id, user, decision, note=None, **more):
    """A person fills in the fields: the CRM notes who."""
    channel.client.update("Task", task_id, {"VIM_Decision__c": decision, "VIM_Decision_Note__c": note, "LastModifiedById": user, **more})


def read(store, channel, now=NOW):
    return read_decisions(store, channel, policy=load_policy(), now=now)


def task_of(channel, task_id):
    return channel.client.get("Task", task_id, FIELDS)


def test_the_task_asks_without_the_text(store, channel, settings, request_id):
    task = task_of(channel, told(store, channel, settings, request_id))
    request = show_request(store, request_id)
    assert task["OwnerId"] == DORA
    assert task["WhatId"] == request.account_key
    assert task["ActivityDate"] == f"{request.expires_at:%Y-%m-%d}"
    assert f"VIM-DECIDE {request_id}:{request.version}:{request.payload_sha256}" in task["Description"]
    assert f"/requests/{request_id}" in task["Description"]
    assert "seats" not in f"{task['Description']}{task['Subject']}"


def test_an_answer_decides_once_under_the_name_of_who_gave_it(store, channel, settings, request_id):
    task_id = told(store, channel, settings, request_id)
    assert read(store, channel).decided == []
    answer(channel, task_id, DORA, "approve")
    assert read(store, channel).decided == [f"{request_id}: approve by dora"]
    request = show_request(store, request_id)
    assert (request.state, request.decided_by, request.decided_channel) == ("approved", "dora", "crm")
    assert read(store, channel).metadata() == {"crm_decided": 0, "crm_refused": 0, "crm_problems": []}
    deliver(store, [channel], settings=settings, now=NOW + timedelta(minutes=10))
    assert task_of(channel, task_id)["Status"] == "Completed"


def test_a_process_that_dies_after_the_decision_is_no_refusal(store, channel, settings, request_id, monkeypatch):
    task_id = told(store, channel, settings, request_id)
    answer(channel, task_id, DORA, "reject", "wrong customer")
    with monkeypatch.context() as patch:
        patch.setattr("vim_pipelines.approvals.crm_door._answer", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            read(store, channel)
    assert show_request(store, request_id).state == "rejected"
    report = read(store, channel)
    assert (report.decided, report.refused) == ([f"{request_id}: reject by dora"], [])
    assert len([event for event in show_request(store, request_id).events if event.action == "reject"]) == 1


@pytest.mark.parametrize(
    ("user", "decision", "note", "change", "reason"),
    [
        (STRANGER, "approve", None, None, "VIM-E155"),
        (None, "approve", None, None, "VIM-E155"),
        ("' OR Name != '", "approve", None, None, "VIM-E155"),
        (CARL, "approve", None, None, "VIM-E043"),  # a CSM answers in the Director's task: his own role counts
        (DORA, "reject", None, None, "VIM-E045"),
        (DORA, "yes", None, None, "VIM-E155"),
        (DORA, "approve", None, "other request", "VIM-E155"),
        (DORA, "approve", None, "other version", "VIM-E041"),
        (DORA, "approve", None, "second line", "VIM-E155"),
        (DORA, "approve", None, "no line", "VIM-E155"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_the_task_and_decides_nothing(store, channel, settings, request_id, user, decision, note, change, reason):
    with store.session() as session:  # only a Director may decide
        from vim_pipelines.store.models import ApprovalRequest

        session.get_one(ApprovalRequest, request_id).approver_role = "director"
    task_id = told(store, channel, settings, request_id)
    text = task_of(channel, task_id)["Description"]
    request = show_request(store, request_id)
    changed = {
        None: text,
        "other request": text.replace(request_id, "req-0123456789ab"),
        "other version": text.replace(f":{request.version}:", ":7:"),
        "second line": text + "\n" + text.splitlines()[-1],
        "no line": "I deleted that",
    }[change]
    answer(channel, task_id, user, decision, note, Description=changed)
    report = read(store, channel)
    assert report.decided == []
    assert reason in report.refused[0]
    assert show_request(store, request_id).state == "pending"
    task = task_of(channel, task_id)
    assert task["Description"].startswith("Refused: ")
    assert task["VIM_Decision__c"] is None
    assert read(store, channel).refused == []


def test_an_answer_to_a_text_that_was_replaced_is_refused(store, channel, settings, request_id):
    task_id = told(store, channel, settings, request_id)
    decide(store, request_id, "dismiss", person=Actor("carl", "director", "inbox"), version=1, note="no", now=NOW, policy=load_policy())
    answer(channel, task_id, DORA, "approve")
    assert "VIM-E042" in read(store, channel).refused[0]
    assert show_request(store, request_id).state == "dismissed"


def test_a_task_that_we_did_not_make_is_not_read(store, channel, settings, request_id):
    task = channel.client.get("Task", told(store, channel, settings, request_id), ["Description", "WhatId"])
    forged = channel.client.create("Task", {"WhatId": task["WhatId"], "Subject": "x", "Description": task["Description"]})
    answer(channel, forged, DORA, "approve")
    assert read(store, channel).metadata()["crm_decided"] == 0
    assert show_request(store, request_id).state == "pending"


def test_a_lost_answer_makes_no_second_task(store, channel, settings, request_id, org):
    fault = {"method": "POST", "path": "sobjects/Task$", "drop": "after"}
    httpx.post(f"{org.url('salesforce')}/_sandbox/faults", json=fault, trust_env=False).raise_for_status()
    plan(store, [channel], policy=load_policy(), now=NOW)
    for minutes in (0, 5, 10):
        deliver(store, [channel], settings=settings, now=NOW + timedelta(minutes=minutes))
    tasks = channel.client.find("Task", "WhatId", show_request(store, request_id).account_key, ["OwnerId"])
    assert sorted(task["OwnerId"] for task in tasks) == sorted({task["OwnerId"] for task in tasks})


def test_words_of_others_make_no_line_of_ours(store, channel, settings):
    from test_mail_channel import MESSAGE

    evil = "Acme\nVIM-DECIDE req-000000000000:1:" + "0" * 64 + " msg-1"
    from dataclasses import replace

    fields = task_fields(replace(MESSAGE, title=evil, summary=(("Account", f"{evil} (001)"), ("Risk", evil))), DORA)
    assert sum(line.startswith("VIM-DECIDE") for line in fields["Description"].splitlines()) == 1
    assert "\n" not in fields["Subject"]
    assert fields["WhatId"] == "001"


def test_the_door_is_shut_unless_it_is_opened(settings):
    assert connect(settings.model_copy(update={"crm_decisions": False})) is None
    assert connect(settings.model_copy(update={"write_mode": "off"})) is None
    assert connect(settings.model_copy(update={"write_target": "hubspot"})) is None
    real = CrmChannel(settings.model_copy(update={"salesforce_base_url": "https://acme.my.salesforce.com"}), OPTIONS)
    with pytest.raises(Exception, match="sandbox"):
        _ = real.client
