"""`vimotion account rerun`: one account drafted and asked about again, on a finished night."""

from __future__ import annotations

import json


def test_a_rerun_supersedes_what_waits_and_a_dry_run_touches_nothing(home):
    pending = json.loads(home.run("inbox", "list", "--json").stdout)
    account = next(item["account_key"] for item in pending if item["state"] == "pending")
    own = {item["request_id"]: item["document"] for item in pending if item["account_key"] == account and item["state"] == "pending"}
    planned = json.loads(home.run("account", "rerun", account, "--dry-run", "--json").stdout)
    assert {item["supersedes"]: item["document"] for item in planned["documents"] if item["supersedes"]} == own
    assert {item["facts"] for item in planned["documents"] if item["supersedes"]} == {"the same"}
    assert json.loads(home.run("inbox", "list", "--json").stdout) == pending, "a dry run asks nothing"

    done = json.loads(home.run("account", "rerun", account, "--json").stdout)
    assert set(done["superseded"]) == set(own) and len(done["requested"]) == len(planned["documents"])
    waiting = json.loads(home.run("inbox", "list", "--json").stdout)
    assert {item["request_id"] for item in waiting if item["account_key"] == account and item["state"] == "pending"} == set(done["requested"])
    assert {item["request_id"] for item in pending if item["account_key"] != account} == {
        item["request_id"] for item in waiting if item["account_key"] != account
    }
    assert "is whole" in home.run("audit-trail", "verify").stdout
    said = home.run("account", "rerun", account).stdout
    assert "Superseded: req-" in said and "Next: vimotion inbox show req-" in said


def test_a_mistyped_account_is_told_with_the_nearest(home):
    done = home.run("account", "rerun", "ACC-HEADLNE", check=False)
    assert done.returncode == 5 and "Did you mean ACC-HEADLINE?" in done.stderr
