"""The commercial side of one account in the CRM: the account, its people, contract lines, opportunities, licences.

Each row changes over time as it does in a real CRM (drafts become active, account managers move on, notice is served), and
each change is a version with its own `modified_at`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from vim_pipelines.sandbox.simulator import words
from vim_pipelines.sandbox.simulator.catalog import PRODUCTS, UNKNOWN_CURRENCY, VENDOR_DOMAIN, add_months
from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.profile import Line, Profile
from vim_pipelines.sandbox.simulator.rows import Rows, moment
from vim_pipelines.sandbox.simulator.usage import FEATURES, UsageBlock

ACCOUNTS_PER_CSM, ACCOUNTS_PER_EXECUTIVE, CSMS_PER_DIRECTOR = 25, 35, 8
SLA_TIERS = {"tier_1": "premium", "tier_2": "business", "tier_3": "standard"}
#: Days before the opt-out deadline by which a well-kept account has signed its renewal, and before the end by which the deal is opened.
SIGNED_AHEAD, OPENED_AHEAD = 12, 190


@dataclass(frozen=True)
class Team:
    """Who serves an account at the vendor."""

    executive: str
    csm: str
    director_email: str

    @property
    def executive_email(self) -> str:
        return words.mail_address(self.executive, VENDOR_DOMAIN)

    @property
    def csm_email(self) -> str:
        return words.mail_address(self.csm, VENDOR_DOMAIN)


@dataclass(frozen=True)
class Person:
    """A contact: its role, the day it left (if it does), and what the CRM says of it from when on, before anybody meets it."""

    key: str
    role: str
    left: date | None
    versions: tuple[tuple[datetime, dict[str, Any]], ...]


@dataclass(frozen=True)
class People:
    """The customer's people that documents and meetings name. None: nobody has that role."""

    sponsor: str | None
    champion: str
    economic_buyer: str
    contact_keys: tuple[str, ...]
    contacts: tuple[Person, ...] = ()


