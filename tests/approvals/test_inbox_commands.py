"""The inbox at the command line: people, edits, disputes, alerts; what is refused is refused with the list of what would do."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW, make_draft
from click.testing import CliRunner
from stores import settings_for

from vim_pipelines.approvals.people import check_password, list_people
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.cli import main
from vim_pipelines.store import open_store
from vim_pipelines.store.models import Alert


@pytest.fixture
def house(tmp_path, policy):
    """A home in the sandbox with one question and one alert."""
    store = open_store(settings_for(f"sqlite:///{tmp_path / 'operations.db'}", tmp_path))
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "clock.json").write_text(json.dumps({"now": (NOW + timedelta(hours=1)).isoformat()}))
    make_draft(store)
    signals = {"ACC-1": {"arr_amount": 60_000, "currency": "USD", "risk_band": "green", "segment": "smb"}}
    [request_id] = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, signals=signals).requested
    with store.session() as session:
        session.add(
            Alert(
                alert_id="alert-000001", account_key="ACC-1", account_name="Acme", kind="notice_served", episode="2026-06-20", as_of_date=AS_OF, facts=[],
                text="# Acme has given notice\n\n- ARR: $60,000\n", text_sha256="t", created_at=NOW,
            )
        )  # fmt: skip

    def run(*arguments, answer=None):
        return CliRunner().invoke(main, ["--home", str(tmp_path), "inbox", *arguments], input=answer)

    yield run, store, request_id
    store.engine.dispose()


def test_a_state_that_does_not_exist_is_refused_with_the_list_of_states(house):
    """An empty list for a misspelt state reads as 'nothing waits'."""
    run, _, _ = house
    done = run("list", "--state", "bogus")
    assert done.exit_code == 2 and "bogus" in done.output and "changes_requested" in done.output
    assert run("list", "--state", "expired").exit_code == 0


def test_alerts_stand_in_the_list_until_somebody_acknowledges_them(house):
    run, _, _ = house
    assert "Acme has given notice" in run("list").output and "- ARR: $60,000" in run("alerts").output
    assert "VIM-E043" in run("acknowledge", "alert-000001", "--as", "csm").output
    seen = run("acknowledge", "alert-000001", "--as", "dora:director", "--note", "calling them")
    assert "Acknowledged by dora (played by" in seen.output and "calling them" in seen.output
    assert run("alerts").output.strip() == "There is no alert." and "Acme has given notice" not in run("list").output
    assert json.loads(run("alerts", "--all", "--json").output)[0]["note"] == "calling them"


def test_people_are_added_given_a_password_and_removed(house):
    run, store, _ = house
    assert "Nobody may decide yet" in run("people", "list").output
    added = run("people", "add", "dora", "--role", "director", "--segment", "smb", "--email", "Dora@vendor.example", "--os-user", "dora")
    assert "director for smb" in added.output and "no password" in added.output
    assert "VIM-E043" in run("people", "add", "eve", "--role", "owner").output
    assert run("people", "password", "dora", "--help").output.count("--") <= 2, "a password is never an option"
    secret = "correct horse battery"
    done = run("people", "password", "dora", answer=f"{secret}\n{secret}\n")
    assert done.exit_code == 0 and secret not in done.output and check_password(store, "dora", secret) is not None
    assert "VIM-E048" in run("people", "password", "dora", answer="short\nshort\n").output
    run("people", "remove", "dora")
    assert not list_people(store)[0].is_active and check_password(store, "dora", secret) is None
    assert "VIM-E048" in run("people", "password", "dora", answer=f"{secret}\n{secret}\n").output


def test_a_dispute_takes_the_question_out_of_the_queue(house):
    run, store, request_id = house
    assert "VIM-E047" in run("dispute", request_id, "F99", "--note", "no", "--as", "csm").output
    done = run("dispute", request_id, "F12", "--note", "half are test users", "--value", "90", "--as", "csm")
    assert f"taken out of the queue: {request_id}" in done.output and show_request(store, request_id).state == "superseded"


def test_an_edit_from_a_file_that_cannot_be_used_changes_nothing(house, tmp_path):
    run, store, request_id = house
    assert "VIM-E121" in run("edit", request_id).output, "this draft was stored without its parts"
    assert "VIM-E121" in run("edit", request_id, "--file", str(tmp_path / "none.md"), "--as", "csm").output
    assert show_request(store, request_id).state == "pending"


def test_a_decision_can_be_read_by_a_script(house):
    """What a script reads is the request as `inbox list --json` shows it; a refusal keeps its status and says nothing on standard output."""
    run, store, request_id = house
    refused = run("reject", request_id, "--as", "csm", "--json")
    assert refused.exit_code == 7 and refused.stdout == "" and "VIM-E045" in refused.stderr
    listed = json.loads(run("list", "--json").stdout)[0]
    decided = json.loads(run("reject", request_id, "--as", "csm", "--note", "too long", "--json").stdout)
    assert decided["state"] == show_request(store, request_id).state == "rejected" and decided["note"] == "too long"
    assert set(decided) == {*listed, "is_first_of_two"} and decided["request_id"] == request_id


def test_without_a_channel_delivering_says_so(house):
    run, _, _ = house
    assert "No channel is connected" in run("deliver").output


def test_lists_speak_the_installations_policy(house, tmp_path, monkeypatch):
    """Whoever renamed a document in their own policy file read the shipped name at the command line and theirs everywhere else."""
    from vim_pipelines.approvals.policy import POLICY_FILE, load_policy

    run, store, request_id = house
    document = show_request(store, request_id).document
    own = tmp_path / "policy.yaml"
    own.write_text(POLICY_FILE.read_text().replace(f"title: {load_policy().title(document)}\n", "title: Paper of our own\n"))
    monkeypatch.setenv("VIMOTION_POLICY", str(own))
    assert "Paper of our own" in run("list").output and "Paper of our own for" in run("show", request_id).output
