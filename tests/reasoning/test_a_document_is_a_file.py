"""Adding a document is adding a file: a prompt file that no code has heard of goes the whole way from trigger to request."""

import asyncio
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from reasoning_cases import AS_OF, HEADLINE_ACCOUNT, HEADLINE_CORE, NOW, fact_row, fact_rows, headline, risk

import vim_pipelines
from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.approvals.text import request_lines
from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning.drafting import DraftReport, Job, draft_and_store
from vim_pipelines.reasoning.facts import build_sheet
from vim_pipelines.reasoning.gates import check, demands_of
from vim_pipelines.reasoning.materiality import draft_key, settled
from vim_pipelines.reasoning.playbooks import RE_PLAN, ParagraphPattern, SectionSpec, load_playbooks, load_re_plan
from vim_pipelines.reasoning.providers.base import DraftRequest
from vim_pipelines.reasoning.providers.offline import OfflineDrafter, write
from vim_pipelines.reasoning.providers.request import contract_sha256, system_text, user_text
from vim_pipelines.reasoning.render import render
from vim_pipelines.reasoning.triggers import select_documents
from vim_pipelines.settings import resource_path
from vim_pipelines.store.models import Draft
from vim_pipelines.writeback.actions import OBJECT_OF, intended_writes

FILE = """\
id: quiet_seats_note
version: 1
label: Internal
owner: Customer Success Operations
audience: internal
trigger:
  any_of:
    - reason: seats beyond the right size and nobody asks for anything
      risk: {rules: [SILENCE]}
      state: {phases: [4]}
  stake: waste_annual
model_tier: standard
schema_ref: DraftDocument
approver_role: csm
on_approve:
  - action: crm_note
    object_name: VIM_Draft__c
    external_id: "{draft_key}"
    fields: {Account__c: "{account_key}", Document__c: "{document}", Title__c: "{title}", Body__c: "{text}", Sha256__c: "{sha256}"}
    precondition: the account exists in the CRM
    idempotency_key: "{draft_key}:crm_note"
    undo: delete the record
  - action: slack_internal
    target: slack
    object_name: message
    external_id: "{draft_key}"
    fields: {channel: customer-success, to: "{csm_name}", subject: "{title}", text: "{text}"}
    precondition: the channel exists
    idempotency_key: "{draft_key}:slack_internal"
    undo: delete the message
success_criteria:
  - id: more_seats_used
    sentence: A month after approval more of the seats are in use than today.
    measure: utilization_28d
    comparison: above_baseline_by
    target: 0.05
    judged: on_due
    due: {days_after_approval: 30}
facts: [account_name, csm_name, champion_name, unused_seats, utilization_28d, psp_verdict, risk]
max_words: 300
cite_risks_from: high
steps_heading: What to do
figures_heading: The figures
title: "Quiet seats: {{account_name}}"
system: |
  You write short notes for the Customer Success team of a B2B software vendor about customers who have seats that nobody uses and who
  ask for nothing. The reader is the Customer Success Manager of the account, who wants to know whom to call and why.
instructions: |
  A paragraph with the seats that are unused and the share in use, a paragraph with the risk, and a step for this week.
sections:
  - kind: summary
    heading: What is quiet
    required: true
    about: Unused seats and share in use.
    paragraphs:
      - kind: finding
        sentences:
          - say: "At {{account_name}}, {{unused_seats}} stand unused; {{utilization_28d}} of the seats are in use."
      - kind: finding
        sentences:
          - first_of:
              - when: {mentions: {psp_verdict: risk mitigation}}
                say: "The diagnostic asks for {{psp_verdict}}."
              - when: {unknown: [psp_verdict]}
                say: "There is no verdict of the diagnostic."
      - kind: risk
        for_each: risk
        sentences:
          - say: "{{risk}}. Nobody asks for anything."
steps:
  - action: "Call {{champion_name}} and ask who of the team stopped, and why"
    owner_role: csm
    due_relative: within_a_week
    cites: [unused_seats]
    success_measure: "The reason is on record"
changelog:
  - {version: 1, date: 2026-11-23, note: First version.}
"""


@pytest.fixture
def folder(tmp_path):
    """The prompts that ship, and a file more."""
    target = tmp_path / "prompts"
    shutil.copytree(resource_path("prompts"), target)
    (target / "quiet_seats_note.yaml").write_text(FILE)
    return target


@pytest.fixture
def playbooks(folder, monkeypatch):
    """All documents, as everything that asks for them finds them: the folder is the only thing that changed."""
    import vim_pipelines.reasoning.playbooks as module

    monkeypatch.setattr(module, "resource_path", lambda name: folder)
    load_playbooks.cache_clear()
    load_re_plan.cache_clear()
    yield load_playbooks()
    load_playbooks.cache_clear()
    load_re_plan.cache_clear()


