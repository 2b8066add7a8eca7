"""What people see and do in the inbox, without scripts: every page and form works with plain HTML."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from inbox_world import NOW, ask_about

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import show_request


def accounts(page):
    return re.findall(r'class="open" href="[^"]+">([^<]+)<', page.text)


def test_a_csm_reads_and_approves(ada, store):
    request_id = ask_about(store)
    assert accounts(ada.get("/")) == ["Customer ACC-1"]
    item = ada.get(f"/requests/{request_id}")
    assert item.status_code == 200 and "150 of 200 seats" in re.sub(r"<[^>]+>", "", item.text)
    answer = ada.decide(request_id, "approve")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/?done={request_id}")
    done = show_request(store, request_id)
    assert (done.state, done.decided_by, done.decided_role, done.decided_channel) == ("approved", "ada", "csm", "inbox")
    assert accounts(ada.get(answer.headers["location"])) == [] and "approved by ada" in re.sub(r"\s+", " ", ada.get(answer.headers["location"]).text)


@pytest.mark.parametrize(("decision", "state"), [("reject", "rejected"), ("request_changes", "changes_requested"), ("dismiss", "dismissed")])
def test_a_no_needs_a_note_and_the_page_keeps_what_was_typed(ada, store, decision, state):
    request_id = ask_about(store)
    refused = ada.decide(request_id, decision, note="  ")
    assert refused.status_code == 422 and "VIM-E045" in refused.text and show_request(store, request_id).state == "pending"
    assert ada.decide(request_id, decision, note="The champion left in May").status_code == 303
    assert (show_request(store, request_id).state, show_request(store, request_id).note) == (state, "The champion left in May")


def test_the_second_of_two_who_press_learns_who_was_first(ada, dora, store):
    request_id = ask_about(store)
    assert dora.decide(request_id, "reject", note="Wrong seats").status_code == 303
    late = ada.decide(request_id, "approve")
    assert late.status_code == 409 and "VIM-E042" in late.text and "dora" in late.text and "Wrong seats" in late.text
    assert show_request(store, request_id).state == "rejected"


def test_a_decision_on_a_version_that_was_replaced_is_refused_and_leads_to_the_new_one(ada, store):
    old = ask_about(store, version=1)
    new = ask_about(store, version=2, text="140 of 200 seats are unused.", now=NOW + timedelta(hours=1))
    stale = ada.decide(old, "approve", version=1)
    assert stale.status_code == 409 and "VIM-E041" in stale.text and f"/requests/{new}" in stale.text
    assert ada.decide(new, "approve", version=1).status_code == 409
    assert show_request(store, new).state == "pending"


def test_two_people_are_needed_above_the_limit(dora, app, store):
    """The first approval is kept and shown; the same person's second press is not a second person."""
    request_id = ask_about(store, arr_amount=Decimal(900000))
    assert "0 of 2" in dora.get("/").text
    assert dora.decide(request_id, "approve").status_code == 303
    assert "1 of 2" in dora.get("/").text and "another person" in dora.get(f"/?done={request_id}").text
    assert dora.decide(request_id, "approve").status_code == 403
    assert show_request(store, request_id).state == "pending"


def test_each_value_of_the_text_leads_to_its_fact_and_on_to_the_source_rows(ada, store):
    request_id = ask_about(store)
    page = ada.get(f"/requests/{request_id}").text
    assert '<a href="#F12" class="fact">150</a> of <a href="#F10" class="fact">200 seats</a>' in page and '<tr id="F12">' in page
    rows = ada.get(f"/requests/{request_id}/evidence/F12")
    assert rows.status_code == 200 and "base.int_seats" in rows.text and rows.text.count("<td>u") == 3
    assert ada.get(f"/requests/{request_id}/evidence/F99").status_code == 404


