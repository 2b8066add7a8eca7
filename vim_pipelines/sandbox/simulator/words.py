"""Names and phrases of the simulated world. Every mail domain ends in `.example`, which nobody can own (RFC 2606)."""

from __future__ import annotations

FIRST = (
    "Amara", "Anders", "Beatriz", "Bilal", "Carla", "Chen", "Daniela", "Deepak", "Elena", "Emeka", "Farah", "Felix", "Grace", "Hana", "Hugo", "Ines", "Ivan",
    "Jonas", "Joy", "Kaito", "Katrin", "Lars", "Leila", "Marco", "Maya", "Mei", "Nadia", "Noah", "Olga", "Omar", "Paula", "Priya", "Quentin", "Rosa", "Ruth",
    "Samir", "Sofia", "Tariq", "Teresa", "Uma", "Viktor", "Wanda", "Yusuf", "Zoe",
)  # fmt: skip
LAST = (
    "Adeyemi", "Almeida", "Andersson", "Bauer", "Bianchi", "Castro", "Chandra", "Dubois", "Eriksen", "Fischer", "Fontaine", "Garcia", "Gupta", "Haddad", "Hansen",
    "Ito", "Jensen", "Kaplan", "Keller", "Kowalski", "Larsen", "Lindqvist", "Malik", "Marin", "Moreau", "Nakamura", "Novak", "Okafor", "Olsen", "Park", "Petrov",
    "Quinn", "Ramirez", "Rossi", "Santos", "Schmidt", "Silva", "Tanaka", "Thorne", "Urban", "Vargas", "Weber", "Wright", "Yilmaz", "Zhang", "Ziegler",
)  # fmt: skip

_PLACE = (
    "Alder", "Amber", "Apex", "Arbor", "Aster", "Bayside", "Beacon", "Birch", "Bluefin", "Bright", "Cascade", "Cedar", "Cobalt", "Copper", "Coral", "Crest", "Delta",
    "Dover", "Eastgate", "Elm", "Ember", "Falcon", "Fern", "Fjord", "Garnet", "Glacier", "Granite", "Harbor", "Hazel", "Heron", "Indigo", "Iron", "Jasper", "Juniper",
    "Keystone", "Larch", "Lark", "Linden", "Lumen", "Maple", "Meridian", "Mistral", "Nimbus", "Northgate", "Oak", "Onyx", "Orchard", "Osprey", "Pine", "Pioneer",
    "Prairie", "Quarry", "Raven", "Redwood", "Ridge", "River", "Rowan", "Sable", "Sequoia", "Silver", "Slate", "Sparrow", "Summit", "Tidal", "Timber", "Topaz",
    "Umber", "Valley", "Vega", "Violet", "Walnut", "Westbrook", "Willow", "Zephyr",
)  # fmt: skip
_TRADE = (
    "Logistics", "Foods", "Health", "Energy", "Insurance", "Retail", "Media", "Motors", "Pharma", "Textiles", "Education", "Capital", "Airways", "Chemicals",
    "Construction", "Dental", "Devices", "Freight", "Hotels", "Instruments", "Legal", "Marine", "Optics", "Packaging", "Paper", "Plastics", "Power", "Printing",
    "Rail", "Semiconductors", "Shipping", "Software", "Steel", "Systems", "Telecom", "Travel", "Water", "Works",
)  # fmt: skip
_FORM = ("Group", "Holding", "Partners", "International", "North", "Europe", "Labs")

