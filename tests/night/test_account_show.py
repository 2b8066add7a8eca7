"""`account show` answers "why this score" with the points it is made of."""

from __future__ import annotations

import json


def test_the_headline_account_shows_what_its_score_is_made_of(first_night):
    home, _ = first_night
    text = home.run("account", "show", "ACC-HEADLINE").stdout
    assert "  why      7" in text and "Band red." in text
    assert "muda  shelfware     70.0" in text
    found = json.loads(home.run("account", "show", "ACC-HEADLINE", "--json").stdout)
    assert round(sum(row["contribution"] for row in found["contributions"]), 2) == found["health"][0]["lean_risk"] == found["signals"][0]["lean_risk"]
    assert found["health"][0]["risk_band"] == found["signals"][0]["risk_band"] == "red"


def test_a_risk_that_is_not_taken_up_says_why(first_night):
    home, _ = first_night
    cut = home.rows("select account_key, rule_id, cut_reason from marts.fct_risks_current where cut_reason is not null order by all")
    words = {"capacity": "[beyond this week's capacity]", "false_discovery": "[held back: may be chance]"}
    for account, rule, reason in cut[:2]:
        lines = home.run("account", "show", account).stdout.splitlines()
        assert any(rule in line and words[reason] in line for line in lines)
    within, slots = home.rows("select count(*), max(weekly_capacity) from marts.fct_risks_current where is_within_capacity and not is_never_cut")[0]
    assert within <= slots and (not cut or any(reason == "capacity" for *_, reason in cut) is (within == slots))
