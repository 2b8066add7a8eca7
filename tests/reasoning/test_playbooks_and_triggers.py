"""Prompt files are checked with the line that is wrong, and triggers decide who gets which document."""

import shutil
from datetime import date
from decimal import Decimal

import pytest
from reasoning_cases import DOCUMENTS, risk

from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning.playbooks import actions_for, criteria_for, load_playbook, load_playbooks
from vim_pipelines.reasoning.triggers import cut_at_capacity, select_documents
from vim_pipelines.settings import resource_path


def test_the_three_documents_ship():
    assert set(DOCUMENTS) <= set(load_playbooks())
    assert [load_playbooks()[name].audience for name in DOCUMENTS] == ["internal", "internal", "customer"]


@pytest.mark.parametrize(
    ("old", "new", "expected", "slack"),
    [
        ("version: 3\n", "version: none\n", "version", 0),
        ("  - tier\n", "  - tears\n", "there is no fact tears", 0),
        ("approver_role: csm", "approver_role: intern", "approver_role", 0),
        ("rules: [MUDA_SHELFWARE]", "rules: [MUDA_SHELFWEAR]", "there is no risk rule MUDA_SHELFWEAR", 0),
        ("max_words: 900", "max_words: 900\nsurprise: 1", "surprise", 0),
        ("kind: timing", "kind: chit_chat", "kind", 0),
        ('title: "License', 'title: ["License', "expected", 1),  # YAML notices an open bracket where the next key begins
        ("{{sponsor_name}} the sponsor;", "{{phase_name}} the sponsor;", "phase_name, which is not in the list facts", 0),
        ("measure: shelfware_seats", "measure: shelf_seats", "there is no measure shelf_seats", 0),
        ("measure: shelfware_seats", "measure: tickets_open", "tickets_open, which is not in the list facts", 0),
        ("measure: shelfware_seats", "measure: champion_name", "champion_name is no number", 0),
        ("    target: 0.5\n", "    target: half\n", "target", 0),
        ("    judged: by_due", "    judged: some_day", "judged", 0),
        ("due: {date: opt_out_date,", "due: {date: birth_date,", "opt_out_date", 0),
    ],
)
def test_a_wrong_prompt_file_is_answered_with_its_line(tmp_path, old, new, expected, slack):
    """A CS operations person edits these files; a stack trace tells them nothing."""
    path = tmp_path / "license_optimization_plan.yaml"
    text = (resource_path("prompts") / path.name).read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(VimError, match="VIM-E030") as caught:
        load_playbook(path)
    assert expected in str(caught.value)
    line = int(str(caught.value).split("wrong in line ")[1].split(":")[0])
    assert abs(line - wrong_line(path, new)) <= slack


def test_a_prompt_file_whose_success_is_a_sentence_is_refused(tmp_path):
    """`success_criteria` were sentences once; nobody could say afterwards whether one had come true."""
    path = tmp_path / "license_optimization_plan.yaml"
    head, _, rest = (resource_path("prompts") / path.name).read_text().partition("success_criteria:\n")
    after = rest[rest.index("facts:\n") :]
    path.write_text(f"{head}success_criteria:\n  - The customer is happy.\n{after}")
    with pytest.raises(VimError, match=rf"line {head.count(chr(10)) + 2}: success_criteria.0: a sentence alone cannot be followed"):
        load_playbook(path)
    path.write_text(f"{head}success_criteria: []\n{after}")
    with pytest.raises(VimError, match="success_criteria: .*at least 1 item"):
        load_playbook(path)


def test_a_due_date_that_the_document_does_not_show_is_refused(tmp_path):
    path = tmp_path / "value_realization_roadmap.yaml"
    path.write_text((resource_path("prompts") / path.name).read_text().replace("{date: renewal_date,", "{date: opt_out_date,"))
    with pytest.raises(VimError, match="due by opt_out_date, which is not in the list facts"):
        load_playbook(path)


def test_every_document_that_ships_is_judged_by_what_it_shows():
    for playbook in load_playbooks().values():
        facts = [{"metric": name, "scope": "account", "status": "ok", "value_number": "10", "value_text": "2026-12-01"} for name in playbook.facts]
        for row in criteria_for(playbook, facts, date(2026, 6, 28)):
            assert row["baseline"] is not None and row["baseline_on"] == "2026-06-28" and row["sentence"].endswith(".")
            assert row["due_date"] == ("2026-12-01" if row["due_fact"] else None)


def wrong_line(path, new):
    """Line of the last line of what was put in."""
    lines = path.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if new.strip().split("\n")[-1] in line)


