"""How many documents a night of the sandbox's sixty accounts calls for: a Director reads tens of them, not hundreds."""

from collections import Counter
from datetime import date

import pytest

from vim_pipelines.reasoning.gates import check, demands_of
from vim_pipelines.reasoning.materiality import settled
from vim_pipelines.reasoning.playbooks import load_playbooks
from vim_pipelines.reasoning.providers.offline import SIGNATURE, write
from vim_pipelines.reasoning.reading import read_actions, read_fact_sheets, read_phases, read_signals
from vim_pipelines.reasoning.render import render
from vim_pipelines.reasoning.triggers import select_documents
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

#: A whole night for a count; the triggers have tests of their own.
pytestmark = pytest.mark.slow

AS_OF = date(2026, 6, 28)
#: Measured on 28 June 2026 with 60 accounts: 67 documents for 34 of them. Those of a phase have an account in it; those of the queue lie within
#: its week, or are an account's first action. The weekly capacity (25) cuts what comes after the most urgent.
AT_MOST = {
    "risk_mitigation_plan": 18, "license_optimization_plan": 18, "value_realization_roadmap": 12, "early_renewal_strategy": 12, "success_plan": 8, "training_nudge": 8,
    "anchor_request": 8, "handoff_audit": 8, "psp_diagnostic": 4, "next_best_action": 6,
}  # fmt: skip


def test_sixty_accounts_call_for_tens_of_documents_and_each_is_ready_to_be_asked_about(first_night):
    """A draft for every open action would have been 174; what capacity cuts is listed, but nobody reads a list of hundreds."""
    home, _ = first_night
    playbooks = load_playbooks()
    with DuckDBWarehouse(home.path / "warehouse.duckdb").session(read_only=True) as session:
        signals, risks = read_signals(session, AS_OF)
        actions = read_actions(session, AS_OF)
        selected = select_documents(signals, risks, playbooks, actions=actions, phases=read_phases(session, AS_OF))
        sheets = read_fact_sheets(session, AS_OF, [item.account_key for item in selected], with_evidence=False)
    counted = Counter(item.document for item in selected)
    assert {"handoff_audit", "anchor_request", "success_plan", "training_nudge", "risk_mitigation_plan"} <= set(counted)
    assert all(count <= AT_MOST.get(document, 6) for document, count in counted.items()), counted
    assert len(selected) <= 90 < len(actions)
    texts = {}
    for item in selected:
        playbook = playbooks[item.document]
        part = settled(sheets[item.account_key].only(playbook.facts, shareable=playbook.audience == "customer"))
        draft = write(playbook, part)
        assert check(draft, part, demands_of(playbook)) == [], (item.account_key, item.document)
        rendered = render(draft, part, playbook, signature=SIGNATURE)
        first = min(date.fromisoformat(step["due_on"]) for step in rendered.steps)
        assert (first - AS_OF).days <= 7, (item.account_key, item.document)
        texts[item.account_key, item.document] = rendered.text
    assert len(set(texts.values())) == len(selected)
