"""Contracts and sales documents as lawyers and account executives write them, with the terms of the deal in words.

One agreement for each day on which lines begin: the first sale, each renewal, an add-on, a further product. Four hands; each says the same
as the CRM, except where the paper of an account is planted to say otherwise (`Story.kind == "paper_conflict"`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from vim_pipelines.sandbox.simulator.contracts import People, Team, months_between, team_of
from vim_pipelines.sandbox.simulator.documents import Handoff, Pain
from vim_pipelines.sandbox.simulator.engagement import visible_from
from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.profile import Line, Profile
from vim_pipelines.sandbox.simulator.rows import Rows, moment

VENDOR = "Lanternworks Inc."
#: Days before the first day on which an agreement is signed, and an offer is made.
SIGNED_DAYS, OFFERED_DAYS = 1, 34
#: Stands for the whole clause in a contract that says nothing of notice.
FURTHER = "A further term is agreed in writing by both parties."
NUMBERS = {12: "twelve", 24: "twenty-four", 30: "thirty", 36: "thirty-six", 60: "sixty", 90: "ninety", 120: "one hundred twenty", 45: "forty-five"}
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


@dataclass(frozen=True)
class Paper:
    """What one agreement says. `months` is None for a term that is not a whole number of months."""

    lines: tuple[Line, ...]
    start: date
    end: date
    months: int | None
    notice_days: int | None
    auto_renew: bool
    kind: str


def papers_of(profile: Profile, today: date) -> list[Paper]:
    """The agreements of an account in order of time; faulty lines of the CRM have none. A planted contradiction stands in the newest that is signed `today`."""
    faulty = profile.lines[-1:] if profile.truth in ("dirty_seats_zero", "dirty_renewal_before_start", "dirty_unknown_currency") else ()
    sound = [line for line in profile.lines if line not in faulty]
    found = []
    for start in sorted({line.start for line in sound}):
        lines = tuple(line for line in sound if line.start == start)
        end = lines[0].end
        kind = "agreement" if start in (profile.since, profile.term_start) else "renewal" if _follows(sound, lines[0]) else "amendment"
        found.append(Paper(lines, start, end, months_between(start, end), None if profile.lacks_notice else lines[0].notice_days, lines[0].auto_renew, kind))
    if profile.tells("paper_conflict") and profile.story is not None:
        newest = max(number for number, paper in enumerate(found) if paper.start <= today)
        found[newest] = _otherwise(found[newest], profile.story.detail)
    return found


def conflict_of(profile: Profile, today: date) -> tuple[str, str, str] | None:
    """(field, what the CRM says, what the paper says) of an account whose newest paper is planted to differ."""
    if not profile.tells("paper_conflict") or profile.story is None:
        return None
    paper = max((paper for paper in papers_of(profile, today) if paper.start <= today), key=lambda paper: paper.start)
    first = next(line for line in profile.lines if line.start == paper.start)
    values = {
        "notice_days": (first.notice_days, paper.notice_days), "seats": (first.seats, paper.lines[0].seats), "auto_renew": (first.auto_renew, paper.auto_renew),
    }  # fmt: skip
    crm, said = values[profile.story.detail]
    return profile.story.detail, str(crm), str(said)


def _follows(lines: list[Line], line: Line) -> bool:
    return any(other.product == line.product and other.end == line.start - timedelta(days=1) for other in lines)


def _otherwise(paper: Paper, field: str) -> Paper:
    if field == "notice_days":
        return replace(paper, notice_days=120 if paper.notice_days != 120 else 45)
    if field == "auto_renew":
        return replace(paper, auto_renew=not paper.auto_renew)
    return replace(paper, lines=tuple(replace(line, seats=round(line.seats * 1.3) + 4) for line in paper.lines))


def add_papers(parameters: Parameters, profile: Profile, people: People, pain: Pain, handoff: Handoff, rows: Rows) -> None:
    """The agreements and the offer that came before the first; old renewals are in an archive that the CRM does not show."""
    rng = rng_for(parameters, "paper", profile.role.index)
    team = team_of(parameters, profile.role.index)
    hand = int(rng.integers(0, 4))
    first_kept = visible_from(parameters, profile.since)
    papers = papers_of(profile, parameters.today)
    for number, paper in enumerate(papers, 1):
        if paper.kind == "renewal" and paper.start < first_kept and number < len(papers):
            continue
        day = paper.start - timedelta(days=SIGNED_DAYS)
        title = {"agreement": "Subscription agreement", "renewal": "Renewal order", "amendment": "Amendment"}[paper.kind]
        _write(
            rng, profile, f"C{number:02d}", "contract", f"{title} {profile.name}", _HANDS[hand](profile, paper, people, team), day, team.executive_email, rows
        )
    offered = profile.term_start - timedelta(days=OFFERED_DAYS)
    opening = [line for line in profile.lines if line.start == profile.term_start] or list(profile.lines[:1])
    told = f"What {profile.name} wants to achieve is to {pain.outcome}.\n" if handoff.exists and not handoff.missing else ""
    items = "\n".join(f"- {line.product}: {line.seats} named users at {line.net_price} {line.currency} per user and year" for line in opening)
    body = (
        f"Proposal for {profile.name}\nPrepared by {team.executive}, {VENDOR}\n\n{told}We propose\n{items}\nThe prices hold for thirty days "
        f"after the date of this proposal. Invoices are due thirty days after receipt."
    )
    _write(rng, profile, "O01", "sales_document", f"Proposal {profile.name}", body, offered, team.executive_email, rows)


def _write(rng: np.random.Generator, profile: Profile, mark: str, kind: str, title: str, body: str, day: date, author: str, rows: Rows) -> None:
    rows.add(
        "documents", moment(rng, day), document_key=f"DOC-{profile.number}-{mark}", account_key=profile.key, document_kind=kind, title=title, body=body,
        authored_on=day, author_email=author,
    )  # fmt: skip


def _number(count: int) -> str:
    return f"{NUMBERS[count]} ({count})" if count in NUMBERS else str(count)


def _british(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _american(day: date) -> str:
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"


def _items(paper: Paper, wording: str) -> str:
    return "\n".join(
        wording.format(
            product=line.product.title(), seats=line.seats, price=f"{line.net_price:,}", currency=line.currency, total=f"{line.seats * line.net_price:,}"
        )
        for line in paper.lines
    )


def _master(profile: Profile, paper: Paper, people: People, team: Team) -> str:
    """A subscription agreement with numbered sections, American dates."""
    length = f"for a period of {_number(paper.months)} months" if paper.months else "for the period stated"
    renewal = (
        FURTHER
        if paper.notice_days is None
        else (
            f"Upon expiration of the Initial Term, this Agreement shall automatically renew for successive renewal terms of {_number(12)} months each (each a "
            f'"Renewal Term"), unless either party gives the other written notice of non-renewal at least {_number(paper.notice_days)} days prior to the end of the '
            "then-current term."
            if paper.auto_renew
            else "This Agreement shall not renew automatically. It may be renewed only by a written instrument signed by both parties; a party that does not intend to "
            f"renew shall notify the other in writing not less than {_number(paper.notice_days)} days before the end of the Initial Term."
        )
    )
    fees = _items(paper, "    {product}: {seats} Authorized Users at {currency} {price} per Authorized User per year ({currency} {total} per year)")
    return (
        f'SUBSCRIPTION AGREEMENT\n\nThis Subscription Agreement (this "Agreement") is entered into as of {_american(paper.start)} (the "Effective Date") by and between '
        f'{VENDOR} ("Provider") and {profile.name} ("Customer").\n\n1. SUBSCRIPTION. Provider grants Customer access to the following Services:\n{fees}\n\n'
        f"2. FEES. Fees are due within {_number(30)} days of the date of the invoice. Late amounts bear interest at one percent per month.\n\n"
        f'3. TERM. The initial term of this Agreement shall commence on the Effective Date and continue {length}, expiring on {_american(paper.end)} (the "Initial '
        f'Term").\n\n4. RENEWAL. {renewal}\n\n5. TERMINATION FOR CAUSE. Either party may terminate this Agreement if the other materially breaches it and fails to '
        f"cure such breach within {_number(30)} days after written notice thereof.\n\n6. DATA PROTECTION. The parties have entered into the Data Processing Addendum "
        f"attached as Exhibit B.\n\nIN WITNESS WHEREOF, the parties have executed this Agreement.\n\n{VENDOR}\nBy: {team.executive}\n\n{profile.name}\n"
        f"By: {people.economic_buyer}\nTitle: Chief Financial Officer"
    )


def _order(profile: Profile, paper: Paper, people: People, team: Team) -> str:
    """An order form under master terms: a table of particulars."""
    length = f"{paper.months} months" if paper.months else "As stated by the dates above"
    renewal = (
        FURTHER
        if paper.notice_days is None
        else (
            f"Automatic, for further periods of 12 months, unless cancelled in writing no later than {paper.notice_days} days before the Subscription End Date"
            if paper.auto_renew
            else f"None. Either party tells the other {paper.notice_days} days before the Subscription End Date whether it wishes to continue"
        )
    )
    fees = _items(paper, "{product} | {seats} seats | {price} {currency} per seat per annum | {total} {currency}")
    return (
        f"ORDER FORM\n\nCustomer: {profile.name}\nSupplier: {VENDOR}\n\nSubscription Start Date: {_british(paper.start)}\nSubscription End Date: {_british(paper.end)}\n"
        f"Subscription Term: {length}\nRenewal: {renewal}\n\nProduct | Quantity | Unit price | Annual fee\n{fees}\n\nThis Order Form is governed by the Supplier's "
        f"Master Services Agreement and its Data Processing Agreement. Terms of a purchase order do not apply.\n\nSigned for the Customer by {people.economic_buyer}, "
        f"Chief Financial Officer\nSigned for the Supplier by {team.executive}"
    )


def _letter(profile: Profile, paper: Paper, people: People, team: Team) -> str:
    """A letter agreement in plain words, British dates."""
    length = f", that is {_number(paper.months)} months" if paper.months else ""
    going_on = (
        FURTHER
        if paper.notice_days is None
        else (
            f"After that it goes on for one (1) further year at a time unless one of us writes to the other, at least {_number(paper.notice_days)} days before the last "
            "day of the period then running, that it is to end."
            if paper.auto_renew
            else f"It ends on that day without further notice and is not extended automatically. We will write to each other about a new period no later than "
            f"{_number(paper.notice_days)} days before."
        )
    )
    what = _items(paper, "   {product} for {seats} users, {currency} {price} for each user and year")
    return (
        f"{VENDOR}\n\n{_british(paper.start - timedelta(days=SIGNED_DAYS))}\n\nDear {people.economic_buyer},\n\nthis letter sets out what we have agreed for "
        f"{profile.name}.\n\n{what}\n\nThe agreement begins on {_british(paper.start)} and runs until {_british(paper.end)}{length}. {going_on}\n\nWe send one invoice "
        f"for each year, payable within {_number(30)} days. Personal data are processed under the data processing agreement that you already have.\n\n"
        f"Please sign and return a copy.\n\n{team.executive}\n\nAgreed: {people.economic_buyer}, Chief Financial Officer, {profile.name}"
    )


def _clauses(profile: Profile, paper: Paper, people: People, team: Team) -> str:
    """Terms in numbered clauses, with ISO dates and definitions."""
    length = f"a fixed term of {_number(paper.months)} months" if paper.months else "a fixed term"
    renewal = (
        f"8.2 {FURTHER}"
        if paper.notice_days is None
        else (
            f"8.2 On expiry of the Initial Period the Contract is extended by successive periods of {_number(12)} months, unless a party has terminated it by giving not "
            f"less than {_number(paper.notice_days)} days' written notice to the end of the Initial Period or of an extension."
            if paper.auto_renew
            else f"8.2 The Contract ends on expiry of the Initial Period; there is no automatic renewal. {_number(paper.notice_days).capitalize()} days' written notice "
            "before expiry is required of a party that does not wish to negotiate an extension."
        )
    )
    scope = _items(paper, "   - {product}: {seats} licences, {price} {currency} per licence and year")
    return (
        f'CONTRACT FOR SOFTWARE AS A SERVICE\nbetween {VENDOR} (the "Supplier") and {profile.name} (the "Client")\n\n1. Scope\n{scope}\n\n8. Duration\n8.1 The Contract '
        f'comes into force on {paper.start.isoformat()} and is concluded for {length} ending on {paper.end.isoformat()} (the "Initial Period").\n{renewal}\n8.3 The '
        f"right of either party to terminate for good cause remains unaffected.\n\n11. Data protection\nThe data processing agreement in Annex 2 forms part of the "
        f"Contract.\n\nFor the Supplier: {team.executive}\nFor the Client: {people.economic_buyer}, Chief Financial Officer"
    )


_HANDS = (_master, _order, _letter, _clauses)
