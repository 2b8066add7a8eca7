"""Prompt files are checked with the line that is wrong, and triggers decide who gets which document."""

import shutil
from datetime import date
from decimal import Decimal

import pytest
from reasoning_cases import risk

from vim_pipelines.approvals.payload import CONNECTED_ACTIONS
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle.phases import load_map
from vim_pipelines.reasoning.playbooks import RE_PLAN, actions_for, criteria_for, load_playbook, load_playbooks, load_re_plan
from vim_pipelines.reasoning.triggers import cut_at_capacity, select_documents
from vim_pipelines.settings import resource_path


def test_every_document_that_ships_is_one_of_the_map_and_re_plan_is_how_they_are_written_again():
    """A document that no requirement and no list of the map knows would be written by a rule that nobody agreed to."""
    assert set(load_playbooks()) == set(load_map().documents) - {RE_PLAN}
    assert RE_PLAN in load_map().documents and load_re_plan().version >= 1
    assert {requirement.document for requirement in load_map().requirements} <= set(load_map().documents) - {RE_PLAN}


def test_who_approves_stands_the_same_in_prompt_and_policy():
    policy = load_policy()
    for playbook in load_playbooks().values():
        assert playbook.id in policy.documents, f"approvals/policy.yaml has no line for {playbook.id}"
        assert policy.rule(playbook.id).approver_role == playbook.approver_role
    assert policy.rule("a_document_nobody_named").approver_role == policy.roles[-1]


