"""Mirror writes: computed fields under a standing approval, 200 accounts a request, nothing when nothing changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW
from sqlalchemy import select

from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import OutboxEntry, StandingApproval
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.apply import reconcile
from vim_pipelines.writeback.mirror import current_standing, mirror_fields, revoke_standing_approval, sign_standing_approval, write_mirror

FIELDS = ["VIM_Phase__c", "VIM_Risk_Band__c", "VIM_Risk_Score__c", "VIM_Muda_Waste__c", "VIM_Assessed_At__c"]


@pytest.fixture
def policy():
    return load_policy()


@pytest.fixture
def signed(store, policy):
    return sign_standing_approval(store, policy, actor="dora", role="director", now=NOW)


def fields(band="red", now=NOW, **signals):
    row = {"risk_band": band, "lean_risk": 71.5, "waste_annual": 43500, "money_status": "ok"} | signals
    return mirror_fields(row, {"phase": 4, "phase_name": "Value Activation"}, now)


def shown(client, account):
    return client.get("Account", account, FIELDS)


def test_the_mirror_shows_phase_risk_and_waste(store, crm, client, settings, account, policy, signed) -> None:
    report = write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW)
    assert (report.written, report.failed) == (1, ())
    assert shown(client, account) == {
        "Id": account, "VIM_Phase__c": "4 Value Activation", "VIM_Risk_Band__c": "red", "VIM_Risk_Score__c": 71.5, "VIM_Muda_Waste__c": 43500,
        "VIM_Assessed_At__c": "2026-06-29T06:00:00.000+0000",
    }  # fmt: skip
    with store.session() as session:
        (entry,) = session.scalars(select(OutboxEntry).where(OutboxEntry.account_key == account)).all()
        assert (entry.kind, entry.state, entry.standing_id) == ("mirror", "verified", signed)
        assert entry.before["VIM_Phase__c"] is None


def test_unknown_money_is_empty_and_never_zero() -> None:
    assert fields(waste_annual=None, money_status="unknown")["VIM_Muda_Waste__c"] is None
    assert fields(waste_annual=9, money_status="unknown")["VIM_Muda_Waste__c"] is None
    assert fields(lean_risk=float("nan"))["VIM_Risk_Score__c"] is None
    assert mirror_fields({}, None, NOW)["VIM_Phase__c"] is None


def test_the_second_night_with_the_same_values_writes_nothing(store, crm, client, settings, account, policy, signed, org) -> None:
    write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW)
    before = len(org.writes())
    for days, writes in ((0, 0), (1, 0), (6, 0), (7, 1)):
        now = NOW + timedelta(days=days)
        report = write_mirror(store, crm, {account: fields(now=now)}, policy, as_of=AS_OF + timedelta(days=days), settings=settings, now=now)
        assert report.written == writes, f"after {days} days: the stamp alone is worth a write once a week"
    assert len(org.writes()) == before + 1


def test_without_a_signature_nothing_is_mirrored(store, crm, client, settings, account, policy, org) -> None:
    before = len(org.writes())
    with pytest.raises(VimError, match="VIM-E044"):
        write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW)
    sign_standing_approval(store, policy, actor="dora", role="director", now=NOW)
    revoke_standing_approval(store, now=NOW)
    with pytest.raises(VimError, match="VIM-E044"):
        write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW)
    assert len(org.writes()) == before


def test_a_signature_covers_its_fields_and_its_policy_only(store, crm, client, settings, account, policy, org) -> None:
    before = len(org.writes())
    sign_standing_approval(store, policy, actor="dora", role="director", now=NOW, fields=["VIM_Phase__c"])
    with pytest.raises(VimError, match="VIM-E044.*VIM_Assessed_At__c"):
        write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW)
    sign_standing_approval(store, policy, actor="dora", role="director", now=NOW)
    with pytest.raises(VimError, match="VIM-E044.*ARR__c"):
        write_mirror(store, crm, {account: {"ARR__c": 1}}, policy, as_of=AS_OF, settings=settings, now=NOW)
    other = policy.model_copy(update={"max_replan_rounds": 2})
    assert other.version != policy.version
    with pytest.raises(VimError, match="VIM-E044.*another policy"):
        write_mirror(store, crm, {account: fields()}, other, as_of=AS_OF, settings=settings, now=NOW)
    with store.session() as session:
        row = session.scalars(select(StandingApproval).where(StandingApproval.revoked_at.is_(None))).one()
        row.fields = [*row.fields, "ARR__c"]
    with pytest.raises(VimError, match="VIM-E044.*edited"):
        write_mirror(store, crm, {account: {"ARR__c": 1}}, policy, as_of=AS_OF, settings=settings, now=NOW)
    assert len(org.writes()) == before


def test_only_a_director_signs(store, policy) -> None:
    for role in ("csm", "analyst", ""):
        with pytest.raises(VimError, match="VIM-E043"):
            sign_standing_approval(store, policy, actor="carl", role=role, now=NOW)
    with pytest.raises(VimError, match="VIM-E046"):
        sign_standing_approval(store, policy, actor="dora", role="director", now=NOW, fields=["ARR__c"])


def test_a_signature_under_a_role_that_may_not_sign_is_none(store, policy, signed) -> None:
    """A row put into the table by hand: its hash is right, its role is not."""
    with store.session() as session:
        session.query(StandingApproval).update({"approved_role": "intern"})
    with pytest.raises(VimError, match="VIM-E044.*role"):
        current_standing(store, policy)


def test_modes_hold_for_the_mirror_too(store, crm, client, settings, account, policy, signed, org) -> None:
    before = len(org.writes())
    with pytest.raises(VimError, match="VIM-E050"):
        write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings.model_copy(update={"write_mode": "off"}), now=NOW)
    report = write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings.model_copy(update={"write_mode": "dry_run"}), now=NOW)
    assert {change.field for _, change in report.changes} == set(FIELDS)
    assert len(org.writes()) == before


def test_one_bad_account_does_not_stop_the_others(store, crm, client, settings, account, policy, signed) -> None:
    second = client.create("Account", {"Name": "Second"})
    rows = {account: fields(), second: fields("purple"), "001VM000000NOBODY": fields()}
    rows[second]["VIM_Risk_Score__c"] = "not a number"
    report = write_mirror(store, crm, rows, policy, as_of=AS_OF, settings=settings, now=NOW)
    assert (report.written, report.missing) == (1, ("001VM000000NOBODY",))
    assert len(report.failed) == 1 and report.failed[0].startswith(second)
    assert shown(client, account)["VIM_Risk_Band__c"] == "red"


def test_two_hundred_accounts_go_in_one_request(store, crm, client, settings, policy, signed, org) -> None:
    accounts = [result.id for result in _created(client, 205)]
    before = len(org.requests())
    report = write_mirror(store, crm, {account: fields() for account in accounts}, policy, as_of=AS_OF, settings=settings, now=NOW)
    assert report.written == 205
    sent = [request["method"] for request in org.requests()[before:]]
    assert sent.count("PATCH") == 2
    assert len(sent) <= 8


def _created(client, number):
    from types import SimpleNamespace

    return [SimpleNamespace(id=client.create("Account", {"Name": f"Mirror {index}"})) for index in range(number)]


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_is_settled_by_reading(store, crm, client, settings, account, policy, signed, org, drop) -> None:
    org.fault(method="PATCH", path="composite/sobjects", drop=drop)
    report = write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW)
    assert report.written == (1 if drop == "after" else 0)
    reconcile(store, crm, settings=settings, now=NOW)
    with store.session() as session:
        assert session.scalars(select(OutboxEntry.state).where(OutboxEntry.account_key == account)).all() == ["verified" if drop == "after" else "failed"]
    again = write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW)
    assert again.written == (0 if drop == "after" else 1)
    assert shown(client, account)["VIM_Risk_Band__c"] == "red"


def test_an_outage_leaves_rows_that_reconcile_settles(store, crm, client, settings, account, policy, signed, org) -> None:
    org.fault(method="PATCH", path="composite/sobjects", status=429, times=10)
    with pytest.raises(VendorError):
        write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW)
    org.clear_faults()
    assert reconcile(store, crm, settings=settings, now=NOW).mirror == (f"{account}: failed",)
    assert write_mirror(store, crm, {account: fields()}, policy, as_of=AS_OF, settings=settings, now=NOW).written == 1
