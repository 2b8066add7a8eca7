"""Risks in words that no rule gave: people, money, law, rivals, owners, moods; hearsay; softer and harder words; what states nothing passes."""

import pytest
from reasoning_cases import headline, part_for, risk

from vim_pipelines.reasoning.gates import Demands, check
from vim_pipelines.reasoning.schema import DraftDocument, Paragraph, PlanStep, Section

#: One rule found something low, one something critical; neither speaks of what the sentences below invent.
RISKS = [risk("MURA_SPIKY", "low"), risk("MUDA_SHELFWARE", "critical")]
INVENTED = (
    "Our main supporter there has accepted a position elsewhere.",
    "The person who bought us retires before the renewal.",
    "Word has it that their operations chief is on his way out.",
    "With the departure of the head of IT we lose our voice there.",
    "Money is tight at the customer this year.",
    "The customer must save wherever it can.",
    "Spending has been stopped across the group.",
    "The works were told to tighten their belts.",
    "The company is in the red and its bank has lost patience.",
    "Administrators have been appointed.",
    "Sales at the customer have collapsed and investors pull out.",
    "A profit warning went out.",
    "The customer has hired a law firm to look at our contract.",
    "A judge will decide about the clause.",
    "Their counsel wrote us a stern letter.",
    "A class action has been filed against the company.",
    "Customer records were exposed through our product.",
    "A vulnerability in our product has alarmed their IT.",
    "Malware took their systems offline.",
    "An intruder had access to their tenant.",
    "They are shopping around.",
    "A demo with someone else is booked.",
    "We are one of several on their shortlist.",
    "Another product is already installed in two depots.",
    "Talks with a larger group about a sale are under way.",
    "The two companies will join forces.",
    "The firm changes hands this year.",
    "A holding now controls them.",
    "The department that uses the product is being dissolved.",
    "A new structure takes effect after the summer.",
    "Responsibilities there have been reshuffled.",
    "A management shake-up is in progress.",
    "Users hate the interface.",
    "Their people grumble about every update.",
    "Nobody there likes the product.",
    "People there think that the product is a waste of time.",
    "The last invoices have not been settled.",
    "The customer withholds the fee.",
    "Dunning has started.",
    "They stopped paying in spring.",
    "A strike is looming at their plants.",
    "Industrial action has been announced.",
    "Pickets stand at the gates.",
    "The crews are down tools.",
    "They no longer believe what we say.",
    "They feel betrayed.",
    "Goodwill is used up.",
    "We are no longer seen as a partner.",
    "Reportedly their administrator has already resigned.",
    "We hear that they will let the contract run out.",
    "Nobody at the customer picks up the phone.",
    "Half the requests of support missed the target.",
)
SOFTENED = (
    "{r} is nothing to worry about.",
    "{r} will pass by itself.",
    "{r} may be left for another day.",
    "{r} looks worse than it is.",
    "We can live with {r}.",
    "{r} need not concern anybody.",
    "{r} will take care of itself.",
    "{r} is routine.",
    "{r} has little bearing on the renewal.",
    "{r} is mostly a matter of form.",
)
HARDENED = (
    "{r} puts the whole contract at stake.",
    "{r} is the worst thing we have seen here.",
    "{r} will sink the renewal.",
    "{r} could end the relationship.",
    "{r} is far graver than it looks.",
    "{r} is about to blow up.",
)
NOT_STATED = (
    "Ask whether the budget was cut.",
    "No competitor is known to us.",
    "Is their CFO still there?",
    "If the sponsor leaves, the plan is read again.",
    "We do not know why people stopped.",
    "Nobody there has complained.",
    "{{F03}} is the one to ask.",
)


def gates_of(text, kind="finding", handles=(), action="Go through the seat list with the customer"):
    _, part = part_for("risk_mitigation_plan", headline(risks=RISKS))
    paragraph = Paragraph(text_with_slots=text, fact_ids=list(handles), compares=[], kind=kind)
    step = PlanStep(action=action, owner_role="csm", due_fact=None, due_relative="within_a_week", fact_ids=[], success_measure="The list is agreed")
    document = DraftDocument(title="A plan for {{F01}}", sections=[Section(kind="risks", paragraphs=[paragraph])], steps=[step])
    return {finding.gate for finding in check(document, part, Demands("internal"))}


def handle_of(severity):
    _, part = part_for("risk_mitigation_plan", headline(risks=RISKS))
    return next(fact.handle for fact in part.risks if fact.detail == severity)


@pytest.mark.parametrize("text", INVENTED)
def test_what_no_rule_found_is_held_in_any_words(text):
    assert "invented_risk" in gates_of(text)


@pytest.mark.parametrize("text", NOT_STATED)
def test_what_is_asked_denied_or_supposed_is_not_stated(text):
    assert not {"invented_risk", "severity"} & gates_of(text)


@pytest.mark.parametrize(
    "text", ["There is no doubt that their budget is frozen.", "Ask why their budget was cut.", "It is no secret that they are talking to a competitor."]
)
def test_a_denial_that_denies_nothing_hides_no_risk(text):
    assert "invented_risk" in gates_of(text)


@pytest.mark.parametrize("text", SOFTENED)
def test_a_critical_risk_is_not_played_down(text):
    handle = handle_of("critical")
    assert "severity" in gates_of(text.replace("{r}", "{{" + handle + "}}"), "risk", [handle])


@pytest.mark.parametrize("text", HARDENED)
def test_a_low_risk_is_not_made_worse(text):
    handle = handle_of("low")
    assert "severity" in gates_of(text.replace("{r}", "{{" + handle + "}}"), "risk", [handle])


def test_a_severe_word_that_is_denied_makes_nothing_worse():
    handle = handle_of("low")
    assert "severity" not in gates_of("{{" + handle + "}}. Uneven, but not alarming.", "risk", [handle])