OUTCOMES = (
    "cut the monthly close from {baseline} to {target} days", "bring the average approval time down from {baseline} to {target} hours",
    "reduce rework tickets from {baseline} to {target} a month", "shorten quote preparation from {baseline} to {target} hours",
    "lower the planning effort per project from {baseline} to {target} hours",
)  # fmt: skip
PAIN_METRICS = ("days_to_close", "approval_hours", "rework_tickets_per_month", "quote_hours", "planning_hours_per_project")
FIRST_VALUE = (
    "first project closed in the product", "first team working without spreadsheets", "first report delivered to the board",
    "first approval round without e-mail", "first workflow in production",
)  # fmt: skip
RISKS = (
    "the IT department has not yet approved single sign-on", "a similar tool is still in use in one subsidiary", "the project lead is on parental leave from autumn",
    "the data migration depends on an external integrator", "works council consent is needed before time tracking starts",
)  # fmt: skip
COMMITMENTS = (
    "two admin workshops within the first month", "a named solution architect until go-live", "import of the last two years of project data",
    "a security questionnaire answered before the pilot", "a connector to their ERP in the standard scope",
)  # fmt: skip
TICKET_SUBJECTS = (
    "Cannot log in after SSO change", "Export ends with an error", "Report shows wrong totals", "How do we add a new team?", "Page loads slowly in the morning",
    "Workflow stopped without a message", "Invoice address is out of date", "Permission denied on shared project", "API returns 500 for large batches",
    "Notification mails arrive late", "Import skips rows with umlauts", "Question about templates",
)  # fmt: skip
CADENCE_NOTES = (
    "Walked through usage by team; agreed to invite the planning group next month.", "Reviewed open tickets. No blockers. Next call as planned.",
    "Customer asked about templates for the new site; sent the guide.", "Talked about the onboarding of new hires and the training plan.",
    "Looked at adoption of approvals. Team leads want a short refresher.", "Quiet month. Champion confirmed that the weekly routine works.",
)  # fmt: skip
RED_FLAGS = ("migration scope is not agreed", "no executive has joined a call yet", "security review is still open", "two teams keep using the old tool")
FOLLOW_UPS = (
    "Send the minutes", "Send the template guide", "Set up the training for the new team", "Clarify the open ticket with support",
    "Send the usage report by team", "Arrange a call with the product manager", "Check the export of last month",
)  # fmt: skip
INTERNAL_NOTES = (
    "Sales, support and product agree on the next half year; no open points.", "Two tickets are looked at together with support; product takes one wish along.",
    "Renewal date and contacts checked; account executive joins the next business review.",
)  # fmt: skip
CAMPAIGNS = {
    "training": "First steps for new users", "adoption": "Back to the weekly routine", "launch": "New in this release", "advocacy": "Tell others",
    "win_back": "What has changed since",
}  # fmt: skip
REFERENCE_KINDS = ("reference_call", "case_study", "review", "advisory_board", "product_council")
VALUE_STORY = (
    "{name} began with {metric} at {baseline}. The goal is {target}. In the last business review the project office showed where it stands, which teams work "
    "in the product every week and what they stopped doing by hand."
)
EXPANSION_CASE = "{name} wants to {outcome} in further teams. {seats} more people would need a seat; the champion names two teams that have asked for it."
LOSS_REASONS = (
    "the budget moved to another project", "two departments kept their old tool", "the sponsor left and the successor brought a tool of her own",
    "the integration with the ERP was never finished", "the price for the seats in use was too high",
)  # fmt: skip
SAVE_PLAY = "{name} gave notice. As far as we know {reason}. Call with the economic buyer this week, an offer for fewer seats, the product manager joins the second call."
POST_MORTEM = (
    "{name} has left. Root cause: {reason}. Seen first: fewer people in the weekly routine in the quarter before the notice. What we would do earlier: speak with the "
    "economic buyer before the renewal talk, and agree on an outcome that is measured. What has to change at the customer before we ask again: a new sponsor."
)
COURSES = ("admin_basics", "user_onboarding", "reporting_101", "workflow_design", "power_user")
NPS_COMMENTS = (
    "",
    "",
    "Does what we need.",
    "Support answers fast.",
    "Reporting could be simpler.",
    "We would like more templates.",
    "Our teams depend on it.",
)


def company_name(number: int) -> str:
    """A company name; distinct for the first 19,000 numbers or so."""
    place, rest = _PLACE[number % len(_PLACE)], number // len(_PLACE)
    # The trade moves with the place as well: neighbours in the list would otherwise all trade in the same thing.
    trade = _TRADE[(rest + number * 7) % len(_TRADE)]
    cycle = rest // len(_TRADE)
    return f"{place} {trade}" if cycle == 0 else f"{place} {trade} {_FORM[(cycle - 1) % len(_FORM)]}"


def person_name(number: int) -> str:
    """A person's name; distinct for the first 2,024 numbers."""
    return f"{FIRST[number % len(FIRST)]} {LAST[(number // len(FIRST) + number * 5) % len(LAST)]}"


def mail_address(name: str, domain: str) -> str:
    """first.last@domain."""
    return f"{name.lower().replace(' ', '.')}@{domain}"


def slug(name: str) -> str:
    """A name as the left part of a domain."""
    return name.lower().replace(" ", "-")
