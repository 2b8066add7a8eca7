"""The policy file and who somebody is at the command line."""

from __future__ import annotations

import pytest

from vim_pipelines.approvals.actors import login_name, resolve_actor
from vim_pipelines.approvals.policy import POLICY_FILE, load_policy
from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings


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


def test_the_version_follows_the_rules_and_not_the_comments_or_the_staff(tmp_path) -> None:
    version = load_policy().version
    assert load_policy(changed(tmp_path, "# Who may decide", "# Who can decide")).version == version
    assert load_policy(changed(tmp_path, "people: {}", "people: {carl: csm}")).version == version
    assert load_policy(changed(tmp_path, "USD: 100000", "USD: 200000")).version != version


def sandbox(tmp_path):
    return Settings(home=tmp_path)


def production(tmp_path):
    return Settings(home=tmp_path, portfolio=tmp_path / "portfolio.yaml")


def test_nobody_decides_without_a_role(tmp_path) -> None:
    for settings in (sandbox(tmp_path), production(tmp_path)):
        with pytest.raises(VimError, match="VIM-E043"):
            resolve_actor(settings, os_user="mallory")


def test_playing_somebody_is_for_the_sandbox_and_leaves_a_trace(tmp_path) -> None:
    assert resolve_actor(sandbox(tmp_path), acting_as="director", os_user="mallory") == ("director (played by mallory)", "director")
    assert resolve_actor(sandbox(tmp_path), acting_as="dora:csm", os_user="mallory") == ("dora (played by mallory)", "csm")
    with pytest.raises(VimError, match="VIM-E043"):
        resolve_actor(production(tmp_path), acting_as="director", os_user="mallory")
    with pytest.raises(VimError, match="VIM-E043"):
        resolve_actor(sandbox(tmp_path), acting_as="emperor", os_user="mallory")


def test_the_policy_maps_a_login_to_a_role(tmp_path) -> None:
    policy = load_policy(changed(tmp_path, "people: {}", "people: {carl: csm, dora: director}"))
    assert resolve_actor(production(tmp_path), policy=policy, os_user="carl") == ("carl", "csm")
    assert resolve_actor(production(tmp_path), policy=policy, os_user="dora") == ("dora", "director")


def test_the_login_is_that_of_the_process_not_of_an_environment_variable(monkeypatch) -> None:
    """$USER and $LOGNAME are whatever the caller wants them to be."""
    name = login_name()
    for variable in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(variable, "the-director")
    assert login_name() == name != "the-director"