def team_of(parameters: Parameters, index: int, shift: int = 0) -> Team:
    """The team of an account; `shift` 1 is the colleague who takes over."""
    csms = max(2, parameters.accounts // ACCOUNTS_PER_CSM)
    executives = max(2, parameters.accounts // ACCOUNTS_PER_EXECUTIVE)
    csm = (index + shift) % csms
    director = words.person_name(1_700 + csm // CSMS_PER_DIRECTOR)
    return Team(words.person_name(1_500 + (index * 3 + shift) % executives), words.person_name(1_100 + csm), words.mail_address(director, VENDOR_DOMAIN))


def arr_on(profile: Profile, day: date) -> Decimal:
    """Annual recurring revenue of the lines in force on a day, in the account's currency; lines in another currency cannot be added."""
    lines = [line for line in profile.lines if line.start <= day <= line.end and line.currency == profile.currency]
    return sum((line.seats * line.net_price for line in lines), Decimal(0))


def add_account(parameters: Parameters, profile: Profile, rows: Rows) -> None:
    """The account: created before its first contract, changed at renewals, handovers and notices."""
    rng = rng_for(parameters, "contracts", profile.role.index)
    team = team_of(parameters, profile.role.index)
    created = profile.since - timedelta(days=int(rng.integers(20, 60)))
    state: dict[str, Any] = {
        "account_key": profile.key, "account_name": profile.name, "domain": profile.domain, "segment": profile.segment, "tier": profile.tier,
        "owner_name": team.executive, "owner_email": team.executive_email, "csm_name": None, "csm_email": None, "director_email": team.director_email,
        "arr_amount": None, "currency": profile.currency, "customer_since": None, "notice_received_on": None,
    }  # fmt: skip
    changes: list[tuple[datetime, dict[str, Any]]] = [(moment(rng, created), {})]
    signed = {"csm_name": team.csm, "csm_email": team.csm_email, "customer_since": profile.since}
    changes.append((moment(rng, profile.since), signed | {"arr_amount": arr_on(profile, profile.since)}))
    last_arr = arr_on(profile, profile.since)
    for day in sorted({line.start for line in profile.lines if line.start > profile.since} | {line.end + timedelta(days=1) for line in profile.lines}):
        amount = arr_on(profile, day)
        if day > profile.since and amount != last_arr:
            changes.append((moment(rng, day), {"arr_amount": amount}))
            last_arr = amount
    # Account managers move on; a few do in the days that are still to come.
    span = (parameters.window.end - profile.since).days
    if profile.role.kind != "headline" and span > 30:
        later = team_of(parameters, profile.role.index, shift=1)
        if rng.random() < 0.18:
            day = profile.since + timedelta(days=int(rng.integers(20, span)))
            changes.append((moment(rng, day), {"csm_name": later.csm, "csm_email": later.csm_email, "director_email": later.director_email}))
        if rng.random() < 0.12:
            day = profile.since + timedelta(days=int(rng.integers(20, span)))
            changes.append((moment(rng, day), {"owner_name": later.executive, "owner_email": later.executive_email}))
    if profile.truth == "notice_served":
        changes.append((_noon(profile.defect.start), {"notice_received_on": profile.defect.start}))
    if profile.tells("churned"):
        served = next(line.served_on for line in profile.lines if line.served_on is not None)
        changes.append((_noon(served), {"notice_received_on": served}))
    if profile.truth == "win_back":
        changes.append((_noon(profile.defect.notice_on), {"notice_received_on": profile.defect.notice_on}))
        changes.append((_noon(profile.defect.start), {"notice_received_on": None}))
    last = datetime.min
    for when, change in sorted(changes, key=lambda item: item[0]):
        # Two changes within one second would be two versions of one moment, and nobody could say which came last.
        last = max(when, last + timedelta(seconds=1))
        state |= change
        rows.add("accounts", last, **state)


def draw_contacts(parameters: Parameters, profile: Profile) -> People:
    """The customer's people. An account that has not passed the diagnostic may lack a sponsor; a planted one has lost hers.

    Their rows are written by `care.add_contacts`, once it is known who was met when.
    """
    rng = rng_for(parameters, "identity", 1 + profile.role.index)
    names = [words.person_name(int(n)) for n in rng.choice(1_000, size=9, replace=False)]
    has_sponsor = profile.truth != "incomplete_handoff" and not (profile.progress <= 2 and not profile.is_clean and rng.random() < 0.6)
    cast = [
        ("champion", "Head of Operations"), ("economic_buyer", "Chief Financial Officer"), ("sponsor", "Chief Operating Officer"),
        ("admin", "Systems Administrator"), ("user", "Team Lead"), ("user", "Project Manager"), ("other", "Procurement Manager"), ("user", "Analyst"),
    ]  # fmt: skip
    kept, keys = cast[: 5 + int(rng.integers(0, 4))], []
    persons: list[Person] = []
    for number, (role, title) in enumerate(kept):
        if role == "sponsor" and not has_sponsor:
            continue
        key = f"CON-{profile.number}-{number}"
        keys.append(key)
        person = {
            "contact_key": key, "account_key": profile.key, "full_name": names[number], "email": words.mail_address(names[number], profile.domain),
            "title": title, "role": role, "is_active": True, "left_on": None,
        }  # fmt: skip
        created = profile.since - timedelta(days=int(rng.integers(3, 20)))
        # A role is often found out only in the first calls: until then the CRM says "other".
        when = moment(rng, created)
        versions = [(when, person | {"role": "other"} if role in ("champion", "sponsor") else person)]
        if role in ("champion", "sponsor"):
            versions.append((moment(rng, profile.since + timedelta(days=int(rng.integers(1, 9)))), person))
        left: date | None = None
        if profile.truth == "sponsor_lost" and role == "sponsor":
            left = profile.defect.start
        elif role == "user" and rng.random() < 0.12:
            left = profile.since + timedelta(days=int(rng.integers(60, 900)))
        if left is not None:
            versions.append((moment(rng, left + timedelta(days=2)), person | {"is_active": False, "left_on": left}))
        persons.append(Person(key, role, left, tuple(versions)))
    if profile.tells("sponsor_replaced") and has_sponsor and profile.story is not None:
        persons = [_left(person, profile.story.day) if person.role == "sponsor" else person for person in persons]
        key, name = f"CON-{profile.number}-9", names[8]
        named = profile.story.day + timedelta(days=25)
        values = {
            "contact_key": key, "account_key": profile.key, "full_name": name, "email": words.mail_address(name, profile.domain),
            "title": "Chief Operating Officer", "role": "sponsor", "is_active": True, "left_on": None,
        }  # fmt: skip
        persons.append(Person(key, "sponsor", None, ((_noon(named), values),)))
        keys.append(key)
    return People(names[2] if has_sponsor else None, names[0], names[1], tuple(keys), tuple(persons))


def _left(person: Person, day: date) -> Person:
    """The person, gone from `day` on; the CRM learns it two days later."""
    gone = person.versions[-1][1] | {"is_active": False, "left_on": day}
    return replace(person, left=day, versions=(*person.versions, (_noon(day + timedelta(days=2)), gone)))


def add_contract_lines(parameters: Parameters, profile: Profile, rows: Rows) -> None:
    """Contract lines: drafted, signed, perhaps under notice or terminated. An expired line keeps its status, as in most CRMs."""
    rng = rng_for(parameters, "contracts", 100_000 + profile.role.index)
    billing = billing_of(parameters, profile)
    for number, line in enumerate(profile.lines):
        state = _line_values(profile, number, line, billing)
        if profile.tells("crm_gap"):
            state |= {"billing_frequency": None, "sla_tier": None} | ({"notice_days": None} if profile.lacks_notice else {})
        drafted = moment(rng, line.start - timedelta(days=int(rng.integers(12, 40))))
        rows.add("contract_lines", drafted, **(state | {"status": "draft"}))
        rows.add("contract_lines", moment(rng, line.start - timedelta(days=int(rng.integers(1, 10)))), **state)
        if line.served_on is not None:
            state |= {"notice_served_on": line.served_on, "auto_renew": False}
            rows.add("contract_lines", _noon(line.served_on) + timedelta(minutes=number), **state)
        if line.status == "terminated":
            rows.add("contract_lines", _noon(line.end), **(state | {"status": "terminated"}))
    # An offer that is not signed must not count as seats.
    if profile.role.kind == "ordinary" and rng.random() < 0.06:
        base = profile.lines[-1]
        start = parameters.today + timedelta(days=int(rng.integers(20, 60)))
        offer = _line_values(profile, 90, base, billing) | {
            "seats": max(2, base.seats // 4),
            "start_date": start,
            "end_date": start + timedelta(days=364),
            "term_months": 12,
            "discount_expires_on": None,
            "status": "draft",
        }
        rows.add("contract_lines", moment(rng, parameters.today - timedelta(days=int(rng.integers(1, 20)))), **offer)


def billing_of(parameters: Parameters, profile: Profile) -> str:
    """How often the customer is billed: the larger, the rarer."""
    shares = {"enterprise": (0.0, 0.2, 0.8), "mid_market": (0.1, 0.3, 0.6), "smb": (0.4, 0.2, 0.4)}[profile.segment]
    return str(rng_for(parameters, "terms", profile.role.index).choice(["monthly", "quarterly", "annual"], p=shares))


def months_between(start: date, end: date) -> int | None:
    """Whole months from the first to the last day of a term; None where it is not a whole number of them, as of a co-termed add-on."""
    for months in range(1, 61):
        # A term that was counted back from its end may be a day off at the end of a short month.
        if abs((add_months(start, months) - timedelta(days=1) - end).days) <= 1:
            return months
    return None


def _line_values(profile: Profile, number: int, line: Line, billing: str) -> dict[str, Any]:
    return {
        "contract_line_key": f"CL-{profile.number}-{number:02d}", "account_key": profile.key, "product": line.product, "seats": line.seats,
        "list_unit_price_annual": line.list_price, "net_unit_price_annual": line.net_price, "currency": line.currency,
        "start_date": line.start, "end_date": line.end, "notice_days": line.notice_days,
        "auto_renew": True if line.served_on else line.auto_renew, "status": "active", "notice_served_on": None,
        "term_months": months_between(line.start, line.end), "billing_frequency": billing, "sla_tier": SLA_TIERS[profile.tier],
        "discount_expires_on": line.end if line.net_price < line.list_price else None,
    }  # fmt: skip


def add_opportunities(parameters: Parameters, profile: Profile, rows: Rows) -> None:
    """The deals behind the lines: the first sale, each renewal, the coming renewal once it is near, some expansions."""
    rng = rng_for(parameters, "contracts", 200_000 + profile.role.index)
    owner = team_of(parameters, profile.role.index).executive_email
    number = 0

    def deal(kind: str, title: str, amount: Decimal, created: date, close: date, won: bool | None) -> None:
        nonlocal number
        values = {
            "opportunity_key": f"OPP-{profile.number}-{number:02d}", "account_key": profile.key, "opportunity_name": f"{profile.name}: {title}",
            "opportunity_type": kind, "amount": amount, "currency": profile.currency, "created_on": created, "close_date": close, "owner_email": owner,
        }  # fmt: skip
        number += 1
        when = moment(rng, created)
        rows.add("opportunities", when, **values, stage="Qualification", is_closed=False, is_won=False)
        middle = created + (close - created) / 2
        rows.add("opportunities", moment(rng, max(middle, created + timedelta(days=1))), **values, stage="Negotiation", is_closed=False, is_won=False)
        if won is not None:
            stage = "Closed Won" if won else "Closed Lost"
            rows.add("opportunities", moment(rng, close), **values, stage=stage, is_closed=True, is_won=won)

    start = profile.since
    deal("new", "new business", arr_on(profile, start), start - timedelta(days=90), start - timedelta(days=2), True)
    for begun in sorted({line.start for line in profile.lines if line.start > start}):
        fresh = [line for line in profile.lines if line.start == begun and line.currency != UNKNOWN_CURRENCY]
        amount = sum((line.seats * line.net_price for line in fresh), Decimal(0))
        is_addon = arr_on(profile, begun - timedelta(days=1)) > 0 and all(
            line.start < begun <= line.end for line in profile.lines if line.end >= begun > line.start
        )
        won_back = profile.defect.start if profile.truth == "win_back" else None
        is_further = profile.tells("new_product") and profile.story is not None and begun == profile.story.day
        kind, title = ("new", "win-back") if begun == won_back else ("renewal", "renewal")
        if kind == "renewal" and is_addon and any(line.product == fresh[0].product and line.start < begun < line.end for line in profile.lines if fresh):
            kind, title = "expansion", "additional seats"
        if is_further:
            kind, title = "expansion", "a further product"
        created, close = begun - timedelta(days=75), begun - timedelta(days=2)
        if kind == "renewal" and profile.is_clean:
            created, close = _in_good_time(profile, begun - timedelta(days=1))
        deal(kind, title, amount, created, close, True)
    if profile.truth == "win_back":
        lost, notice = profile.defect.lost_on, profile.defect.notice_on
        deal("renewal", "renewal", arr_on(profile, lost), notice - timedelta(days=60), lost, False)
    current = profile.active_lines(parameters.today)
    if current:
        renewal = max(line.end for line in current)
        if (renewal - parameters.today).days < 170 and not any(line.start > renewal for line in profile.lines):
            if profile.is_clean and profile.truth != "notice_served":
                created, close = _in_good_time(profile, renewal)
                deal("renewal", "renewal", arr_on(profile, parameters.today), created, close, True)
            elif not profile.tells("renewal_late"):
                deal("renewal", "renewal", arr_on(profile, parameters.today), renewal - timedelta(days=180), renewal, None)
    if profile.role.kind == "ordinary" and rng.random() < 0.15:
        created = parameters.today - timedelta(days=int(rng.integers(5, 90)))
        if created > profile.since and not profile.tells("churned"):
            deal("expansion", f"expansion {rng.choice(PRODUCTS)}", Decimal(int(rng.integers(3, 30)) * 1000), created, created + timedelta(days=120), None)
    if profile.tells("churned"):
        served = next(line.served_on for line in profile.lines if line.served_on is not None)
        lost = profile.lines[-1].end
        deal("renewal", "renewal", arr_on(profile, served), served - timedelta(days=60), lost, False)


def _in_good_time(profile: Profile, end: date) -> tuple[date, date]:
    """(opened, closed) of a renewal that is signed before anybody could opt out of the term that ends on `end`."""
    notice = max(line.notice_days for line in profile.lines if line.end == end) if any(line.end == end for line in profile.lines) else 90
    return end - timedelta(days=OPENED_AHEAD), end - timedelta(days=notice + SIGNED_AHEAD)


def add_licenses(parameters: Parameters, profile: Profile, truth: UsageBlock, rows: Rows) -> None:
    """Seats given to people: everybody who ever worked, and some who were invited and never came.

    Somebody who was last seen long ago has lost the seat; the CRM of the vendor learns it a few days after the last day.
    """
    rng = rng_for(parameters, "licences", profile.role.index)
    products = np.array([PRODUCTS.index(product) for product, _, _ in FEATURES])
    product_of_event = products[truth.feature]
    today = np.datetime64(parameters.today, "us")
    for adoption in profile.adoption:
        chosen = product_of_event == PRODUCTS.index(adoption.product)
        # Events are in the order of time: the first occurrence is the first day, and reversed the last.
        users, first = np.unique(truth.user[chosen], return_index=True)
        times = truth.occurred[chosen].astype("datetime64[us]")
        _, last = np.unique(truth.user[chosen][::-1], return_index=True)
        begin = np.datetime64(min(start for start, _ in adoption.spans), "us")
        assigned = times[first] - np.timedelta64(1, "D") if len(users) else np.array([], "datetime64[us]")
        # Who was there when the window opens has been there since the contract began.
        early = assigned < np.datetime64(parameters.window.start, "us") + np.timedelta64(21, "D")
        assigned = np.maximum(np.where(early, begin, assigned), begin) + (rng.random(len(users)) * 8 * 3.6e9).astype(np.int64).astype("timedelta64[us]")
        gone = times[::-1][last] + np.timedelta64(3, "D") if len(users) else assigned
        is_gone = gone < today - np.timedelta64(75, "D")

        seats = sum(line.seats for line in profile.active_lines(parameters.today) if line.product == adoption.product)
        idle = int(max(0, seats - len(users)) * rng.uniform(0.2, 0.9)) if profile.role.kind != "headline" else 90
        ghosts = profile.role.index * 10_000 + 9_000 + np.arange(idle)
        ghost_days = np.full(idle, begin) + (rng.uniform(1, 40, idle) * 86_400e6).astype(np.int64).astype("timedelta64[us]")
        everyone = np.concatenate([users, ghosts])
        given = np.concatenate([assigned, ghost_days])
        revoked = np.concatenate([np.where(is_gone, gone, np.datetime64("NaT", "us")), np.full(idle, np.datetime64("NaT", "us"))])
        nobody = np.full(len(everyone), np.datetime64("NaT", "us"))
        for rows_of, revoked_at, modified in ((np.arange(len(everyone)), nobody, given), (np.flatnonzero(~np.isnat(revoked)), revoked, revoked)):
            chosen_users = everyone[rows_of].tolist()
            rows.extend(
                "license_assignments",
                assignment_key=[f"LA-{adoption.product}-{user:09d}" for user in chosen_users],
                account_key=[profile.key] * len(rows_of),
                user_key=[f"U-{user:09d}" for user in chosen_users],
                product=[adoption.product] * len(rows_of),
                user_email=[f"user{user % 10_000}@{profile.domain}" for user in chosen_users],
                assigned_at=given[rows_of],
                revoked_at=revoked_at[rows_of],
                modified_at=modified[rows_of],
            )


def _noon(day: Any) -> datetime:
    return datetime.combine(day, time(12))
