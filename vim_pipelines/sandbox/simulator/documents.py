"""Sales handoff documents and other texts, as different people write them.

The same facts in three hands: a form with labels, a list, a letter. What a document leaves out or contradicts is known to the
ground truth, so that an audit of handoffs can be scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from vim_pipelines.sandbox.simulator import words
from vim_pipelines.sandbox.simulator.contracts import People, Team, team_of
from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.profile import Line, Profile
from vim_pipelines.sandbox.simulator.rows import Rows, moment

#: The fields of a complete handoff document, in the order in which the form has them.
HANDOFF_FIELDS: tuple[str, ...] = (
    "products", "seats", "unit_price", "term", "notice_days", "auto_renew", "desired_outcome", "sponsor", "champion", "economic_buyer", "risks", "commitments",
    "technical", "go_live",
)  # fmt: skip
#: Fields without which an account cannot be taken over; an incomplete document lacks some of these.
MANDATORY_FIELDS: tuple[str, ...] = ("seats", "term", "notice_days", "desired_outcome", "sponsor", "champion", "risks", "commitments")


@dataclass(frozen=True)
class Pain:
    """The customer's wish in a number: `metric` from `baseline` to `target`, said as `outcome`."""

    metric: str
    baseline: int
    target: int
    outcome: str


@dataclass(frozen=True)
class Handoff:
    """What the document of one account leaves out, and the seats that it states (product to seats)."""

    exists: bool
    missing: tuple[str, ...]
    stated_seats: dict[str, int]


def draw_pain(parameters: Parameters, profile: Profile) -> Pain:
    """What hurts, with baseline and target."""
    rng = rng_for(parameters, "documents", profile.role.index)
    number = int(rng.integers(0, len(words.OUTCOMES)))
    baseline = int(rng.integers(8, 30))
    target = max(2, round(baseline * rng.uniform(0.35, 0.65)))
    return Pain(words.PAIN_METRICS[number], baseline, target, words.OUTCOMES[number].format(baseline=baseline, target=target))


def add_documents(parameters: Parameters, profile: Profile, people: People, pain: Pain, rows: Rows) -> Handoff:
    """Handoff, order form, success plan and CSM notes; returns what the handoff document is like."""
    rng = rng_for(parameters, "documents", 100_000 + profile.role.index)
    team = team_of(parameters, profile.role.index)
    first_lines = _first_lines(profile)
    missing, exists = _gaps(rng, profile, people)
    seats = {line.product: line.seats for line in first_lines}
    if profile.truth == "dirty_conflicting_seats":
        seats = {product: round(count * 1.25) + 3 for product, count in seats.items()}
    number = 0

    def document(kind: str, title: str, body: str, day: date, author: str, version_of: int | None = None) -> None:
        nonlocal number
        if version_of is None:
            number += 1
        key = f"DOC-{profile.number}-{version_of or number:02d}"
        rows.add(
            "documents",
            moment(rng, day),
            document_key=key,
            account_key=profile.key,
            document_kind=kind,
            title=title,
            body=body,
            authored_on=day,
            author_email=author,
        )

    start = profile.term_start
    document("contract", f"Order form {profile.name}", _order_form(profile, first_lines), start - timedelta(days=2), team.executive_email)
    if exists:
        written = start + timedelta(days=int(rng.integers(1, 6)))
        style = int(rng.integers(0, 3))
        facts = _facts(rng, profile, first_lines, seats, people, pain, team)
        if not missing and profile.role.kind == "ordinary" and rng.random() < 0.3:
            # Written in two goes: a first version without the soft half, completed a few days later.
            half = tuple(HANDOFF_FIELDS[6:])
            document("handoff", f"Sales handoff {profile.name}", _handoff(style, profile, facts, half, team), written, team.executive_email)
            written += timedelta(days=int(rng.integers(2, 6)))
            document("handoff", f"Sales handoff {profile.name}", _handoff(style, profile, facts, (), team), written, team.executive_email, version_of=number)
        else:
            document("handoff", f"Sales handoff {profile.name}", _handoff(style, profile, facts, missing, team), written, team.executive_email)
    if profile.progress >= 4:
        plan_day = start + timedelta(days=int(rng.integers(20, 30)))
        steps = "Measured every month by the project office; reviewed in each business review."
        document("success_plan", f"Mutual success plan {profile.name}", f"Goal: {pain.outcome}. {steps} Champion: {people.champion}.", plan_day, team.csm_email)
    for _ in range(int(rng.integers(1, 4))):
        age = (parameters.window.end - start).days
        day = start + timedelta(days=int(rng.integers(6, max(7, age))))
        document("note", "Note", str(rng.choice(words.CADENCE_NOTES)), day, team.csm_email)
    return Handoff(exists, missing, seats)


def _first_lines(profile: Profile) -> list[Line]:
    """The lines that the handoff is about: those the relation began with, newest relation for a customer won back."""
    begun = [line for line in profile.lines if line.start == profile.term_start]
    return begun or [profile.lines[0]]


