"""What holds for every CRM that can be written to: once, with a signature, readable again, and back on request."""

from __future__ import annotations

from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW, ask_and_approve
from orgs import OPTIONS, ORGS
from sqlalchemy import select
from stores import settings_for

from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import OutboxEntry
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.apply import reconcile, undo, write_back
from vim_pipelines.writeback.mirror import mirror_fields, sign_standing_approval, write_mirror

DORA = Actor("dora", "director", "cli")


@pytest.fixture(params=ORGS)
def org(crms, request):
    """Each CRM in turn."""
    return crms[request.param]


@pytest.fixture
def store_url(tmp_path):
    """SQLite only: what differs between stores is tried on both in test_apply and test_kill."""
    return f"sqlite:///{tmp_path / 'operations.db'}"


def fields(band="red", now=NOW):
    return mirror_fields({"risk_band": band, "lean_risk": 71.5, "waste_annual": 43500, "money_status": "ok"}, {"phase": 4, "phase_name": "Value"}, now)


def test_an_approval_becomes_one_note_and_one_task(store, crm, client, settings, approved, account, org, now) -> None:
    report = write_back(store, crm, approved, settings=settings, now=now)
    assert (report.state, [entry.state for entry in report.entries]) == ("verified", ["verified", "verified"])
    (note,), (task,) = org.notes(client, account), org.tasks(client, account)
    assert "150 of 200 seats are unused." in note["text"] and f"VIM-{approved}" in note["text"]
    assert task["subject"].startswith("License Optimization Plan") and task["due"] == "2026-07-12"
    with store.session() as session:
        entries = session.scalars(select(OutboxEntry).where(OutboxEntry.request_id == approved)).all()
    assert {entry.target for entry in entries} == {org.name}
    assert {entry.record_id for entry in entries} == {note["id"], task["id"]}
    before = len(org.writes())
    assert write_back(store, crm, approved, settings=settings, now=now).state == "verified"
    assert len(org.writes()) == before


def test_a_dry_run_and_off_send_nothing(store, crm, client, settings, approved, account, org, now) -> None:
    before = len(org.writes())
    report = write_back(store, crm, approved, settings=settings.model_copy(update={"write_mode": "dry_run"}), now=now)
    assert "License Optimization Plan: Customer" in "\n".join(report.lines())
    with pytest.raises(VimError, match="VIM-E050"):
        write_back(store, crm, approved, settings=settings.model_copy(update={"write_mode": "off"}), now=now)
    assert len(org.writes()) == before
    assert show_request(store, approved).state == "approved"


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("what", ["note", "task"])
def test_a_lost_answer_leaves_one_note_and_one_task(store, crm, client, settings, approved, account, org, now, what, drop) -> None:
    method, path = org.note_write if what == "note" else org.task_write
    org.fault(method=method, path=path, drop=drop)
    assert write_back(store, crm, approved, settings=settings, now=now).state == "verified"
    assert len(org.notes(client, account)) == len(org.tasks(client, account)) == 1


def test_a_task_that_may_be_on_its_way_is_not_sent_again_at_once(store, crm, client, settings, approved, account, org, now) -> None:
    method, path = org.task_write
    org.fault(method=method, path=path, drop="before")
    with pytest.raises(VimError, match="VIM-E015"):
        write_back(store, crm, approved, settings=settings, now=now, settle_seconds=120)
    late = reconcile(store, crm, settings=settings, now=now + timedelta(seconds=241), settle_seconds=120)
    assert [report.state for report in late.finished] == ["verified"]
    assert len(org.tasks(client, account)) == 1


def test_an_account_that_is_not_there_is_refused(store, crm, settings, org, now) -> None:
    request_id = ask_and_approve(store, "001VM000000NOBODY")
    before = len(org.writes())
    with pytest.raises(VendorError, match="VIM-E013"):
        write_back(store, crm, request_id, settings=settings, now=now)
    assert show_request(store, request_id).state == "failed"
    assert len(org.writes()) == before