def silent_account():
    return headline(risks=[risk("SILENCE", "high")])


def test_the_file_is_the_document(playbooks, store):
    """Load, trigger, draft, gates, render, store, request, approval, write-back: none of them has a list to be added to."""
    assert set(playbooks) == {path.stem for path in resource_path("prompts").glob("*.yaml")} - {RE_PLAN} | {"quiet_seats_note"}
    signals = {"account_key": "ACC-HEADLINE", "risk_band": "yellow", "days_to_renewal": 240, "days_to_opt_out": 180, "waste_annual": 43500, "arr_amount": 60000}
    phases = {"ACC-HEADLINE": frozenset({4})}
    chosen = select_documents([signals], [risk("SILENCE", "medium")], playbooks, phases=phases)
    assert [(item.document, item.reason) for item in chosen] == [("quiet_seats_note", "seats beyond the right size and nobody asks for anything")]

    playbook = playbooks["quiet_seats_note"]
    part = settled(silent_account().only(playbook.facts, shareable=False))
    assert check(write(playbook, part), part, demands_of(playbook)) == []
    key = draft_key(part, document=playbook.id, prompt_sha256=playbook.sha256, schema_sha256=contract_sha256(), model="offline")
    request = DraftRequest(key, "ACC-HEADLINE", "Northwind Robotics", AS_OF, playbook, part)
    assert "share in use" in system_text(request) and '"quiet_seats_note"' in user_text(request)
    report = DraftReport()
    asyncio.run(draft_and_store(OfflineDrafter(), [Job(request, 1)], store, NOW, report))
    assert (report.written, report.held) == (1, 0)
    with store.session() as session:
        text = session.get_one(Draft, report.draft_ids[0]).rendered_text
    assert "At Northwind Robotics, 150 seats stand unused" in text and "Call Priya Raman" in text and "There is no verdict" in text

    policy = load_policy()
    assert "quiet_seats_note" not in policy.documents
    asked = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, signals={"ACC-HEADLINE": signals | {"currency": "USD"}})
    detail = show_request(store, asked.requested[0])
    assert detail.approver_role == "director", "nobody has said who may decide on it: the stricter role"
    assert [action["action"] for action in detail.actions] == ["crm_note"] and detail.criteria[0]["baseline"] == "0.25"
    with pytest.raises(VimError, match="VIM-E043"):
        decide(store, detail.request_id, "approve", person=Actor("Ada", "csm", "cli"), version=detail.version, note=None, now=NOW, policy=load_policy())
    decided = decide(
        store, detail.request_id, "approve", person=Actor("Olga", "director", "cli"), version=detail.version, note=None, now=NOW, policy=load_policy()
    )
    assert decided.state == "approved" and decided.approved_sha256 == detail.payload_sha256


def test_what_no_target_is_connected_for_is_left_to_the_person_who_approves(playbooks, store):
    """A message that was named in the playbook and silently not sent would be believed to have been."""
    playbook = playbooks["quiet_seats_note"]
    part = settled(silent_account().only(playbook.facts, shareable=False))
    asyncio.run(
        draft_and_store(OfflineDrafter(), [Job(DraftRequest("k", "ACC-HEADLINE", "Northwind Robotics", AS_OF, playbook, part), 1)], store, NOW, DraftReport())
    )
    asked = request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72)
    detail = show_request(store, asked.requested[0])
    assert [(action["action"], action["target"], action["fields"]["to"]) for action in detail.left_to_you] == [("slack_internal", "slack", "Ada Lindqvist")]
    page = "\n".join(request_lines(detail, load_policy(), with_facts=False))
    assert (
        "Left to you, by hand:" in page
        and "post inside the house (slack is not connected), with the text above; channel: customer-success; subject: Quiet" in page
    )
    payload = {"actions": detail.actions, "text": detail.text, "left_to_you": detail.left_to_you}
    writes = intended_writes(detail.request_id, payload, "h", approved_by="Ada", approved_at=NOW + timedelta(hours=1))
    assert [item.action for item in writes] == ["crm_note"] and all(item.action in OBJECT_OF for item in writes)


