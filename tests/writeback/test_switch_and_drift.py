"""The switch that a person turns at any moment, and what the night finds that no longer holds in the CRM."""

from __future__ import annotations

from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW, ask_and_approve
from orgs import ORGS
from sqlalchemy import select

from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import OutboxEntry
from vim_pipelines.store.switches import WRITE_BACK, turn
from vim_pipelines.writeback.apply import reconcile, undo, write_back
from vim_pipelines.writeback.mirror import mirror_fields, revoke_standing_approval, sign_standing_approval, write_mirror
from vim_pipelines.writeback.text import find_writes, outbox_lines, write_lines


@pytest.fixture(params=ORGS)
def org(crms, request):
    """Each CRM in turn."""
    return crms[request.param]


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path / 'operations.db'}"


def off(store, on=False):
    turn(store, WRITE_BACK, on=on, actor="dora", role="director", note="wrong texts", now=NOW)


def fields(band="red"):
    return mirror_fields({"risk_band": band, "lean_risk": 71.5, "waste_annual": 43500, "money_status": "ok"}, {"phase": 4, "phase_name": "Value"}, NOW)


def mirror(store, crm, settings, *accounts, band="red"):
    return write_mirror(store, crm, {account: fields(band) for account in accounts}, load_policy(), as_of=AS_OF, settings=settings, now=NOW)


def test_switched_off_nothing_is_claimed_sent_or_undone(store, crm, settings, approved, account, org, now) -> None:
    done = ask_and_approve(store, account, document="risk_mitigation_plan")
    write_back(store, crm, done, settings=settings, now=now)
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target=org.name)
    off(store)
    before = len(org.writes())
    for attempt in (
        lambda: write_back(store, crm, approved, settings=settings, now=now),
        lambda: undo(store, crm, done, settings=settings, now=now),
        lambda: mirror(store, crm, settings, account),
    ):
        with pytest.raises(VimError, match="VIM-E113.*dora.*wrong texts"):
            attempt()
    assert len(org.writes()) == before
    assert (show_request(store, approved).state, show_request(store, approved).attempt) == ("approved", 0)
    assert show_request(store, done).state == "verified"


@pytest.mark.parametrize("step", ["planned", "read:crm_note", "sent:crm_note", "read:crm_task", "created:crm_task"])
def test_switched_off_in_the_middle_the_next_send_does_not_happen(store, crm, client, settings, approved, account, org, now, step) -> None:
    """A person who sees a wrong text in the CRM must not have to wait for the run to end."""
    seen: list[int] = []

    def somebody(passed: str) -> None:
        if passed == step:
            off(store)
            seen.append(len(org.writes()))

    with pytest.raises(VimError, match="VIM-E113"):
        write_back(store, crm, approved, settings=settings, now=now, checkpoint=somebody)
    assert len(org.writes()) == seen[0], "something was sent after the switch was turned"
    assert show_request(store, approved).state == "approved"
    assert [line for line in reconcile(store, crm, settings=settings, now=now + timedelta(hours=2), take_up_forgotten=True).resting if "VIM-E113" in line]
    off(store, on=True)
    assert write_back(store, crm, approved, settings=settings, now=now).state == "verified"
    assert len(org.notes(client, account)) == len(org.tasks(client, account)) == 1


def test_a_signature_that_is_taken_back_stops_the_mirror_before_its_next_request(store, crm, client, settings, org, monkeypatch) -> None:
    accounts = sorted(org.new_account(client) for _ in range(4))
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target=org.name)
    monkeypatch.setattr(type(crm), "mirror_batch", 2)
    update = crm.update_many
    monkeypatch.setattr(crm, "update_many", lambda rows: (update(rows), revoke_standing_approval(store, now=NOW, target=org.name))[0])
    with pytest.raises(VimError, match="VIM-E044"):
        mirror(store, crm, settings, *accounts)
    assert ["red" in org.mirror(client, key).values() for key in accounts] == [True, True, False, False]


def test_an_approved_request_that_no_run_took_up_is_not_forgotten(store, crm, settings, approved, now) -> None:
    """Dagster dropped the run key of a run that met write-back off: nobody would ever have sent this one."""
    assert reconcile(store, crm, settings=settings, now=now + timedelta(minutes=59), take_up_forgotten=True).finished == ()
    assert reconcile(store, crm, settings=settings, now=now + timedelta(minutes=61)).finished == ()
    (finished,) = reconcile(store, crm, settings=settings, now=now + timedelta(minutes=61), take_up_forgotten=True).finished
    assert (finished.request_id, finished.state) == (approved, "verified")


def test_drift_of_content_is_reported_and_never_overwritten(store, crm, client, settings, account, org, now) -> None:
    changed, gone, whole = (ask_and_approve(store, account, document=name) for name in ("plan_a", "plan_b", "plan_c"))
    for request_id in (changed, gone, whole):
        write_back(store, crm, request_id, settings=settings, now=now)
    quiet = reconcile(store, crm, settings=settings, now=now, look_for_drift=True).drift
    assert (quiet.content_checked, quiet.content, quiet.stopped_by) == (6, (), "")
    notes = {request_id: next(note for note in org.notes(client, account) if f"VIM-{request_id}" in note["text"]) for request_id in (changed, gone)}
    org.edit_note(client, notes[changed]["id"], "Shorter, by hand.")
    org.remove_note(client, notes[gone]["id"])
    for task in org.tasks(client, account):
        org.finish_task(client, task["id"])  # work on a task is no drift
    before = len(org.writes())
    report = reconcile(store, crm, settings=settings, now=now, look_for_drift=True)
    assert len(org.writes()) == before
    lines = {line.split()[0]: line for line in report.drift.content}
    assert set(lines) == {changed, gone} and "Shorter, by hand." in lines[changed] and "gone" in lines[gone]
    assert report.metadata()["drift_content"] == 2
    assert "Shorter, by hand." in "\n".join(outbox_lines(store, ["verified"]))
    assert "Shorter, by hand." in "\n".join(line for entry in find_writes(store, changed) for line in write_lines(entry))
    with pytest.raises(VimError, match="VIM-E040"):
        find_writes(store, "req-nothing-of-that")


def test_drift_of_the_mirror_is_repaired_by_the_next_mirror(store, crm, client, settings, org, now) -> None:
    ours, other = sorted(org.new_account(client) for _ in range(2))
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target=org.name)
    mirror(store, crm, settings, ours, other)
    org.set_mirror(client, ours, "green")
    report = reconcile(store, crm, settings=settings, now=now, look_for_drift=True)
    assert (report.drift.mirror_checked, len(report.drift.mirror)) == (2, 1) and ours in report.drift.mirror[0]
    assert "next mirror run" in "\n".join(report.lines())
    assert mirror(store, crm, settings, ours, other).written == 1
    assert "red" in org.mirror(client, ours).values()
    again = reconcile(store, crm, settings=settings, now=now, look_for_drift=True)
    assert again.drift.mirror == ()
    with store.session() as session:
        assert not [error for error in session.scalars(select(OutboxEntry.error).where(OutboxEntry.state == "verified")) if error]


def test_a_crm_that_stops_answering_ends_the_look_and_not_the_run(store, crm, settings, approved, org, now) -> None:
    write_back(store, crm, approved, settings=settings, now=now)
    org.fault(path="", status=503, times=50)
    report = reconcile(store, crm, settings=settings, now=now, look_for_drift=True)
    assert report.drift.content == () and "VIM-E013" in report.drift.stopped_by
