"""Edits, disputes and alerts through the browser, with the functions that every other door uses."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from inbox_world import AS_OF, NOW, PASSWORD, Browser, ask_about

from vim_pipelines.approvals.alert_rules import NightRow, Past, new_alerts
from vim_pipelines.approvals.disputing import open_request
from vim_pipelines.approvals.edits import EditReport
from vim_pipelines.approvals.people import add_person
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.inbox import change_pages, item_pages
from vim_pipelines.store.models import Alert


def add_alert(store, number, *, segment="mid_market", facts=()):
    text = f"Notice was served by Customer {number}."
    with store.session() as session:
        session.add(
            Alert(
                alert_id=f"alert-{number}", account_key=f"ACC-{number}", account_name=f"Customer {number}", kind="notice_served", episode="2026-06-27", as_of_date=AS_OF,
                segment=segment, facts=list(facts), text=text, text_sha256=sha256_text(text), created_at=NOW,
            )
        )  # fmt: skip


def test_a_disputed_fact_takes_what_rests_on_it_out_of_the_queue(ada, store):
    request_id = ask_about(store)
    other = ask_about(store, document="success_plan")
    assert ada.post(f"/requests/{request_id}/dispute", {"fact": "F12", "note": ""}).status_code in (400, 422)
    answer = ada.post(f"/requests/{request_id}/dispute", {"fact": "F12", "value": "20", "note": "They gave 130 seats back in May"})
    assert answer.status_code == 200 and "2 requests" in answer.text
    assert [show_request(store, one).state for one in (request_id, other)] == ["superseded", "superseded"]
    assert "dispute" in ada.get(f"/requests/{request_id}").text


def test_an_edit_is_a_new_version_that_somebody_else_approves(ada, store, monkeypatch):
    """The gates and the form of the text are tried in tests/approvals; here is what the page does with each answer."""
    request_id = ask_about(store)
    handed = []

    def fake_edit(_store, _settings, edited, text, **options):
        handed.append((edited, text, options["version"], options["person"].name, options["person"].channel))
        return EditReport("held", None, ({"gate": "numbers", "where": "sentence 1", "what": "<b>7</b> is no value of a fact"},))

    monkeypatch.setattr(change_pages, "editable", lambda _store, _id: "# Plan\n\n{{F12: 150 seats}} are unused.\n")
    monkeypatch.setattr(change_pages, "edit", fake_edit)
    form = ada.get(f"/requests/{request_id}/edit")
    assert form.status_code == 200 and "{{F12: 150 seats}} are unused." in form.text
    held = ada.post(f"/requests/{request_id}/edit", {"text": "7 seats </textarea><script>", "version": "1", "note": "why"})
    assert held.status_code == 422 and "&lt;b&gt;7" in held.text and "&lt;/textarea&gt;&lt;script&gt;" in held.text
    assert handed == [(request_id, "7 seats </textarea><script>", 1, "ada", "inbox")]
    monkeypatch.setattr(change_pages, "edit", lambda *_args, **_options: EditReport("asked", "req-0123456789ab"))
    assert ada.post(f"/requests/{request_id}/edit", {"text": "x", "version": "1"}).headers["location"] == "/requests/req-0123456789ab?edited=asked"


def test_an_edit_of_a_stale_version_or_by_a_role_that_is_too_low_is_refused(ada, store):
    request_id = ask_about(store, risk_band="red")
    assert ada.post(f"/requests/{request_id}/edit", {"text": "# New", "version": "1"}).status_code == 403
    other = ask_about(store, "ACC-2")
    assert ada.post(f"/requests/{other}/edit", {"text": "# New", "version": "7"}).status_code == 409


def test_reading_keeps_the_night_from_taking_the_question_away(ada, store, monkeypatch):
    request_id = ask_about(store)
    ada.get(f"/requests/{request_id}")
    assert (show_request(store, request_id).opened_by, show_request(store, request_id).opened_until) == ("ada", NOW + timedelta(minutes=15))
    calls = []
    monkeypatch.setattr(item_pages, "open_request", lambda *args: calls.append(args))
    ada.get(f"/requests/{request_id}")  # loaded again: the lease is long enough
    assert calls == []


def test_somebody_elses_lease_is_left_alone(ada, store):
    request_id = ask_about(store)
    open_request(store, request_id, Actor("dora", "director", "inbox"), NOW)
    assert ada.get(f"/requests/{request_id}").status_code == 200
    assert show_request(store, request_id).opened_by == "dora" and ada.decide(request_id, "approve").status_code == 303


def test_a_new_version_shows_what_changed_since_the_one_that_was_approved(ada, store):
    ada.decide(ask_about(store, text="# Plan\n\nCall Ruth.\n\n150 of 200 seats are unused.\n"), "approve")
    new = ask_about(store, version=2, text="# Plan\n\nCall Jonas.\n\n150 of 200 seats are unused.\n", now=NOW + timedelta(hours=1))
    page = " ".join(ada.get(f"/requests/{new}").text.split())
    assert "What changed since the last approved version" in page
    assert '<div class="removed">' in page and "Call Ruth." in page and '<div class="added">' in page


def test_an_alert_is_acknowledged_once_and_only_by_whom_it_concerns(app, ada, dora, sam, store):
    add_alert(store, 1)
    add_alert(store, 2, segment="enterprise")
    assert "Customer 1" in dora.get("/alerts").text and "Customer 1" not in sam.get("/alerts").text and "Customer 2" in sam.get("/alerts").text
    assert "I have seen it" not in ada.get("/alerts").text and ada.post("/alerts/alert-1/acknowledge", {}).status_code == 403
    assert sam.post("/alerts/alert-1/acknowledge", {}).status_code == 404
    assert dora.post("/alerts/alert-/acknowledge", {}).status_code == 404
    add_person(store, load_policy(), "dirk", name="Dirk", role="director", password=PASSWORD, by="test", now=NOW)
    dirk = Browser(app)
    dirk.log_in("dirk")
    assert dora.post("/alerts/alert-1/acknowledge", {"note": "I call them"}).status_code == 303
    assert dirk.post("/alerts/alert-1/acknowledge", {}).status_code == 409
    page = dora.get("/alerts").text
    assert "I call them" in page and page.count("I have seen it") == 1


def test_an_alert_as_the_night_writes_it_is_shown_whole(dora, store):
    """Facts of an alert have more than one shape: whose it is travels with it, and has nothing to show."""
    row = NightRow(
        "ACC-7", "Rosa <b> Limited", "mid_market", director_email="dora@vendor.example", notice_received_on=AS_OF, arr_amount=Decimal(77058), currency="USD"
    )
    (new,) = new_alerts([row], Past(None, {}, frozenset()), load_policy().alerts, AS_OF)
    with store.session() as session:
        session.add(
            Alert(
                alert_id="alert-7", account_key=new.account_key, account_name=new.account_name, kind=new.kind, episode=new.episode, as_of_date=AS_OF,
                segment=new.segment, facts=list(new.facts), text=new.text, text_sha256=sha256_text(new.text), created_at=NOW,
            )
        )  # fmt: skip
    answer = dora.get("/alerts")
    assert answer.status_code == 200 and "<h2>Rosa &lt;b&gt; Limited has given notice</h2>" in answer.text
    assert "<li>ARR: $77,058</li>" in answer.text and "marts.fct_account_signals" in answer.text
    assert "dora@vendor.example" not in answer.text and "# Rosa" not in answer.text


def test_slacks_door_stands_outside_the_forms_but_not_outside_its_signature(settings, store):
    """A press comes from Slack's servers, so it has no session; without its signature it is nobody's."""
    from pydantic import SecretStr

    from vim_pipelines.inbox.app import make_app

    app = make_app(settings.model_copy(update={"slack_signing_secret": SecretStr("s" * 32), "slack_bot_token": SecretStr("xoxb-1")}), store)
    answer = Browser(app).http.post("/slack/interactions", data={"payload": "{}"}, headers={"Origin": "https://slack.com", "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 401
