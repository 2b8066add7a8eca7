"""When the Director is told at once: crossings, notices and open P1s, each once for its episode."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from approval_drafts import NOW
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.approvals.alert_rules import NightRow, Past, crossed, new_alerts
from vim_pipelines.approvals.alerting import keep
from vim_pipelines.approvals.alerts import acknowledge, list_alerts, show_alert
from vim_pipelines.approvals.people import add_person
from vim_pipelines.approvals.policy import Actor, AlertRules
from vim_pipelines.core.errors import VimError

RULES = AlertRules(muri_priority=40, quiet_days=14, notice_days=30, p1_days_to_opt_out=30)
NIGHT = date(2026, 6, 30)
LAST = NIGHT - timedelta(days=1)
ROW = NightRow(
    "ACC-1", "Acme\n# evil", "smb", muri_priority=48.0, tickets_4w=31, tickets_open=9, ticket_status="ok", opt_out_date=date(2026, 8, 30), days_to_opt_out=61,
    arr_amount=Decimal(60_000), currency="USD", csm_name="Ada", director_email="Olga@vendor.example",
)  # fmt: skip
CALM = Past(LAST, {"ACC-1": {LAST: 12.0}}, frozenset())


def kinds(row, past=CALM, rules=RULES, night=NIGHT):
    return [alert.kind for alert in new_alerts([row], past, rules, night)]


def test_a_crossing_is_told_and_a_load_that_stays_high_is_not():
    assert kinds(ROW) == ["muri_crossing"]
    assert kinds(ROW, replace(CALM, muri={"ACC-1": {LAST: 41.0}})) == []
    assert kinds(replace(ROW, muri_priority=39.9)) == [] and kinds(replace(ROW, muri_priority=40.0)) == ["muri_crossing"]


def test_a_load_that_swings_around_the_line_is_one_episode_until_it_was_quiet():
    """Nightly figures jitter: without the quiet days a director hears of one surge five times a week."""
    for days, told in ((1, []), (3, []), (14, []), (15, ["muri_crossing"])):
        nights = {LAST: 39.0, NIGHT - timedelta(days=days): 44.0} if days > 1 else {LAST: 44.0}
        assert kinds(ROW, replace(CALM, muri={"ACC-1": nights})) == told, days


def test_what_was_unknown_before_counts_as_not_above_and_the_first_night_crosses_nothing():
    assert kinds(ROW, Past(LAST, {}, frozenset())) == ["muri_crossing"]
    assert kinds(ROW, Past(None, {}, frozenset())) == []
    assert kinds(replace(ROW, muri_priority=None)) == [] and kinds(replace(ROW, ticket_status="stale")) == []


def test_a_notice_is_new_if_last_night_did_not_know_it():
    row = replace(ROW, muri_priority=0.0, notice_received_on=date(2026, 5, 1))
    assert kinds(row) == ["notice_served"]  # entered late into the CRM: known since tonight
    assert kinds(row, replace(CALM, had_notice=frozenset({"ACC-1"}))) == []
    first = Past(None, {}, frozenset())
    assert kinds(row, first) == [] and kinds(replace(row, notice_received_on=date(2026, 6, 20)), first) == ["notice_served"]
    assert kinds(replace(row, notice_received_on=NIGHT + timedelta(days=1))) == [], "a date in the future is not known yet"


@pytest.mark.parametrize(
    ("open_p1", "days", "told"),
    [(1, 30, True), (1, 0, True), (1, 31, False), (1, -1, False), (0, 10, False), (None, 10, False), (1, None, False)],
)
def test_an_open_p1_is_told_while_the_opt_out_deadline_is_near_and_ahead(open_p1, days, told):
    row = replace(ROW, muri_priority=1.0, open_p1=open_p1, days_to_opt_out=days, oldest_open_p1_days=4)
    assert (kinds(row) == ["p1_near_opt_out"]) is told


def test_the_text_is_made_of_figures_and_one_line_names():
    [alert] = new_alerts([ROW], CALM, RULES, NIGHT)
    assert alert.text.startswith("# Acme # evil: the ticket load surges near the opt-out deadline\n")
    assert "- Muri priority: 48 (line 40, 12 on 2026-06-29)" in alert.text and "- ARR: $60,000" in alert.text
    assert "Olga@" not in alert.text
    assert "unknown" in new_alerts([replace(ROW, arr_amount=None)], CALM, RULES, NIGHT)[0].text


@given(st.lists(st.one_of(st.none(), st.floats(0, 100)), min_size=2, max_size=60))
def test_two_crossings_of_an_account_are_never_nearer_than_the_quiet_days(values):
    """Whatever the figures do, night after night."""
    known, told = {}, []
    for day, value in enumerate(values):
        night = NIGHT + timedelta(days=day)
        last = night - timedelta(days=1) if day else None
        if crossed(replace(ROW, muri_priority=value), Past(last, {"ACC-1": dict(known)}, frozenset()), RULES, night) is not None:
            told.append(night)
        if value is not None:
            known[night] = value
    assert all(later - earlier > timedelta(days=RULES.quiet_days) for earlier, later in zip(told, told[1:], strict=False))


@pytest.fixture
def told(store, policy):
    for login, role, segments, email in (
        ("olga", "director", [], "olga@vendor.example"),
        ("cem", "csm", ["smb"], None),
        ("dirk", "director", ["enterprise"], None),
    ):
        add_person(store, policy, login, name=login, role=role, segments=segments, email=email, by="test", now=NOW)
    [alert_id] = keep(store, new_alerts([ROW], CALM, RULES, NIGHT), NIGHT, NOW, quiet_days=14)
    return alert_id


def test_the_same_night_run_again_tells_nothing_anew(store, told):
    assert keep(store, new_alerts([ROW], CALM, RULES, NIGHT), NIGHT, NOW, quiet_days=14) == []
    assert [alert.alert_id for alert in list_alerts(store)] == [told]


def test_a_person_of_some_segments_is_shown_theirs_however_many_others_are_newer(store, told):
    mine = list_alerts(store)[0].segment
    other = replace(ROW, account_key="ACC-OTHER", segment="another")
    keep(store, new_alerts([other], CALM, RULES, NIGHT), NIGHT, NOW + timedelta(hours=1), quiet_days=14)
    assert [alert.segment for alert in list_alerts(store, limit=1)] == ["another"]
    assert [alert.alert_id for alert in list_alerts(store, segments=[mine], limit=1)] == [told]
    assert len(list_alerts(store, segments=())) == 2 and list_alerts(store, segments=["a third"]) == []


def test_a_p1_that_drags_on_is_told_once_in_the_quiet_days(store):
    row = replace(ROW, muri_priority=1.0, open_p1=1, days_to_opt_out=20, oldest_open_p1_days=4)
    assert len(keep(store, new_alerts([row], CALM, RULES, NIGHT), NIGHT, NOW, quiet_days=14)) == 1
    other = replace(row, oldest_open_p1_days=1)  # the first was solved, the next is open
    assert keep(store, new_alerts([other], CALM, RULES, NIGHT), NIGHT + timedelta(days=1), NOW, quiet_days=14) == []


def test_the_first_acknowledgement_stands(store, policy, told):
    olga = Actor("olga", "director", "slack")
    seen = acknowledge(store, told, person=olga, note=" calling them\x00 ", now=NOW, policy=policy)
    assert (seen.acknowledged_by, seen.acknowledged_channel, seen.note) == ("olga", "slack", "calling them")
    assert acknowledge(store, told, person=olga, note="again", now=NOW + timedelta(hours=1), policy=policy).note == "calling them"
    with pytest.raises(VimError, match="VIM-E123.*olga"):
        acknowledge(store, told, person=Actor("dora", "director", "inbox"), note=None, now=NOW, policy=policy)
    assert list_alerts(store, is_open=True) == [] and show_alert(store, told[:10]).acknowledged_by == "olga"


@pytest.mark.parametrize(
    "person", [Actor("cem", "csm", "inbox", ("smb",)), Actor("dirk", "director", "inbox", ("enterprise",)), Actor("sys", "nobody", "inbox")]
)
def test_who_was_not_told_does_not_put_it_aside_for_the_director(store, policy, told, person):
    with pytest.raises(VimError, match="VIM-E043"):
        acknowledge(store, told, person=person, note=None, now=NOW, policy=policy)
    assert show_alert(store, told).acknowledged_at is None


def test_an_alert_that_does_not_exist_is_named(store, policy, told):
    with pytest.raises(VimError, match="VIM-E122"):
        show_alert(store, "alert-nothing")