def test_the_queue_is_sorted_by_money_risk_and_nearness(ada, store):
    ask_about(store, "ACC-small", arr_amount=Decimal(10000))
    ask_about(store, "ACC-near", next_opt_out_date=date(2026, 7, 5))
    ask_about(store, "ACC-risky", lean_risk=95.0)
    ask_about(store, "ACC-euro", arr_amount=Decimal(60000), currency="EUR")
    ask_about(store, "ACC-plain")
    assert [name.removeprefix("Customer ACC-") for name in accounts(ada.get("/"))] == ["risky", "near", "euro", "plain", "small"]


def test_the_count_and_the_list_are_of_the_same_rows(ada, store):
    for number in range(53):
        ask_about(store, f"ACC-{number:02d}")
    first, second = ada.get("/"), ada.get("/?page=2")
    assert "<strong>53</strong> pending" in first.text and (len(accounts(first)), len(accounts(second))) == (50, 3)
    decide(store, ask_about(store, "ACC-late"), "approve", person=Actor("ada", "csm"), version=1, note=None, now=NOW, policy=load_policy())
    assert "<strong>53</strong> pending" in ada.get("/").text and "Customer ACC-late" not in ada.get("/").text


def test_the_queue_filters_by_state_kind_risk_and_whose(ada, dora, store):
    ask_about(store, "ACC-a")
    ask_about(store, "ACC-b", document="success_plan")
    ask_about(store, "ACC-c", risk_band="red")
    other = ask_about(store, "ACC-d", csm_name="Bo", csm_email="bo@vendor.example")
    assert accounts(ada.get("/?kind=success_plan")) == ["Customer ACC-b"]
    assert accounts(ada.get("/?risk=red")) == ["Customer ACC-c"]
    assert "Customer ACC-c" not in accounts(ada.get("/?whose=may")) and "Customer ACC-c" in accounts(dora.get("/?whose=may"))
    assert "Customer ACC-d" not in accounts(ada.get("/?whose=own"))
    ada.decide(other, "approve")
    assert accounts(ada.get("/?state=approved")) == ["Customer ACC-d"]


def test_low_risk_items_are_approved_together_after_one_page_and_others_are_not(ada, store):
    low = [ask_about(store, f"ACC-{number}") for number in range(3)]
    red, customer = ask_about(store, "ACC-red", risk_band="red"), ask_about(store, "ACC-mail", audience="customer")
    queue = ada.get("/").text
    assert all(f'value="{one}:1"' in queue for one in low) and f'value="{red}:1"' not in queue and f'value="{customer}:1"' not in queue
    confirm = ada.post("/batch", {"item": [f"{one}:1" for one in low]})
    assert confirm.status_code == 200 and confirm.text.count("checked") == 3 and show_request(store, low[0]).state == "pending"
    decide(store, low[1], "reject", person=Actor("dora", "director"), version=1, note="no", now=NOW, policy=load_policy())
    done = ada.post("/batch/approve", {"item": [f"{one}:1" for one in low]})
    assert [show_request(store, one).state for one in low] == ["approved", "rejected", "approved"] and "VIM-E042" in done.text
    for wrong in (red, customer):
        assert ada.post("/batch/approve", {"item": [f"{wrong}:1"]}).status_code == 403
        assert show_request(store, wrong).state == "pending"


def test_an_item_whose_text_was_edited_in_the_store_offers_no_approval(dora, store):
    request_id = ask_about(store)
    with store.session() as session:
        from vim_pipelines.store.models import ApprovalRequest

        row = session.get_one(ApprovalRequest, request_id)
        row.payload = row.payload | {"text": "Give them everything for free."}
    page = dora.get(f"/requests/{request_id}").text
    assert "The record is broken" in page and 'value="approve"' not in page
    assert dora.decide(request_id, "approve").status_code == 409


def test_an_unknown_page_and_an_unknown_item_are_pages_that_say_so(ada):
    for path, code in (("/nothing", "VIM-E136"), ("/requests/req-000000000000", "VIM-E040"), ("/requests/x", "VIM-E040")):
        answer = ada.get(path)
        assert answer.status_code == 404 and code in answer.text and "<!doctype html>" in answer.text