def test_an_internal_fact_in_a_document_for_a_customer_is_refused_when_the_file_is_loaded(tmp_path):
    path = tmp_path / "value_realization_roadmap.yaml"
    path.write_text((resource_path("prompts") / path.name).read_text().replace("  - fttv_reached_on\n", "  - fttv_reached_on\n  - waste_annual\n"))
    with pytest.raises(VimError, match="waste_annual is internal"):
        load_playbook(path)


def test_a_changed_file_is_another_prompt(tmp_path):
    path = tmp_path / "license_optimization_plan.yaml"
    shutil.copy(resource_path("prompts") / path.name, path)
    before = load_playbook(path).sha256
    path.write_text(path.read_text() + "# a comment\n")
    assert load_playbook(path).sha256 != before


def test_every_write_of_an_approval_has_a_precondition_a_key_and_an_undo():
    for playbook in load_playbooks().values():
        for action in playbook.on_approve:
            assert action.precondition and action.undo and "{draft_key}" in action.idempotency_key
        actions = actions_for(
            playbook, account_key="ACC-1", draft_key="k", title="T", text="{not a slot}", sha256="h",
            steps=[{"number": 1, "action": "a", "owner": "o", "due": "13 July 2026", "due_on": "2026-07-13"}], names={},
        )  # fmt: skip
        assert actions[0]["fields"]["Body__c"] == "{not a slot}" and actions[1]["fields"]["ActivityDate"] == "2026-07-13"


def signal(account="ACC-1", **values):
    row = {"account_key": account, "days_to_renewal": 240, "days_to_opt_out": 180, "risk_band": "yellow", "waste_annual": 43500, "unused_value_annual": 45000}
    return row | {"arr_amount": 60000, "lean_risk": 64.0} | values


def documents(row, *risks):
    return {item.document for item in select_documents([row], risks, load_playbooks())}


def test_the_headline_account_gets_its_plan_and_its_roadmap():
    assert documents(signal(), risk("MUDA_SHELFWARE", "medium", "ACC-1")) == {"license_optimization_plan", "value_realization_roadmap"}


@pytest.mark.parametrize(("days", "expected"), [(180, False), (181, True), (365, True), (366, False), (None, False), (-3, False)])
def test_a_roadmap_is_for_more_than_180_and_at_most_365_days_before_the_renewal(days, expected):
    found = documents(signal(days_to_renewal=days), risk("MUDA_SHELFWARE", "medium", "ACC-1"))
    assert ("value_realization_roadmap" in found) is expected


def test_shelfware_is_needed_for_a_roadmap_and_nothing_is_written_for_a_healthy_account():
    assert documents(signal()) == set()
    assert documents(signal(), risk("MURA_SPIKY", "medium", "ACC-1")) == set()


@pytest.mark.parametrize(
    ("band", "risks", "expected"),
    [("red", (), True), ("yellow", ("high",), True), ("green", ("critical",), True), ("yellow", ("medium",), False), ("unknown", (), False), (None, (), False)],
)
def test_a_risk_plan_is_for_a_red_band_or_a_high_risk(band, risks, expected):
    found = documents(signal(risk_band=band), *(risk("SILENCE", severity, "ACC-1") for severity in risks))
    assert ("risk_mitigation_plan" in found) is expected


def test_a_risk_of_another_account_selects_nothing():
    assert documents(signal(), risk("MUDA_SHELFWARE", "high", "ACC-2")) == set()


def test_the_order_is_severity_then_money_times_nearness():
    rows = [
        signal("A", waste_annual=1000),
        signal("B", waste_annual=90000),
        signal("C", waste_annual=90000, days_to_opt_out=20),
        signal("D", waste_annual=None),
    ]
    rows = [row | {"days_to_renewal": 100} for row in rows]
    risks = [risk("MUDA_SHELFWARE", "medium", key) for key in "ABCD"] + [risk("MURA_DROP", "critical", "A")]
    chosen = [(item.account_key, item.document) for item in select_documents(rows, risks, load_playbooks())]
    assert [account for account, document in chosen if document == "license_optimization_plan"] == ["A", "C", "B", "D"]


def test_what_capacity_cuts_stays_listed():
    rows = [signal(f"ACC-{number}", waste_annual=number * 1000) for number in range(1, 6)]
    chosen = select_documents(rows, [risk("MUDA_SHELFWARE", "medium", row["account_key"]) for row in rows], load_playbooks())
    cut = cut_at_capacity(chosen, 4)
    assert len(cut) == len(chosen) == 10
    assert [item.is_cut for item in cut] == [False] * 4 + [True] * 6
    assert cut[0].priority == Decimal("22500.00")
