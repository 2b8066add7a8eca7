"""What is shipped for Slack's side and what the code asks for are one thing."""

import re
from pathlib import Path

import yaml

from vim_pipelines.approvals.channels.slack_http import PATH
from vim_pipelines.doctor.services import slack as _slack
from vim_pipelines.vendors.slack import SCOPES

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFEST = REPOSITORY / "deploy" / "slack" / "manifest.yaml"
HOW_TO = REPOSITORY / "docs" / "how-to" / "slack.md"


def test_the_manifest_asks_for_the_scopes_that_doctor_looks_for():
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == set(SCOPES)
    assert manifest["settings"]["interactivity"]["is_enabled"] and manifest["settings"]["socket_mode_enabled"]
    assert PATH in MANIFEST.read_text() and PATH in HOW_TO.read_text()


def test_the_how_to_gives_each_scope_its_reason():
    [table] = re.findall(r"\| scope \| for \|\n\|---\|---\|\n((?:\|.*\n)+)", HOW_TO.read_text())
    assert set(re.findall(r"`([a-z:.]+)`", table)) == set(SCOPES)


def test_doctor_has_one_line_on_slack_and_none_where_it_is_not_set_up(house):
    [finding] = _slack(house.settings)
    assert (finding.area, finding.name, finding.status) == ("messages", "Slack", "ok") and "Socket Mode" in finding.text
    house.slack.scopes.remove("im:write")
    [finding] = _slack(house.settings)
    assert finding.status == "fail" and "im:write" in finding.text and finding.fix
    assert list(_slack(house.settings.model_copy(update={"slack_bot_token": None}))) == []


def test_doctor_offers_the_slack_id_of_who_has_none(house):
    """It is never put in by itself: an address in Slack is what its workspace says, a right to decide is what we say."""
    from approval_drafts import NOW

    from vim_pipelines.approvals.people import add_person, find_person
    from vim_pipelines.sandbox.emulators.slack import Member

    house.slack.members["U0FRED"] = Member("U0FRED", "fred", "fred@vendor.example")
    for login in ("fred", "gina"):
        add_person(house.store, house.policy, login, name=login, role="csm", email=f"{login}@vendor.example", by="test", now=NOW)
    finding = list(_slack(house.settings))[1]
    assert (finding.status, "fred (U0FRED)" in finding.text, "gina (no member" in finding.text) == ("warn", True, True)
    assert find_person(house.store, "slack_user_id", "U0FRED") is None
