"""The policy file and who somebody is at the command line."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from vim_pipelines.approvals.people import add_person, check_password, deactivate, deciders, find_person, list_people, login_name, resolve_actor
from vim_pipelines.approvals.policy import POLICY_FILE, Actor, Stakes, load_policy
from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings
from vim_pipelines.store.models import Person

NOW = datetime(2026, 6, 29, 6, 0)


def changed(tmp_path, old: str, new: str):
    text = POLICY_FILE.read_text()
    assert old in text
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("role: director", "role: vice_president", "vice_president is not in the list of roles"),
        ("max_replan_rounds: 3", "max_replan_rounds: many", "max_replan_rounds"),
        ("max_replan_rounds: 3", "max_replan_round: 3", "max_replan_round"),
        ("on_approve: [crm_note, crm_task]", "on_approve: [crm_task]", "crm_task needs crm_note"),
        ("on_approve: [crm_note, crm_task]", "on_approve: [send_mail]", "on_approve"),
        ("evidence_rows_per_fact: 50", "evidence_rows_per_fact: 500", "evidence_rows_per_fact"),
        ("roles: [csm, director]", "roles: [csm, director", "line"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_entry_that_is_wrong(tmp_path, old, new, says) -> None:
    with pytest.raises(VimError, match="VIM-E046") as caught:
        load_policy(changed(tmp_path, old, new))
    assert says in str(caught.value)


def test_a_missing_policy_is_one_clear_message(tmp_path) -> None:
    with pytest.raises(VimError, match="VIM-E046.*nowhere.yaml"):
        load_policy(tmp_path / "nowhere.yaml")


def test_the_version_follows_the_rules_and_not_the_comments(tmp_path) -> None:
    version = load_policy().version
    assert load_policy(changed(tmp_path, "# Who may decide", "# Who can decide")).version == version
    assert load_policy(changed(tmp_path, "USD: 100000", "USD: 200000")).version != version


def sandbox(tmp_path):
    return Settings(home=tmp_path)


def production(tmp_path):
    return Settings(home=tmp_path, portfolio=tmp_path / "portfolio.yaml")


def test_nobody_decides_without_a_role(store, policy, tmp_path) -> None:
    for settings in (sandbox(tmp_path), production(tmp_path)):
        with pytest.raises(VimError, match="VIM-E043"):
            resolve_actor(settings, store, policy, os_user="mallory")


def test_playing_somebody_is_for_the_sandbox_and_leaves_a_trace(store, policy, tmp_path) -> None:
    def play(settings, acting_as):
        return resolve_actor(settings, store, policy, acting_as=acting_as, os_user="mallory")

    assert play(sandbox(tmp_path), "director") == Actor("director (played by mallory)", "director")
    assert play(sandbox(tmp_path), "dora:csm") == Actor("dora (played by mallory)", "csm")
    with pytest.raises(VimError, match="VIM-E043"):
        play(production(tmp_path), "director")
    with pytest.raises(VimError, match="VIM-E043"):
        play(sandbox(tmp_path), "emperor")


def carl(store, policy, **more):
    return add_person(store, policy, "carl", name="Carl Csm", role="csm", by="root", now=NOW, **more)


def test_a_user_of_the_system_is_a_person_with_a_role_and_segments(store, policy, tmp_path) -> None:
    carl(store, policy, os_user="cc", segments=["smb"])
    assert resolve_actor(production(tmp_path), store, policy, os_user="cc") == Actor("carl", "csm", "cli", ("smb",))
    with pytest.raises(VimError, match="VIM-E043"):
        resolve_actor(production(tmp_path), store, policy, os_user="carl")  # the login is not the system's user
    deactivate(store, "carl", now=NOW)
    with pytest.raises(VimError, match="VIM-E043"):
        resolve_actor(production(tmp_path), store, policy, os_user="cc")


def test_an_identity_belongs_to_one_person(store, policy) -> None:
    carl(store, policy, email="Carl@Vendor.example", slack_user_id="U1")
    assert find_person(store, "email", "carl@vendor.EXAMPLE").login == "carl"
    with pytest.raises(VimError, match="VIM-E048"):
        add_person(store, policy, "mallory", name="M", role="csm", slack_user_id="U1", by="root", now=NOW)
    assert [person.login for person in list_people(store)] == ["carl"]
    assert find_person(store, "slack_user_id", "U2") is None


def test_a_password_is_kept_as_a_hash_and_opens_one_login(store, policy) -> None:
    carl(store, policy, password="correct horse battery")
    assert check_password(store, "carl", "correct horse battery").login == "carl"
    assert check_password(store, "carl", "correct horse batterz") is None
    assert check_password(store, "nobody", "correct horse battery") is None
    with store.session() as session:
        assert "horse" not in session.get(Person, "carl").password_hash
    with pytest.raises(VimError, match="VIM-E048"):
        carl(store, policy, password="short")
    deactivate(store, "carl", now=NOW)
    assert check_password(store, "carl", "correct horse battery") is None


def test_who_may_decide_is_found_by_role_and_segment(store, policy) -> None:
    carl(store, policy, segments=["smb"])
    add_person(store, policy, "dora", name="Dora", role="director", by="root", now=NOW)
    assert [person.login for person in deciders(store, policy, "csm", "smb")] == ["carl", "dora"]
    assert [person.login for person in deciders(store, policy, "csm", None)] == ["dora"]
    assert [person.login for person in deciders(store, policy, "director", "smb")] == ["dora"]


@pytest.mark.parametrize(
    "stakes, role, needed",
    [
        (Stakes(Decimal(60_000), "USD", "green", "smb"), "csm", 1),
        (Stakes(Decimal(100_000), "USD", "green", "smb"), "director", 1),  # the limit itself counts
        (Stakes(Decimal(60_000), "USD", "red", "smb"), "director", 1),
        (Stakes(Decimal(60_000), "USD", "green", "smb", Decimal(50_000), "USD"), "director", 1),
        (Stakes(Decimal(500_000), "USD", "green", "smb"), "director", 2),
        (Stakes(Decimal(60_000), "USD", "green", "smb", Decimal(150_000), "USD"), "director", 2),
        (Stakes(None, None, "green", "smb"), "director", 1),
        (Stakes(Decimal(60_000), "CHF", "green", "smb"), "director", 1),
        (Stakes(Decimal(60_000), "USD", None, "smb"), "director", 1),
    ],
)
def test_who_decides_follows_money_risk_and_what_is_unknown(policy, stakes, role, needed) -> None:
    document = "license_optimization_plan"
    assert (policy.approver_role(document, stakes), policy.approvals_needed(document, stakes)) == (role, needed)


def test_a_segment_can_ask_for_the_higher_role_and_for_two(policy) -> None:
    strict = policy.model_copy(
        update={
            "escalation": policy.escalation.model_copy(update={"segments": ("enterprise",)}),
            "two_people": policy.two_people.model_copy(update={"segments": ("enterprise",)}),
        }
    )
    small = Stakes(Decimal(1_000), "USD", "green", "enterprise")
    assert (strict.approver_role("training_nudge", small), strict.approvals_needed("training_nudge", small)) == ("director", 2)
    assert (policy.approver_role("training_nudge", small), policy.approvals_needed("training_nudge", small)) == ("csm", 1)


def test_the_login_is_that_of_the_process_not_of_an_environment_variable(monkeypatch) -> None:
    """$USER and $LOGNAME are whatever the caller wants them to be."""
    name = login_name()
    for variable in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(variable, "the-director")
    assert login_name() == name != "the-director"
