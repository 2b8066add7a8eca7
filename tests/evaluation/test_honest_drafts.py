"""The honest drafts must be honest: what the liar mutates, and what the gates must let pass, has to be true before anyone touches it."""

import re
from collections import Counter

from vim_pipelines.evaluation.honest_drafts import accounts, honest_drafts
from vim_pipelines.reasoning.facts import compare
from vim_pipelines.reasoning.playbooks import load_playbooks


def test_two_hundred_drafts_on_forty_accounts_say_different_things():
    drafts = list(honest_drafts())
    texts = [paragraph.text_with_slots for item in drafts for section in item.draft.sections for paragraph in section.paragraphs]
    assert (len(drafts), len(accounts()), len({item.account for item in drafts})) == (200, 40, 40)
    assert max(Counter(texts).values()) <= 4  # people lists such as "{{F03}} and {{F04}}." recur


def test_an_honest_draft_uses_known_facts_of_its_document_and_claims_true_directions():
    """A slot for a fact that is unknown, or kept from this document, would make the draft a mutation nobody labelled."""
    playbooks = load_playbooks()
    for item in honest_drafts():
        playbook = playbooks[item.document]
        part = item.sheet.only(playbook.facts, shareable=playbook.audience == "customer")
        for handle in set(re.findall(r"\bF\d\d\b", item.draft.model_dump_json())):
            assert handle in part.facts and part.facts[handle].is_known, (item.id, handle)
        for section in item.draft.sections:
            for paragraph in section.paragraphs:
                for claim in paragraph.compares:
                    assert compare(part.facts[claim.left], part.facts[claim.right]) == claim.relation, (item.id, claim)


def test_an_honest_risk_plan_names_every_risk_of_the_account():
    for item in honest_drafts("risk_mitigation_plan"):
        text = item.draft.model_dump_json()
        assert {risk.scope for risk in item.sheet.risks if risk.handle not in text} == set(), item.id


def test_no_honest_draft_writes_a_digit_itself():
    for item in honest_drafts():
        for section in item.draft.sections:
            for paragraph in section.paragraphs:
                assert not re.search(r"\d", re.sub(r"\{\{F\d\d\}\}", "", paragraph.text_with_slots)), item.id
