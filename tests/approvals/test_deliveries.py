"""Who is told what through which channel: each message once, the lost ones looked for, and one failure stops no other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW, make_draft
from channel_stub import Box
from sqlalchemy import select

from vim_pipelines.approvals.channels.base import Undeliverable
from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.deliveries import LIST_ABOVE, MAX_ATTEMPTS, deliver, plan, record_failure, work_to_do
from vim_pipelines.approvals.people import add_person
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import request_approvals
from vim_pipelines.settings import Settings
from vim_pipelines.store.models import ApprovalRequest, Delivery
from vim_pipelines.vendors.http import VendorError

SETTINGS = Settings(inbox_url="https://inbox.example/vim")
CSM, DIRECTOR = Actor("cem", "csm", "inbox"), Actor("dora", "director", "inbox")
LOST, DOWN = VendorError("VIM-E015", "no answer"), VendorError("VIM-E010", "no connection")


@pytest.fixture
def people(store, policy):
    for login, role, segments in (("cem", "csm", ["smb"]), ("eva", "csm", ["enterprise"]), ("dora", "director", [])):
        add_person(store, policy, login, name=login.title(), role=role, segments=segments, email=f"{login}@vendor.example", by="test", now=NOW)


def asked(store, policy, *, account="ACC-1", segment="smb", arr=60_000):
    draft_id = make_draft(store, account=account)
    signals = {account: {"arr_amount": arr, "currency": "USD", "risk_band": "green", "segment": segment}}
    [request_id] = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=[draft_id], signals=signals).requested
    return request_id


def rows(store):
    with store.reading() as session:
        return session.scalars(select(Delivery).order_by(Delivery.created_at, Delivery.recipient)).all()


def run(store, policy, box, now=NOW, limit=25):
    plan(store, [box], policy=policy, now=now)
    return deliver(store, [box], settings=SETTINGS, now=now, limit=limit)


def test_each_of_those_who_may_decide_is_asked_once(store, policy, people):
    request_id, box = asked(store, policy), Box()
    assert run(store, policy, box).sent == 2
    assert sorted(login for _, login in box.sent) == ["cem", "dora"]  # eva decides for another segment
    message = box.sent[0][0]
    assert (message.kind, message.request_id, message.version, message.buttons) == ("ask", request_id, 1, ("approve", "changes", "reject"))
    assert message.link == f"https://inbox.example/vim/requests/{request_id}"
    assert dict(message.summary)["ARR"] == "$60,000"
    assert plan(store, [box], policy=policy, now=NOW) == 0 and run(store, policy, box).sent == 0


def test_a_higher_role_is_asked_where_the_policy_says_so(store, policy, people):
    box = Box()
    asked(store, policy, arr=250_000)
    run(store, policy, box)
    assert [login for _, login in box.sent] == ["dora"]


def test_what_was_decided_elsewhere_is_shown_in_the_messages(store, policy, people):
    request_id, box = asked(store, policy), Box()
    run(store, policy, box)
    decide(store, request_id, "reject", person=CSM, version=1, note="not now", now=NOW, policy=policy)
    report = run(store, policy, box, NOW + timedelta(minutes=1))
    assert (report.settled, report.sent) == (2, 0)
    message, _, reference = box.settled[0]
    assert message.kind == "settled" and message.buttons == () and reference["id"] == message.delivery_id
    assert message.outcome == "Rejected by cem (csm) on 2026-06-29 06:00 UTC through the inbox: not now"
    assert run(store, policy, box, NOW + timedelta(minutes=2)).settled == 0


def test_a_question_that_ended_before_it_was_told_is_not_told(store, policy, people):
    request_id, box = asked(store, policy), Box()
    plan(store, [box], policy=policy, now=NOW)
    decide(store, request_id, "approve", person=DIRECTOR, version=1, note=None, now=NOW, policy=policy)
    report = deliver(store, [box], settings=SETTINGS, now=NOW)
    assert (report.sent, report.overtaken, box.sent) == (0, 2, [])


def test_a_lost_answer_is_looked_for_before_anything_is_sent_again(store, policy, people):
    asked(store, policy)
    box = Box()
    box.lost = [LOST]
    assert (report := run(store, policy, box)).unknown == 1 and report.sent == 1
    assert run(store, policy, box, NOW + timedelta(minutes=1)).sent == 0  # not yet
    assert run(store, policy, box, NOW + timedelta(minutes=3)).sent == 1
    assert len(box.sent) == 2 and len(box.looked_for) == 1  # found: nothing went out twice
    assert {row.state for row in rows(store)} == {"sent"}


def test_what_was_on_its_way_when_the_process_died_is_looked_for(store, policy, people):
    asked(store, policy)
    box = Box()
    plan(store, [box], policy=policy, now=NOW)
    with store.session() as session:
        for row in session.scalars(select(Delivery)):
            row.state, row.attempts, row.updated_at = "sending", 1, NOW
    assert deliver(store, [box], settings=SETTINGS, now=NOW + timedelta(minutes=3)).sent == 2
    assert len(box.looked_for) == 2


def test_when_the_search_itself_fails_nothing_is_sent(store, policy, people):
    asked(store, policy)
    box = Box()
    box.lost = [LOST, LOST]
    run(store, policy, box)
    box.find = lambda message, person: (_ for _ in ()).throw(DOWN)
    report = run(store, policy, box, NOW + timedelta(minutes=3))
    assert (report.unknown, len(box.sent)) == (2, 2)
    assert {row.state for row in rows(store)} == {"unknown"}


def test_an_address_that_does_not_exist_is_never_tried_again(store, policy, people):
    asked(store, policy)
    box = Box()
    box.fail = [Undeliverable("no such mailbox")]
    report = run(store, policy, box)
    assert (report.failed, report.sent) == (1, 1)
    assert run(store, policy, box, NOW + timedelta(days=1)).sent == 0
    assert [row.attempts for row in rows(store) if row.state == "failed"] == [1]


def test_a_channel_that_is_down_is_tried_again_and_given_up_in_the_end(store, policy, people):
    asked(store, policy)
    box, now, tries = Box(), NOW, 0
    box.fail = [DOWN] * 100
    for _ in range(MAX_ATTEMPTS + 3):
        report = run(store, policy, box, now)
        tries += report.waiting + report.failed
        now += timedelta(hours=1)
    assert tries == 2 * MAX_ATTEMPTS
    assert {(row.state, row.attempts) for row in rows(store)} == {("failed", MAX_ATTEMPTS)}


def test_after_three_failures_in_a_row_a_channel_is_left_alone_for_this_run(store, policy, people):
    """Each failure may cost a time-out: 25 of them would be half an hour."""
    for number in range(5):
        asked(store, policy, account=f"ACC-{number}")
    box, other = Box(), Box("slack")
    box.fail = [DOWN] * 100
    plan(store, [box, other], policy=policy, now=NOW)
    report = deliver(store, [box, other], settings=SETTINGS, now=NOW)
    assert len(other.sent) == 10 and report.waiting == 10 and 100 - len(box.fail) == 3


def test_a_defect_of_a_channel_stops_no_other_message(store, policy, people):
    asked(store, policy)
    box = Box()
    box.fail = [KeyError("secret-in-a-message")]
    report = run(store, policy, box)
    assert (report.unknown, report.sent) == (1, 1)
    assert "secret" not in str(report.problems)


def test_at_most_25_leave_in_a_run(store, policy, people):
    for number in range(15):
        asked(store, policy, account=f"ACC-{number}")
    box = Box("crm", lists=False)
    assert [run(store, policy, box).sent for _ in range(3)] == [25, 5, 0]


def test_many_new_questions_for_one_person_are_one_message_that_lists_them(store, policy, people):
    """After the first night forty drafts wait for the same director; forty mails bury the one that matters."""
    ids = {asked(store, policy, account=f"ACC-{number}") for number in range(LIST_ABOVE + 1)}
    box = Box()
    report = run(store, policy, box)
    assert (report.sent, report.listed, sorted(login for _, login in box.sent)) == (2, 12, ["cem", "dora"])
    message = box.sent[0][0]
    assert {item.request_id for item in message.items} == ids and message.buttons == () and message.request_id is None
    assert {item.link for item in message.items} == {f"https://inbox.example/vim/requests/{one}" for one in ids}
    told = rows(store)
    assert len(told) == 12 and {row.state for row in told} == {"sent"} and {row.request_id for row in told} == ids
    assert {(row.recipient, row.reference["id"]) for row in told} == {(login, message.delivery_id) for message, login in box.sent}
    asked(store, policy, account="ACC-late")
    assert run(store, policy, box).sent == 2 and box.sent[-1][0].items == ()


def test_as_many_as_a_person_can_read_come_one_by_one(store, policy, people):
    for number in range(LIST_ABOVE):
        asked(store, policy, account=f"ACC-{number}")
    box = Box()
    assert run(store, policy, box).sent == 2 * LIST_ABOVE and all(message.request_id for message, _ in box.sent)


def test_a_list_shows_what_became_of_each_as_it_is_decided(store, policy, people):
    ids = [asked(store, policy, account=f"ACC-{number}") for number in range(LIST_ABOVE + 2)]
    box = Box()
    run(store, policy, box)
    for one in ids[:2]:
        decide(store, one, "reject", person=CSM, version=1, note="not now", now=NOW, policy=policy)
    report = run(store, policy, box, NOW + timedelta(minutes=1))
    assert (report.settled, len(box.settled)) == (4, 2)  # two requests, told to two people: one change of each list
    message, _, reference = box.settled[0]
    assert reference["id"] == message.delivery_id and message.kind == "ask" and message.title.startswith("5 of 7 texts wait")
    assert {item.request_id for item in message.items if item.outcome} == set(ids[:2]) and len(message.items) == 7
    for one in ids[2:]:
        decide(store, one, "reject", person=CSM, version=1, note="not now", now=NOW, policy=policy)
    run(store, policy, box, NOW + timedelta(minutes=2))
    assert box.settled[-1][0].kind == "settled" and {row.state for row in rows(store)} == {"settled"}


def test_a_list_whose_answer_was_lost_is_looked_for_as_the_same_list(store, policy, people):
    for number in range(LIST_ABOVE + 1):
        asked(store, policy, account=f"ACC-{number}")
    box = Box()
    box.lost = [LOST]
    run(store, policy, box)
    asked(store, policy, account="ACC-late")
    report = run(store, policy, box, NOW + timedelta(minutes=3))
    assert report.sent == 3 and len(box.looked_for) == 1
    assert [len(message.items) for message, _ in box.sent] == [6, 6, 0, 0]  # found, not sent again; the late one for itself
    assert {row.state for row in rows(store)} == {"sent"}


def test_a_list_that_could_not_be_sent_is_tried_again_whole(store, policy, people):
    for number in range(LIST_ABOVE + 1):
        asked(store, policy, account=f"ACC-{number}")
    box = Box()
    box.fail = [DOWN, DOWN]
    assert run(store, policy, box).waiting == 2
    assert {(row.state, row.attempts) for row in rows(store)} == {("planned", 1)}
    assert run(store, policy, box, NOW + timedelta(minutes=3)).sent == 2 and [len(message.items) for message, _ in box.sent] == [6, 6]


def test_where_nothing_can_be_changed_one_word_says_how_it_ended(store, policy, people):
    """Asked, reminded and told of the escalation: one mail about the end, not three."""
    request_id, box = asked(store, policy), Box(changes=False)
    run(store, policy, box)
    with store.session() as session:
        session.get(ApprovalRequest, request_id).reminded_at = NOW
    run(store, policy, box, NOW + timedelta(minutes=1))
    decide(store, request_id, "reject", person=CSM, version=1, note="not now", now=NOW, policy=policy)
    assert run(store, policy, box, NOW + timedelta(minutes=2)).settled == 4
    assert sorted((login, message.decided_by, message.ended) for message, login, _ in box.settled) == [("cem", "cem", "rejected"), ("dora", "cem", "rejected")]


def test_planning_asks_for_its_own_rows_alone(store, policy, people):
    """The table holds every message ever sent: reading all their keys grows with the years."""
    from sqlalchemy import event

    asked(store, policy)
    read = []
    event.listen(store.engine, "after_cursor_execute", lambda *args: read.append((args[2], args[3])))
    plan(store, [Box()], policy=policy, now=NOW)
    about_keys = [
        (statement, values) for statement, values in read if "delivery_key" in statement and statement.startswith("SELECT deliveries.delivery_key \n")
    ]
    assert about_keys and all("WHERE" in statement for statement, _ in about_keys)


def test_a_reminder_and_an_escalation_are_messages_of_their_own(store, policy, people):
    request_id, box = asked(store, policy), Box()
    run(store, policy, box)
    for column, said in (("reminded_at", ["cem", "dora"]), ("escalated_at", ["dora"])):
        with store.session() as session:
            setattr(session.get(ApprovalRequest, request_id), column, NOW)
        box.sent.clear()
        run(store, policy, box)
        assert sorted(login for _, login in box.sent) == said
        assert {message.kind for message, _ in box.sent} == {"reminder" if column == "reminded_at" else "escalation"}


def test_who_joins_late_gets_only_the_latest_word(store, policy):
    request_id, box = asked(store, policy), Box()
    with store.session() as session:
        session.get(ApprovalRequest, request_id).escalated_at = NOW
    add_person(store, policy, "dora", name="Dora", role="director", email="dora@vendor.example", by="test", now=NOW)
    run(store, policy, box)
    assert [message.kind for message, _ in box.sent] == ["escalation"]


def test_whoever_edited_the_text_is_not_asked_about_it(store, policy, people):
    request_id, box = asked(store, policy), Box()
    with store.session() as session:
        session.get(ApprovalRequest, request_id).edited_by = "dora"
    run(store, policy, box)
    assert [login for _, login in box.sent] == ["cem"]


def test_a_question_that_nobody_hears_is_on_record_as_failed(store, policy):
    asked(store, policy)
    assert plan(store, [Box()], policy=policy, now=NOW) == 1
    [row] = rows(store)
    assert (row.channel, row.state, row.error) == ("none", "failed", "nobody who is to be told can be reached")


def test_a_failed_run_is_told_to_the_directors_once(store, policy, people):
    box = Box()
    assert record_failure(store, "run-1", job="portfolio_audit", step="raw", error="VIM-E010 no answer", now=NOW)
    assert not record_failure(store, "run-1", job="portfolio_audit", step="raw", error="VIM-E010 no answer", now=NOW)
    assert run(store, policy, box).sent == 1 and run(store, policy, box).sent == 0
    message, login = box.sent[0]
    assert (login, message.kind, message.text, dict(message.summary)["Run"]) == ("dora", "failure", "VIM-E010 no answer", "run-1")


def test_the_sensor_is_told_of_work_once_per_state(store, policy, people):
    box = Box()
    assert work_to_do(store, [box], NOW) is None
    asked(store, policy)
    first = work_to_do(store, [box], NOW)
    plan(store, [box], policy=policy, now=NOW)
    second = work_to_do(store, [box], NOW)
    assert first and second and first != second
    deliver(store, [box], settings=SETTINGS, now=NOW)
    assert work_to_do(store, [box], NOW) is None and work_to_do(store, [], NOW) is None