def test_only_actions_of_the_map_are_named_and_each_document_leaves_a_record():
    """The Task and whatever is left to a person point to the record in the CRM that holds the approved text."""
    for playbook in load_playbooks().values():
        names = [action.action for action in playbook.on_approve]
        assert set(names) <= set(load_map().actions) and "crm_note" in names and len(names) == len(set(names))


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
        ("when: {groups: several}", "when: {mentions: {phase_name: Value}}", "section summary tests the fact phase_name, which is not in the list facts", 0),
        ("when: {at_least: {days_to_renewal: 181}}", "when: {days_ago: {pain_due_on: 3}}", "tests the fact pain_due_on", 0),
        ('Priority: Normal, ActivityDate: "{first_due_on}"}', 'Priority: Normal, ActivityDate: "{due_someday}"}', "an action knows no {due_someday}", 0),
        ('idempotency_key: "{draft_key}:crm_note"', 'idempotency_key: "{note}"', "an action knows no {note}", 0),
        ("action: crm_task", "action: crm_tsk", "on_approve.1.action", 0),
        ("on_approve:\n  - action: crm_note", "on_approve:\n  - action: crm_fields", "on_approve needs crm_note", 1),
        ("on_approve:\n  - action: crm_note", "on_approve:\n  - action: crm_task", "on_approve needs crm_note", 1),
        ("      risk: {rules: [MUDA_SHELFWARE]}", "      state: {phases: [4, 12]}", "the lifecycle map has no phase 12", 0),
        (
            "      risk: {rules: [MUDA_SHELFWARE]}",
            "      action: {requirements: [p4_adoptoin]}",
            "does not serve the requirement p4_adoptoin; did you mean 'p4_adoption'",
            0,
        ),
        ("      risk: {rules: [MUDA_SHELFWARE]}", "      action: {requirements: [p1_sales_docs]}", "does not serve the requirement p1_sales_docs", 0),
        ("max_words: 900\n", "max_words: 900\nexcerpts: [rumour]\n", "excerpts.0", 0),
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


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1\nowner", "version: none\nowner", "line 3: version"),
        ("id: re_plan", "id: re_write", "line 2: id"),
        ("last_version:", "latest_version:", "last_version: Field required"),
        ("- {version: 1,", "- {version: 2,", "the changelog ends with version 2, the file says 1"),
    ],
)
def test_a_wrong_file_of_the_re_planning_is_answered_with_its_line(tmp_path, old, new, expected):
    text = (resource_path("prompts") / "re_plan.yaml").read_text()
    assert old in text
    (tmp_path / "re_plan.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(VimError, match="VIM-E030") as caught:
        load_re_plan(tmp_path)
    assert expected in str(caught.value)
    with pytest.raises(VimError, match="There is no prompt file re_plan.yaml"):
        load_re_plan(tmp_path / "empty")


def test_every_document_that_ships_is_judged_by_what_it_shows():
    for playbook in load_playbooks().values():
        facts = [{"metric": name, "scope": "account", "status": "ok", "value_number": "10", "value_text": "2026-12-01"} for name in playbook.facts]
        assert len(playbook.success_criteria) >= 1
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
        by_name = {action["action"]: action["fields"] for action in actions}
        assert by_name["crm_note"]["Body__c"] == "{not a slot}" and by_name.get("crm_task", {}).get("ActivityDate", "2026-07-13") == "2026-07-13"
        assert set(by_name) & set(CONNECTED_ACTIONS), "an approval that carries nothing out leaves no trace"


def signal(account="ACC-1", **values):
    row = {"account_key": account, "days_to_renewal": 240, "days_to_opt_out": 180, "risk_band": "yellow", "waste_annual": 43500, "unused_value_annual": 45000}
    return row | {"arr_amount": 60000, "lean_risk": 64.0, "contract_status": "ok"} | values


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


def test_a_customer_whose_contract_has_ended_gets_no_plan_against_losing_it():
    """Seven lost customers of the sandbox got a Risk Mitigation Plan every week. Where no contract is known at all a risk is still a risk."""
    grave = risk("MURI_AGED_P1", "critical", "ACC-1")
    for document in ("risk_mitigation_plan", "escalation_brief"):
        assert document in documents(signal(risk_band="red", seats_contracted=60), grave)
        assert document in documents(signal(risk_band="red", seats_contracted=None), grave)
        assert document not in documents(signal(risk_band="red", seats_contracted=0), grave)


def test_without_a_contract_there_is_no_handoff_to_audit():
    """In a portfolio of open-source activity, with no contract in any source, the queue's actions made twelve handoff audits that knew nothing."""
    waits = action("p1_handoff_meeting", "handoff_audit")
    for status, expected in (("ok", {"handoff_audit"}), (None, set()), ("unknown", set())):
        found = select_documents([signal(contract_status=status)], [risk("HANDOFF_GAP", "medium", "ACC-1")], load_playbooks(), actions=[waits], phases={})
        assert {item.document for item in found} == expected


def test_a_risk_of_another_account_selects_nothing():
    assert documents(signal(), risk("MUDA_SHELFWARE", "high", "ACC-2")) == set()


def action(requirement, document, account="ACC-1", *, rank=1, in_capacity=True):
    return {"account_key": account, "requirement_id": requirement, "document": document, "account_rank": rank, "is_in_capacity": in_capacity}


def called_for(*actions, phases=(), risks=()):
    chosen = select_documents([signal()], risks, load_playbooks(), actions=actions, phases={"ACC-1": frozenset(phases)})
    return {item.document for item in chosen}


def test_a_new_customer_is_audited_and_their_account_executive_is_asked_though_the_week_is_full():
    """Four of the five requests for anchors of the sandbox lie beyond the owner's week; each holds its account in transition."""
    assert called_for(phases=[1]) == {"handoff_audit"}
    assert called_for(action("p1_sales_docs", "anchor_request", in_capacity=False), phases=[1]) == {"handoff_audit", "anchor_request"}
    assert called_for(action("p1_sales_docs", "anchor_request", in_capacity=False, rank=2), phases=[1]) == {"handoff_audit"}
    assert called_for(action("p1_sales_docs", "anchor_request", in_capacity=False), phases=[4]) == set()


def test_diagnostic_and_success_plan_belong_to_their_phases_and_the_pivot_is_a_success_plan():
    """`re_plan` was the pivot's document once, and it is none: the pivot changes the way to first value, and the success plan holds that way."""
    assert called_for(phases=[2]) == {"psp_diagnostic"}
    assert called_for(phases=[3]) == {"success_plan"}
    assert load_map().by_id["p4_pivot"].document == "success_plan"
    assert called_for(action("p4_pivot", "success_plan", in_capacity=False), phases=[4]) == {"success_plan"}
    assert called_for(action("p4_pivot", "success_plan", in_capacity=False, rank=2), phases=[4]) == set()


def test_what_lies_beyond_the_week_and_is_not_the_first_action_is_no_document():
    """154 of the sandbox's 174 open actions lie beyond their owners' weeks; a draft for each would be a flood."""
    beyond = [
        action("p5_follow_up", "next_best_action", rank=2, in_capacity=False),
        action("p4_onboarding", "training_nudge", rank=3, in_capacity=False),
        action("p9_multi_threading", "psp_diagnostic", in_capacity=False),
    ]
    assert called_for(*beyond, phases=[4, 5]) == set()
    assert called_for(action("p5_follow_up", "next_best_action"), phases=[4, 5]) == {"next_best_action"}
    assert called_for(action("p5_follow_up", "next_best_action", rank=2), phases=[4, 5]) == set()
    assert called_for(action("p4_onboarding", "training_nudge", rank=3), phases=[4]) == {"training_nudge"}


def test_an_invitation_to_train_follows_a_finding_though_the_week_is_full():
    """It takes the owner minutes, and it is what late first value and empty seats have in common."""
    onboarding = action("p4_onboarding", "training_nudge", rank=3, in_capacity=False)
    campaign = action("p4_campaigns", "training_nudge", rank=3, in_capacity=False)
    late, unused = risk("FTTV_LATE", "medium", "ACC-1"), risk("MUDA_SHELFWARE", "medium", "ACC-1")
    assert "training_nudge" in called_for(onboarding, phases=[4], risks=[late])
    assert "training_nudge" in called_for(campaign, phases=[4], risks=[unused])
    assert "training_nudge" not in called_for(onboarding, phases=[4], risks=[unused])
    assert "training_nudge" not in called_for(campaign, phases=[4], risks=[late])


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
