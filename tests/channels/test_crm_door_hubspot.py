"""HubSpot as a door: the history of the property says who answered, and what came over the API is nobody's answer."""

from __future__ import annotations

import httpx
import pytest
from approval_drafts import AS_OF, NOW, make_draft
from stores import settings_for
from test_crm_door import OPTIONS, TEXT, read, told

from vim_pipelines.approvals.channels.crm import connect
from vim_pipelines.approvals.channels.crm_hubspot import HubSpotChannel
from vim_pipelines.approvals.deliveries import deliver
from vim_pipelines.approvals.people import add_person
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.core.markup import text_of
from vim_pipelines.sandbox.emulators.run import start_emulators

FIELDS = ["hs_task_subject", "hs_task_body", "hs_task_status", "hubspot_owner_id", "vim_decision", "vim_decision_note"]
DORA, STRANGER = 7001, 7009


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with start_emulators(tmp_path_factory.mktemp("hubspot"), ("hubspot",)) as running:
        yield running


@pytest.fixture
def channel(account, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    found = connect(settings_for(url, tmp_path, write_mode="live", write_target="hubspot", crm_decisions=True, **account.credentials), OPTIONS)
    assert isinstance(found, HubSpotChannel)
    there = {item["name"] for item in found.hubspot.describe("tasks")}
    wanted = [name for name in ("vim_decision", "vim_decision_note") if name not in there]
    if wanted:
        found.hubspot.create_property_group("tasks", {"name": "vim", "label": "Value-in-Motion", "displayOrder": -1})
        found.hubspot.create_properties("tasks", [{"name": name, "label": name, "type": "string", "fieldType": "text", "groupName": "vim"} for name in wanted])
    monkeypatch.setattr(found.hubspot, "owners", lambda: iter([{"id": "501", "userId": DORA}]))
    yield found
    found.close()


@pytest.fixture
def request_id(store, channel):
    add_person(store, load_policy(), "dora", name="Dora", role="director", crm_user_id=str(DORA), by="test", now=NOW)
    draft_id = make_draft(store, account="ACC-1", text=TEXT)
    signals = {"ACC-1": {"arr_amount": 60000, "currency": "USD", "risk_band": "green", "csm_email": "ada@vendor.example"}}
    return request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72, draft_ids=[draft_id], signals=signals).requested[0]


def edit(account, task_id, user, **properties):
    body = {"object_type": "tasks", "record_id": task_id, "properties": properties, "user": user}
    httpx.post(f"{account.url('hubspot')}/_sandbox/edit", json=body, trust_env=False).raise_for_status()


def task_of(channel, task_id):
    return channel.hubspot.get("tasks", task_id, FIELDS)["properties"]


def test_the_task_asks_without_the_text_and_an_answer_decides_once(store, channel, account, request_id):
    task_id = told(store, channel, channel._settings, request_id)
    task = task_of(channel, task_id)
    assert task["hubspot_owner_id"] == "501" and f"VIM-DECIDE {request_id}:1:" in text_of(task["hs_task_body"]) and "unused" not in str(task)
    assert read(store, channel).decided == []
    edit(account, task_id, DORA, vim_decision="reject", vim_decision_note="wrong customer")
    edit(account, task_id, STRANGER, hs_task_priority="HIGH")  # whoever touches the task later did not answer
    assert read(store, channel).decided == [f"{request_id}: reject by dora"]
    assert (show_request(store, request_id).state, show_request(store, request_id).decided_channel) == ("rejected", "crm")
    assert read(store, channel).metadata()["crm_decided"] == 0
    deliver(store, [channel], settings=channel._settings, now=NOW)
    assert task_of(channel, task_id)["hs_task_status"] == "COMPLETED"


@pytest.mark.parametrize("who", ["stranger", "api", "api after dora", "api, then dora touches another field"])
def test_what_no_known_user_typed_is_refused_and_decides_nothing(store, channel, account, request_id, who):
    task_id = told(store, channel, channel._settings, request_id)
    if who == "stranger":
        edit(account, task_id, STRANGER, vim_decision="approve")
    if who == "api after dora":
        edit(account, task_id, DORA, vim_decision="reject")
    if who.startswith("api"):
        channel.hubspot.update("tasks", task_id, {"vim_decision": "approve"})
    if who.endswith("another field"):
        edit(account, task_id, DORA, hs_task_priority="HIGH")
    assert "VIM-E155" in read(store, channel).refused[0]
    assert show_request(store, request_id).state == "pending"
    task = task_of(channel, task_id)
    assert text_of(task["hs_task_body"]).startswith("Refused: ") and not task["vim_decision"]


def test_planhat_is_no_door_and_hubspot_must_be_named(channel):
    for target in ("planhat", "auto"):
        assert connect(channel._settings.model_copy(update={"write_target": target})) is None