def _gaps(rng: np.random.Generator, profile: Profile, people: People) -> tuple[tuple[str, ...], bool]:
    if profile.truth == "incomplete_handoff":
        soft = rng.choice(["risks", "commitments", "notice_days", "term"], size=2, replace=False)
        return tuple(field for field in HANDOFF_FIELDS if field in {"desired_outcome", "sponsor", *soft.tolist()}), True
    if profile.is_clean:
        return (), True
    if profile.progress <= 1:
        if rng.random() < 0.4:
            return HANDOFF_FIELDS, False
        lacking = set(rng.choice(MANDATORY_FIELDS, size=int(rng.integers(2, 5)), replace=False).tolist())
        return tuple(field for field in HANDOFF_FIELDS if field in lacking), True
    if profile.lacks_notice:
        return ("notice_days",), True
    return (("sponsor",) if people.sponsor is None else ()), True


def _facts(
    rng: np.random.Generator, profile: Profile, lines: list[Line], seats: dict[str, int], people: People, pain: Pain, team: Team
) -> dict[str, tuple[str, str]]:
    """Field -> (value for a form, sentence for a letter)."""
    first = lines[0]
    term = f"{first.start.isoformat()} to {first.end.isoformat()}"
    priced = "; ".join(f"{line.product}: {line.net_price} {line.currency} per seat and year (list {line.list_price})" for line in lines)
    counted = "; ".join(f"{product}: {count} seats" for product, count in seats.items())
    risk, promise = str(rng.choice(words.RISKS)), str(rng.choice(words.COMMITMENTS))
    renew = "yes" if first.auto_renew else "no"
    go_live = (first.start + timedelta(days=int(rng.integers(30, 60)))).isoformat()
    sign_on = str(rng.choice(["SAML single sign-on with Entra ID", "single sign-on with Okta", "passwords at first, single sign-on later"]))
    sponsor = people.sponsor or ""
    return {
        "products": (", ".join(seats), f"They bought {' and '.join(seats)}."),
        "seats": (counted, f"The order covers {counted.replace(': ', ' with ')}."),
        "unit_price": (priced, f"Agreed prices are {priced.replace(': ', ' at ')}."),
        "term": (term, f"The contract runs from {first.start.isoformat()} to {first.end.isoformat()}."),
        "notice_days": (f"{first.notice_days} days", f"Either side can give notice {first.notice_days} days before the end."),
        "auto_renew": (renew, "It renews by itself." if first.auto_renew else "It does not renew by itself."),
        "desired_outcome": (pain.outcome, f"What they want from us is to {pain.outcome}."),
        "sponsor": (f"{sponsor} (Chief Operating Officer)", f"Executive sponsor is {sponsor}, their Chief Operating Officer."),
        "champion": (f"{people.champion} (Head of Operations)", f"Our champion is {people.champion}, Head of Operations."),
        "economic_buyer": (
            f"{people.economic_buyer} (Chief Financial Officer)",
            f"{people.economic_buyer} (Chief Financial Officer) signed and holds the budget.",
        ),
        "risks": (risk, f"One risk to know: {risk}."),
        "commitments": (promise, f"We promised {promise}."),
        "technical": (sign_on, f"On the technical side they use {sign_on}."),
        "go_live": (go_live, f"They hope to go live by {go_live}."),
    }


LABELS = {
    "products": "Products", "seats": "Seats", "unit_price": "Unit price", "term": "Contract term", "notice_days": "Notice period", "auto_renew": "Auto-renewal",
    "desired_outcome": "Desired outcome", "sponsor": "Executive sponsor", "champion": "Champion", "economic_buyer": "Economic buyer", "risks": "Known risks",
    "commitments": "Commitments made", "technical": "Technical set-up", "go_live": "Target go-live",
}  # fmt: skip


def _handoff(style: int, profile: Profile, facts: dict[str, tuple[str, str]], missing: tuple[str, ...], team: Team) -> str:
    """The document in one of three hands. A form keeps the label of a missing field and leaves it blank, a list and a letter leave it out."""
    if style == 0:
        lines = [f"{LABELS[field]}: {'' if field in missing else value}".rstrip() for field, (value, _) in facts.items()]
        return "\n".join([f"SALES HANDOFF - {profile.name}", f"Prepared by: {team.executive}", "", *lines])
    told = {field: pair for field, pair in facts.items() if field not in missing}
    if style == 1:
        return "\n".join([f"# Handoff {profile.name}", "", *(f"- **{LABELS[field]}**: {value}" for field, (value, _) in told.items())])
    letter = " ".join(sentence for _, sentence in told.values())
    return f"Hi {team.csm.split()[0]},\n\n{profile.name} is signed. {letter}\n\nCall me if anything is unclear.\n{team.executive.split()[0]}"


def _order_form(profile: Profile, lines: list[Line]) -> str:
    items = "\n".join(f"{line.product}, {line.seats} seats, {line.net_price} {line.currency} per seat and year" for line in lines)
    first = lines[0]
    if profile.lacks_notice:
        return f"ORDER FORM\nCustomer: {profile.name}\n{items}\nTerm {first.start.isoformat()} to {first.end.isoformat()}."
    renewal = "renews for the same term" if first.auto_renew else "ends"
    terms = (
        f"Term {first.start.isoformat()} to {first.end.isoformat()}; the agreement {renewal} unless notice is given {first.notice_days} days before the end."
    )
    return f"ORDER FORM\nCustomer: {profile.name}\n{items}\n{terms}"