def test_undo_takes_away_what_was_made_and_leaves_what_somebody_works_on(store, crm, client, settings, approved, account, org, now) -> None:
    write_back(store, crm, approved, settings=settings, now=now)
    (task,) = org.tasks(client, account)
    org.finish_task(client, task["id"])
    with pytest.raises(VimError, match="VIM-E051"):
        undo(store, crm, approved, settings=settings, now=now, actor=DORA)
    other = ask_and_approve(store, account, document="risk_mitigation_plan")
    write_back(store, crm, other, settings=settings, now=now)
    assert undo(store, crm, other, settings=settings, now=now, actor=DORA).state == "undone"
    assert [row["id"] for row in org.tasks(client, account)] == [task["id"]]
    assert len(org.notes(client, account)) == 1


def test_a_note_that_somebody_changed_before_the_second_try_stops_it(store, crm, client, settings, approved, account, org, now) -> None:
    """Killed after the send, and meanwhile a colleague worked on the note: writing over it would lose that work."""

    class Killed(BaseException):
        pass

    def die(step: str) -> None:
        if step == "answered:crm_note":
            raise Killed

    with pytest.raises(Killed):
        write_back(store, crm, approved, settings=settings, now=now, checkpoint=die)
    (note,) = org.notes(client, account)
    text = "Shorter, by hand." if org.name == "salesforce" else f"Shorter, by hand.<br>Value-in-Motion VIM-{approved}"
    org.edit_note(client, note["id"], text)
    with pytest.raises(VimError, match="VIM-E051"):
        write_back(store, crm, approved, settings=settings, now=now)
    assert show_request(store, approved).state == "conflicted"
    assert "Shorter, by hand." in org.notes(client, account)[0]["text"]


def test_a_write_begun_in_one_crm_is_not_sent_to_another(store, crm, settings, approved, org, crms, now, tmp_path) -> None:
    class Killed(BaseException):
        pass

    def die(step: str) -> None:
        if step == "planned":
            raise Killed

    with pytest.raises(Killed):
        write_back(store, crm, approved, settings=settings, now=now, checkpoint=die)
    other = next(item for name, item in crms.items() if name != org.name)
    elsewhere = settings_for(settings.store_url, tmp_path, write_mode="live", **other.credentials)
    before = len(other.writes())
    with other.target(elsewhere, OPTIONS) as wrong, pytest.raises(VimError, match="VIM-E111"):
        write_back(store, wrong, approved, settings=elsewhere, now=now)
    assert len(other.writes()) == before


def test_the_mirror_is_written_once_and_again_only_when_it_differs(store, crm, client, settings, account, org) -> None:
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target=org.name)
    rows = {account: fields(), "001VM000000NOBODY": fields()}
    report = write_mirror(store, crm, rows, load_policy(), as_of=AS_OF, settings=settings, now=NOW)
    assert (report.written, report.failed, report.missing) == (1, (), ("001VM000000NOBODY",))
    shown = [str(value) for value in org.mirror(client, account).values()]
    assert [*shown[:2], float(shown[2]), float(shown[3]), shown[4][:19]] == ["4 Value", "red", 71.5, 43500.0, "2026-06-29T06:00:00"]
    for days, writes in ((0, 0), (1, 0), (7, 1)):
        now = NOW + timedelta(days=days)
        again = write_mirror(store, crm, {account: fields(now=now)}, load_policy(), as_of=AS_OF, settings=settings, now=now)
        assert again.written == writes, f"after {days} days"


def test_a_signature_for_one_crm_is_none_for_another(store, crm, settings, account, org) -> None:
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target="another")
    with pytest.raises(VimError, match="VIM-E044.*vimotion write-back sign"):
        write_mirror(store, crm, {account: fields()}, load_policy(), as_of=AS_OF, settings=settings, now=NOW)


def test_a_batch_of_which_half_fails_is_read_account_by_account(store, crm, client, settings, org) -> None:
    accounts = sorted(org.new_account(client) for _ in range(4))
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target=org.name)
    method, path = org.mirror_write
    org.fault(method=method, path=path, partial=True, code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    report = write_mirror(store, crm, {key: fields() for key in accounts}, load_policy(), as_of=AS_OF, settings=settings, now=NOW)
    assert (report.written, len(report.failed)) == (2, 2)
    with store.session() as session:
        states = dict(session.execute(select(OutboxEntry.account_key, OutboxEntry.state)).all())
    for key in accounts:
        assert states[key] == ("verified" if "red" in org.mirror(client, key).values() else "failed")
    again = write_mirror(store, crm, {key: fields() for key in accounts}, load_policy(), as_of=AS_OF, settings=settings, now=NOW)
    assert (again.written, again.unchanged) == (2, 2)