def test_a_re_planned_draft_knows_by_which_instructions_it_was_re_planned(playbooks, folder, store):
    """The words were in the code once: a draft could not say by which of them it had been written again."""
    playbook = playbooks["quiet_seats_note"]
    part = settled(silent_account().only(playbook.facts, shareable=False))
    request = DraftRequest("k2", "ACC-HEADLINE", "N", AS_OF, playbook, part, feedback="Name the team", previous_text="Old")
    told = load_re_plan()
    message = user_text(request)
    assert told.note.strip() in message and told.last_version.strip() in message and "<reviewer_note>\nName the team" in message
    assert told.note.strip() not in user_text(DraftRequest("k1", "ACC-HEADLINE", "N", AS_OF, playbook, part))
    report = DraftReport()
    asyncio.run(draft_and_store(OfflineDrafter(), [Job(request, 2)], store, NOW, report))
    with store.session() as session:
        assert session.get_one(Draft, report.draft_ids[0]).structured["re_plan_sha256"] == told.sha256
    changed = folder / f"{RE_PLAN}.yaml"
    changed.write_text(changed.read_text() + "# another word\n")
    load_re_plan.cache_clear()
    assert load_re_plan().sha256 != told.sha256


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("a Risk Mitigation Plan, because the sponsor left", "The diagnostic asks for a Risk Mitigation Plan, because the sponsor left."),
        ("A RISK MITIGATION PLAN", "The diagnostic asks for A RISK MITIGATION PLAN."),
        ("a Success Plan, because no risk is seen", None),
        (None, "There is no verdict of the diagnostic."),
    ],
)
def test_a_pattern_may_ask_what_a_text_says(playbooks, verdict, expected):
    playbook = playbooks["quiet_seats_note"]
    rows = [fact_row("psp_verdict", verdict)]
    sheet = build_sheet("ACC-HEADLINE", "Northwind Robotics", AS_OF, fact_rows(HEADLINE_ACCOUNT, {"core": HEADLINE_CORE}) + rows)
    part = settled(sheet.only(playbook.facts, shareable=False))
    text = render(write(playbook, part), part, playbook, signature="").text
    assert ("diagnostic" in text) is (expected is not None) and (expected or "") in text


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"mentions": {"handoff_missing": "sponsor|champion"}}, True),
        ({"mentions": {"handoff_missing": "seats|notice"}}, False),
        ({"silent_on": {"handoff_missing": "seats|notice"}}, True),
        ({"silent_on": {"handoff_missing": "seats|sponsor"}}, False),
        ({"silent_on": {"handoff_conflicting": "seats"}}, False),  # nobody knows: neither said nor unsaid
        ({"same": ("pain_owner", "csm_name")}, True),
        ({"differ": ("pain_owner", "csm_name")}, False),
        ({"differ": ("pain_owner", "champion_name")}, True),
        ({"differ": ("pain_owner", "economic_buyer_name")}, False),
        ({"days_off": {"next_touchpoint_on": 13}}, True),
        ({"days_off": {"next_touchpoint_on": 14}}, False),
        ({"days_ahead": {"next_touchpoint_on": 14}}, True),
        ({"days_off": {"fttv_due_on": 0}}, False),
    ],
)
def test_what_a_pattern_may_ask_of_the_facts(when, holds):
    rows = fact_rows(HEADLINE_ACCOUNT) + [fact_row("handoff_missing", "executive sponsor, known risks"), fact_row("pain_owner", "ADA Lindqvist")]
    rows += [fact_row("next_touchpoint_on", "2026-07-12", unit="date"), fact_row("fttv_due_on", None, unit="date")]
    sheet = build_sheet("ACC-HEADLINE", "Northwind Robotics", AS_OF, rows)
    pattern = ParagraphPattern.model_validate({"kind": "finding", "sentences": [{"when": when, "say": "So it is."}]})
    section = SectionSpec(kind="summary", heading="H", about="A", paragraphs=(pattern,))
    playbook = load_playbooks()["handoff_audit"].model_copy(update={"sections": (section,), "title": "T"})
    assert bool(write(playbook, sheet).sections) is holds


def test_no_code_that_writes_asks_for_or_carries_out_drafts_lists_documents():
    """Three names of documents in a module are a list that the next file would have to be added to.

    Papers of the customer that bear such a name (a post-mortem filed in the CRM) are rows of a source, which `reading.py` tells apart.
    """
    names = [path.stem for path in resource_path("prompts").glob("*.yaml") if path.stem != RE_PLAN]
    pattern = re.compile("|".join(rf"[\"']{name}[\"']" for name in names))
    root = Path(vim_pipelines.__file__).parent
    paths = [
        path for part in ("reasoning", "approvals", "writeback", "reporting", "store") for path in (root / part).rglob("*.py") if path.name != "reading.py"
    ]
    assert len(paths) > 50
    assert {path.name: listed for path in [*paths, *root.glob("*.py")] if len(listed := set(pattern.findall(path.read_text()))) > 2} == {}
