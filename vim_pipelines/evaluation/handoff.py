"""How often the handoff audit is right: complete records from which fields are taken or changed, so that the truth is exact.

Every record begins complete and in agreement: contract lines, contacts, a handoff document in one of four hands, a contract. Then some of
its fields are deleted from every source (truth: missing), some are changed in one of two sources (truth: conflicting), and some are deleted
from one source while another still holds them (truth: present). Anything else that the audit says is wrong. A false "missing" is what
makes people stop reading the audit, so precision is printed beside recall, for each field and over all (GUARDRAILS section 4).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.lifecycle.handoff import Document, audit_account
from vim_pipelines.lifecycle.handoff_crm import CrmRecord
from vim_pipelines.lifecycle.handoff_matrix import Matrix, load_matrix
from vim_pipelines.lifecycle.handoff_reading import read_document

AS_OF = date(2026, 6, 28)
#: What precision and recall must reach on structured data.
TARGET = 0.98

_FIRST = ("Ada", "Bela", "Cem", "Dana", "Elif", "Femke", "Goran", "Hana", "Ivo", "Jana", "Karim", "Lena")
_LAST = ("Okafor", "Lindqvist", "Marchetti", "Novak", "Osei", "Petrov", "Quist", "Romero", "Sato", "Tanaka", "Ueda", "Vance")
_PRODUCTS = ("core", "analytics", "automation")
_OUTCOMES = ("cut the monthly close from 12 to 6 days", "answer every request within one day", "halve the scrap rate of line 3")
_RISKS = ("the IT department is slow", "a competitor is still in two plants", "the budget is reviewed in autumn")
_PROMISES = ("two workshops on site", "an export to their warehouse by spring", "a named support engineer")

#: Fields that can be deleted from every source, and those of them that only documents hold.
DELETABLE = (
    "desired_outcome", "sponsor", "champion", "economic_buyer", "risks", "commitments", "promised_dates", "technical", "unit_price", "notice_days", "auto_renew",
    "sla_tier", "billing", "signatories", "dpa",
)  # fmt: skip
#: Fields that two sources hold, so that one of them can be changed.
ALTERABLE = ("sponsor", "champion", "economic_buyer", "seats", "unit_price", "term", "notice_days", "auto_renew")
#: Fields that may be deleted from the handoff alone: the CRM, or the contract, still holds them.
HELD_TWICE = ("sponsor", "champion", "economic_buyer", "seats", "unit_price", "term", "notice_days", "auto_renew", "sla_tier", "billing")


@dataclass(frozen=True)
class Case:
    """One record: what is in it, and the status that each field must get. Fields that are not named must be present."""

    record: CrmRecord
    texts: dict[str, str]
    expected: dict[str, str]


@dataclass(frozen=True)
class Counted:
    """Right and wrong claims of one status for one field, or for all."""

    field: str
    status: str
    true_claims: int
    false_claims: int
    missed: int

    @property
    def precision(self) -> float | None:
        claims = self.true_claims + self.false_claims
        return self.true_claims / claims if claims else None

    @property
    def recall(self) -> float | None:
        planted = self.true_claims + self.missed
        return self.true_claims / planted if planted else None

    @property
    def f1(self) -> float | None:
        total = 2 * self.true_claims + self.false_claims + self.missed
        return 2 * self.true_claims / total if total else None


@dataclass(frozen=True)
class HandoffScores:
    """Counts by field and status, the sums of each status under the field `all`, and how many present fields kept their status."""

    cases: int
    counts: tuple[Counted, ...]
    wrong: tuple[str, ...]

    def of(self, status: str) -> Counted:
        return next(count for count in self.counts if count.field == "all" and count.status == status)

    def macro_f1(self, status: str) -> float:
        """Mean of F1 over the fields in which this status was planted."""
        values = [
            count.f1 for count in self.counts if count.field != "all" and count.status == status and count.true_claims + count.missed and count.f1 is not None
        ]
        return sum(values) / len(values) if values else 0.0

    @property
    def is_met(self) -> bool:
        """Precision and recall of `missing` and of `conflicting` at the target."""
        return all((self.of(status).precision or 0) >= TARGET and (self.of(status).recall or 0) >= TARGET for status in ("missing", "conflicting"))

    def as_json(self) -> dict[str, Any]:
        return {
            "cases": self.cases, "is_met": self.is_met, "target": TARGET, "fields_wrong": len(self.wrong),
            **{
                status: {"precision": self.of(status).precision, "recall": self.of(status).recall, "f1_by_field": self.macro_f1(status)}
                for status in ("missing", "conflicting")
            },
        }  # fmt: skip


def handoff_scores(cases: int = 2_000, seed: int = 1, matrix: Matrix | None = None) -> HandoffScores:
    """Audit that many ablated records and count. Deterministic in `seed`."""
    matrix = matrix or load_matrix()
    rng = random.Random(seed)
    claims: dict[tuple[str, str], list[int]] = {}
    wrong: list[str] = []
    for number in range(cases):
        case = make_case(rng, number)
        documents = [
            Document(kind, f"{kind}-{number}", _authored(case.record), {told.field_id: told for told in read_document(matrix, kind, text)})
            for kind, text in case.texts.items()
        ]
        for finding in audit_account(matrix, case.record, documents):
            name, expected = finding.field.field_id, case.expected.get(finding.field.field_id, "present")
            for status in ("missing", "conflicting"):
                count = claims.setdefault((name, status), [0, 0, 0])
                count[0] += finding.status == status == expected
                count[1] += finding.status == status != expected
                count[2] += expected == status != finding.status
            if finding.status != expected:
                wrong.append(f"case {number} {name}: {finding.status} instead of {expected} ({finding.reason})")
    counts = [Counted(name, status, *numbers) for (name, status), numbers in claims.items()]
    sums = [
        Counted("all", status, *(sum(getattr(count, part) for count in counts if count.status == status) for part in ("true_claims", "false_claims", "missed")))
        for status in ("missing", "conflicting")
    ]
    return HandoffScores(cases, (*sums, *counts), tuple(wrong))


def score_lines(scores: HandoffScores, *, show_wrong: bool = False) -> list[str]:
    """The scores as lines of a report, with Wilson 95 % bounds."""
    lines = [f"Handoff audit: {scores.cases} ablated records, {len(scores.wrong)} fields with a wrong status"]
    for status in ("missing", "conflicting"):
        total = scores.of(status)
        precision, recall = wilson(total.true_claims, total.true_claims + total.false_claims), wilson(total.true_claims, total.true_claims + total.missed)
        lines.append(
            f"  {status:<12} precision {_share(total.precision)} ({precision[0]:.3f} to {precision[1]:.3f})   recall {_share(total.recall)} ({recall[0]:.3f} to"
            f" {recall[1]:.3f})   F1 by field {scores.macro_f1(status):.3f}   planted {total.true_claims + total.missed}"
        )
    lines.append(f"  bar: precision and recall at least {TARGET}: {'met' if scores.is_met else 'MISSED'}")
    return [*lines, *(f"    {line}" for line in scores.wrong)] if show_wrong else lines


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def make_case(rng: random.Random, number: int) -> Case:
    """A complete record in which one to five fields were taken or changed."""
    truth = _complete(rng, number)
    chosen = rng.sample(sorted({*DELETABLE, *ALTERABLE}), rng.randint(1, 5))
    deleted: set[str] = set()
    altered: set[str] = set()
    for name in chosen:
        ways = [way for way, names in ((deleted, DELETABLE), (altered, ALTERABLE)) if name in names]
        rng.choice(ways).add(name)
    from_handoff = {name for name in rng.sample(HELD_TWICE, 2) if name not in deleted | altered}
    expected = dict.fromkeys(deleted, "missing") | dict.fromkeys(altered, "conflicting")
    # What follows from a deleted field: without prices nothing tells a discount, without the word on renewal nothing tells how it goes on.
    expected |= {after: "missing" for name, after in (("unit_price", "discount"), ("auto_renew", "renewal")) if name in deleted}
    record = _record(truth, deleted)
    # A changed value stands in the handoff or in the contract. How much of a contract's prose is read at all has a score of its own
    # (evaluation.contract_terms); here the contract uses the one clause in which notice and renewal stand together.
    has_clause = truth["auto_renew"] and "auto_renew" not in deleted | altered
    in_contract = {name for name in altered if name == "notice_days" and has_clause and rng.random() < 0.5}
    handoff = _handoff_text(rng, truth | _changed(rng, truth, altered - in_contract), deleted | from_handoff)
    contract = _contract_text(truth | _changed(rng, truth, in_contract), deleted)
    return Case(record, {"handoff": handoff, "contract": contract}, expected)


def _complete(rng: random.Random, number: int) -> dict[str, Any]:
    people = rng.sample([f"{first} {last}" for first in _FIRST for last in _LAST], 5)
    start = AS_OF - timedelta(days=rng.randint(5, 80))
    years = rng.choice((1, 1, 1, 2, 3))
    return {
        "number": number, "sponsor": people[0], "champion": people[1], "economic_buyer": people[2], "executive": people[3], "signatory": people[4], "start": start,
        "end": start.replace(year=start.year + years, day=min(start.day, 28)) - timedelta(days=1), "months": 12 * years, "notice_days": rng.choice((30, 60, 90)),
        "auto_renew": rng.random() < 0.7, "products": rng.sample(_PRODUCTS, rng.randint(1, 3)),
        "seats": {product: rng.randint(5, 900) for product in _PRODUCTS}, "prices": {product: Decimal(rng.randint(120, 900)) for product in _PRODUCTS},
        "outcome": rng.choice(_OUTCOMES), "risk": rng.choice(_RISKS), "promise": rng.choice(_PROMISES), "sla": rng.choice(("Gold", "Silver")),
        "billing": rng.choice(("annual", "quarterly")),
    }  # fmt: skip


def _authored(record: CrmRecord) -> date | None:
    return record.cycle_started_on + timedelta(days=2) if record.cycle_started_on else None


def _changed(rng: random.Random, truth: dict[str, Any], names: set[str]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for name in names & {"sponsor", "champion", "economic_buyer"}:
        changed[name] = f"{rng.choice(('Xaver', 'Yusra', 'Zita'))} {rng.choice(('Ahlgren', 'Brandt', 'Castell'))}"
    if "seats" in names:
        product = rng.choice(truth["products"])
        changed["seats"] = truth["seats"] | {product: truth["seats"][product] + rng.choice((3, 10, 25))}
    if "unit_price" in names:
        product = rng.choice(truth["products"])
        changed["prices"] = truth["prices"] | {product: (truth["prices"][product] * Decimal("1.1")).quantize(Decimal(1))}
    if "term" in names:
        changed["end"] = truth["end"] + timedelta(days=rng.choice((-92, 31, 365)))
    if "notice_days" in names:
        changed["notice_days"] = truth["notice_days"] + 15
    if "auto_renew" in names:
        changed["auto_renew"] = not truth["auto_renew"]
    return changed


def _record(truth: dict[str, Any], deleted: set[str]) -> CrmRecord:
    account = f"ACC-{truth['number']}"
    lines = [
        {
            "account_key": account, "contract_line_key": f"CL-{place}", "product": product, "seats": truth["seats"][product],
            "list_unit_price_annual": truth["prices"][product], "net_unit_price_annual": None if "unit_price" in deleted else truth["prices"][product],
            "currency": "USD", "start_date": truth["start"], "end_date": truth["end"], "notice_days": None if "notice_days" in deleted else truth["notice_days"],
            "opt_out_date": truth["end"] - timedelta(days=truth["notice_days"]), "auto_renew": None if "auto_renew" in deleted else truth["auto_renew"],
            "notice_served_on": None, "contract_status": "active", "is_active": True, "line_status": "ok", "invalid_reason": None, "term_months": truth["months"],
            "billing_frequency": None if "billing" in deleted else truth["billing"], "sla_tier": None if "sla_tier" in deleted else truth["sla"],
            "discount_expires_on": truth["end"],
        }
        for place, product in enumerate(truth["products"])
    ]  # fmt: skip
    contacts = [
        {"contact_key": f"CON-{role}", "full_name": truth[role], "role": role, "is_active": True, "left_on": None}
        for role in ("sponsor", "champion", "economic_buyer")
        if role not in deleted
    ]
    amount = sum((truth["seats"][product] * truth["prices"][product] for product in truth["products"]), Decimal(0))
    deals = [{"opportunity_key": "OPP-1", "opportunity_type": "new", "is_won": True, "amount": amount, "currency": "USD", "close_date": truth["start"]}]
    if "unit_price" in deleted:  # without prices nothing says what was discounted either
        lines = [line | {"list_unit_price_annual": Decimal(1), "net_unit_price_annual": None} for line in lines]
    return CrmRecord(account, AS_OF, truth["start"], lines, contacts, deals)


_LABELS: dict[str, Sequence[str]] = {
    "desired_outcome": ("Desired outcome", "Goals", "Success criteria"), "sponsor": ("Executive sponsor", "Sponsor"), "champion": ("Champion", "Champion"),
    "economic_buyer": ("Economic buyer", "Budget holder"), "risks": ("Known risks", "Risks", "Red flags"), "commitments": ("Commitments made", "Promises"),
    "promised_dates": ("Target go-live", "Go-live date"), "technical": ("Technical set-up", "Integrations"), "seats": ("Seats", "Licences"),
    "unit_price": ("Unit price", "Price per seat"), "term": ("Contract term", "Term"), "notice_days": ("Notice period", "Notice"),
    "auto_renew": ("Auto-renewal", "Automatic renewal"), "sla_tier": ("Service level", "SLA tier"), "billing": ("Billing", "Billing frequency"),
}  # fmt: skip


def _handoff_text(rng: random.Random, truth: dict[str, Any], lacking: set[str]) -> str:
    """The handoff in one of four hands; a form and a table keep a lacking field with nothing or a placeholder behind it, the others leave it out."""
    values = {
        "desired_outcome": truth["outcome"], "sponsor": f"{truth['sponsor']} (Chief Operating Officer)", "champion": f"{truth['champion']}, Head of Operations",
        "economic_buyer": truth["economic_buyer"], "risks": truth["risk"], "commitments": truth["promise"],
        "promised_dates": (truth["start"] + timedelta(days=45)).isoformat(), "technical": "single sign-on with SAML",
        "seats": "; ".join(f"{product}: {truth['seats'][product]} seats" for product in truth["products"]),
        "unit_price": "; ".join(f"{product}: {truth['prices'][product]} USD per seat and year" for product in truth["products"]),
        "term": f"{truth['start'].isoformat()} to {truth['end'].isoformat()}", "notice_days": f"{truth['notice_days']} days",
        "auto_renew": "yes" if truth["auto_renew"] else "no", "sla_tier": truth["sla"], "billing": truth["billing"],
    }  # fmt: skip
    hand = rng.choice(("form", "list", "table", "headings", "letter"))
    blank = rng.choice(("", "TBD", "n/a", "?"))
    told = {name: (rng.choice(_LABELS[name]), value if name not in lacking else blank) for name, value in values.items()}
    kept = {name: pair for name, pair in told.items() if name not in lacking}
    match hand:
        case "form":
            return "SALES HANDOFF\n\n" + "\n".join(f"{label}: {value}".rstrip() for label, value in told.values())
        case "table":
            return "# Handoff\n\n| Field | Answer |\n|---|---|\n" + "\n".join(f"| {label} | {value} |" for label, value in told.values())
        case "headings":
            return "\n\n".join(f"## {label}\n\n{value}" for label, value in kept.values())
        case "list":
            return "\n".join(f"- **{label}**: {value}" for label, value in kept.values())
    sentences = {
        "desired_outcome": f"What they want from us is to {truth['outcome']}.", "sponsor": f"Executive sponsor is {truth['sponsor']}, their Chief Operating Officer.",
        "champion": f"Our champion is {truth['champion']}, Head of Operations.", "economic_buyer": f"{truth['economic_buyer']} holds the budget.",
        "risks": f"One risk to know: {truth['risk']}.", "commitments": f"We promised {truth['promise']}.",
        "promised_dates": f"They hope to go live by {values['promised_dates']}.", "technical": "On the technical side they use single sign-on.",
        "seats": f"The order covers {values['seats'].replace(': ', ' with ')}.", "unit_price": f"Agreed prices are {values['unit_price'].replace(': ', ' at ')}.",
        "term": f"The contract runs from {truth['start'].isoformat()} to {truth['end'].isoformat()}.",
        "notice_days": f"Either side can give notice {truth['notice_days']} days before the end.",
        "auto_renew": "It renews by itself." if truth["auto_renew"] else "It does not renew by itself.",
        "sla_tier": f"Service level: {truth['sla']}.", "billing": f"Billing: {truth['billing']}.",
    }  # fmt: skip
    return "Hi Cara,\n\nthe deal is signed. " + " ".join(sentence for name, sentence in sentences.items() if name not in lacking) + "\n\nCall me.\nOtto"


def _contract_text(truth: dict[str, Any], deleted: set[str]) -> str:
    renews = (
        " Thereafter this Agreement shall automatically renew for successive periods of one (1) year"
        if truth["auto_renew"] and "auto_renew" not in deleted
        else ""
    )
    has_notice = renews and "notice_days" not in deleted
    notice = (
        f" unless either party gives the other written notice of non-renewal at least {truth['notice_days']} days before the end of the then current term"
        if has_notice
        else ""
    )
    signed = "" if "signatories" in deleted else f"\n\nSigned by: {truth['signatory']}"
    privacy = "" if "dpa" in deleted else "\n\nThe Data Processing Agreement in Annex 2 is part of this Agreement."
    return (
        f'SUBSCRIPTION AGREEMENT\n\nThis Subscription Agreement is entered into as of {truth["start"]:%B %d, %Y} (the "Effective Date").\n\n'
        f"1. Term. The initial term of this Agreement begins on the Effective Date and ends on {truth['end']:%B %d, %Y}.{renews}{notice}.{privacy}{signed}\n"
    )
