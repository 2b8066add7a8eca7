"""What a customer team does beside its routine: who was met, what was promised and kept, campaigns, references, maturity, stories of value.

Drawn from streams of its own, so that telemetry, tickets and contracts of a seed are what they were before any of this was simulated.
Clean accounts are cared for as the book says: follow-ups in time, sponsors at the business review, a consent on file.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from vim_pipelines.sandbox.simulator import words
from vim_pipelines.sandbox.simulator.contracts import People, Person, Team, team_of
from vim_pipelines.sandbox.simulator.documents import Pain
from vim_pipelines.sandbox.simulator.engagement import Diary, Meeting, is_customer, visible_from
from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.profile import Profile
from vim_pipelines.sandbox.simulator.rows import Rows, moment, workday

#: Days in which what a meeting left open is to be done.
FOLLOW_UP_DAYS = 7
#: Days within which an account that leaves its follow-ups lying has left all of them.
FOLLOW_UP_GAP_DAYS = 60
#: Who sits in which meeting: the roles that always come, and the roles that come now and then.
GUESTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "kickoff": (("champion", "sponsor", "admin"), ("user",)),
    "cadence": (("champion",), ("sponsor", "admin", "user")),
    "ebr": (("champion", "sponsor", "economic_buyer"), ("other",)),
}


def add_care(parameters: Parameters, profile: Profile, people: People, pain: Pain, diary: Diary, users: np.ndarray, rows: Rows) -> None:
    """Everything of this module for one account."""
    team = team_of(parameters, profile.role.index)
    held = [meeting for meeting in diary.meetings if meeting.is_held]
    add_contacts(parameters, profile, people.contacts, held, rows)
    _follow_ups(parameters, profile, held, team, rows)
    _alignment(parameters, profile, diary, rows)
    _maturity(parameters, profile, diary, team, rows)
    _measurements(parameters, profile, diary, held, rows)
    _campaigns(parameters, profile, diary, len(users), rows)
    _references(parameters, profile, people, rows)
    _stories(parameters, profile, pain, held, team, rows)
    _loss(parameters, profile, team, rows)


def add_contacts(parameters: Parameters, profile: Profile, persons: Iterable[Person], held: list[Meeting], rows: Rows) -> None:
    """The contacts with the day of the last meeting and with how close we are: a champion who is met grows closer, the others slowly."""
    rng = rng_for(parameters, "care", profile.role.index)
    for person in persons:
        strength = int(rng.integers(2, 4)) if person.role in ("champion", "sponsor") else int(rng.integers(1, 3))
        first = {"relationship_strength": strength}
        met: list[tuple[datetime, dict[str, Any]]] = []
        for meeting in held:
            always, sometimes = GUESTS.get(meeting.kind, ((), ()))
            comes = person.role in always or (person.role in sometimes and rng.random() < 0.3)
            is_known = person.versions[0][0] < meeting.held_at and (person.left is None or meeting.held_at.date() <= person.left)
            if not comes or not is_known:
                continue
            most = 5 if person.role == "champion" else 4 if person.role in ("sponsor", "economic_buyer") else 3
            strength = min(most, strength + int(rng.random() < 0.12))
            met.append((meeting.held_at + timedelta(hours=1), {"last_contacted_on": meeting.held_at.date(), "relationship_strength": strength}))
        changes = [(when, values | (first if number == 0 else {})) for number, (when, values) in enumerate(person.versions)]
        _write_changes("contacts", [*changes, *met], rows)


def _write_changes(table: str, changes: list[tuple[datetime, dict[str, Any]]], rows: Rows) -> None:
    """One version for each change, in the order of time, each with all that was known by then."""
    state: dict[str, Any] = {}
    last = datetime.min
    for when, change in sorted(changes, key=lambda item: item[0]):
        last = max(when, last + timedelta(seconds=1))
        state |= change
        rows.add(table, last, **state)


def _follow_ups(parameters: Parameters, profile: Profile, held: list[Meeting], team: Team, rows: Rows) -> None:
    """Of six meetings in ten (of a well-kept account: each) somebody takes home a task: created on the day, mostly done in time, some late, few never."""
    rng = rng_for(parameters, "care", 300_000 + profile.role.index)
    number = 0
    for meeting in held:
        is_left = profile.tells("follow_ups_late") and meeting.held_at.date() > parameters.today - timedelta(days=FOLLOW_UP_GAP_DAYS)
        if meeting.kind == "handoff" or (rng.random() >= 0.6 and not is_left and not profile.is_clean):
            continue
        number += 1
        day = meeting.held_at.date()
        fate, days = rng.random(), int(rng.integers(1, FOLLOW_UP_DAYS))
        if not profile.is_clean and fate > 0.82:
            # Late by days, or lost: what is older than half a year was tidied away when the year's plan was made.
            days = FOLLOW_UP_DAYS + int(rng.integers(2, 25)) if fate < 0.96 else 180
        done = day + timedelta(days=days)
        values: dict[str, Any] = {
            "task_key": f"TSK-{profile.number}-F{number:03d}", "account_key": profile.key, "subject": str(rng.choice(words.FOLLOW_UPS)), "task_kind": "follow_up",
            "priority": "Normal", "created_on": day, "due_date": day + timedelta(days=FOLLOW_UP_DAYS), "owner_email": team.csm_email, "meeting_key": meeting.key,
        }  # fmt: skip
        rows.add("tasks", meeting.held_at + timedelta(hours=2), **values, status="open")
        if is_left:
            continue
        is_lost = days == 180
        closed: dict[str, Any] = {"status": "cancelled"} if is_lost else {"status": "done", "completed_on": done}
        rows.add("tasks", moment(rng, done), **values, **closed)


def _alignment(parameters: Parameters, profile: Profile, diary: Diary, rows: Rows) -> None:
    """Once a quarter sales, support and product sit together about the account."""
    if profile.progress < 4:
        return
    rng = rng_for(parameters, "care", 400_000 + profile.role.index)
    day, number = diary.kickoff + timedelta(days=int(rng.integers(30, 50))), 0
    first_kept = visible_from(parameters, profile.term_start)
    while day < parameters.window.end + timedelta(days=20):
        if day >= first_kept and is_customer(profile, day):
            number += 1
            held_at = datetime(*workday(day).timetuple()[:3], int(rng.integers(8, 16)))
            values: dict[str, Any] = {
                "meeting_key": f"MTG-{profile.number}-I{number:02d}", "account_key": profile.key, "meeting_kind": "internal",
                "subject": "Account review with sales, support and product", "held_at": held_at,
            }  # fmt: skip
            is_held = profile.is_clean or rng.random() < 0.88
            rows.add("meetings", held_at - timedelta(days=9, hours=2), **values, status="planned")
            notes = str(rng.choice(words.INTERNAL_NOTES)) if is_held else None
            rows.add("meetings", held_at + timedelta(hours=3), **values, status="held" if is_held else "cancelled", notes=notes)
        day += timedelta(days=int(rng.integers(80, 96)))


def _maturity(parameters: Parameters, profile: Profile, diary: Diary, team: Team, rows: Rows) -> None:
    """The level, one to five, as it is assessed twice a year from the first half year on."""
    if profile.progress < 8:
        return
    rng = rng_for(parameters, "care", 500_000 + profile.role.index)
    level = int(rng.integers(1, 3))
    day = diary.kickoff + timedelta(days=int(rng.integers(60, 90)))
    values: dict[str, Any] = {
        "milestone_key": f"MS-{profile.number}-maturity", "account_key": profile.key, "milestone_kind": "maturity", "metric_name": "maturity_level",
        "target_value": 4, "owner_email": team.csm_email,
    }  # fmt: skip
    while day < parameters.window.end:
        if is_customer(profile, day):
            rows.add("milestones", moment(rng, day), **values, measured_value=level, measured_on=day)
            level = min(5, level + int(rng.random() < 0.45))
        day += timedelta(days=int(rng.integers(165, 200)))


def _measurements(parameters: Parameters, profile: Profile, diary: Diary, held: list[Meeting], rows: Rows) -> None:
    """The pain metric measured anew for each business review; of the less well-kept accounts for two of three."""
    if diary.measured is None:
        return
    rng = rng_for(parameters, "care", 550_000 + profile.role.index)
    for meeting in held:
        day, is_measured = meeting.held_at.date(), profile.is_clean or rng.random() < 0.67
        if meeting.kind != "ebr" or day <= diary.measured["measured_on"] or not is_measured:
            continue
        value = diary.measured["target_value"] + int(rng.integers(-1, 2))
        reached = diary.measured["reached_on"] or (day if value <= diary.measured["target_value"] else None)
        again = diary.measured | {"measured_value": value, "measured_on": day, "reached_on": reached}
        rows.add("milestones", meeting.held_at + timedelta(hours=6), **again)


def _campaigns(parameters: Parameters, profile: Profile, diary: Diary, user_count: int, rows: Rows) -> None:
    """Training after the kickoff, then once or twice a year something for the users who do not come."""
    if profile.progress < 4:
        return
    rng = rng_for(parameters, "care", 600_000 + profile.role.index)
    seats = sum(line.seats for line in profile.active_lines(parameters.today) if line.product == "core") or max(user_count, 5)
    day, number = diary.kickoff + timedelta(days=int(rng.integers(4, 12))), 0
    kinds = ("training", "adoption", "launch")
    while day < parameters.window.end:
        length, share = int(rng.integers(14, 42)), float(rng.uniform(0.15, 0.6))
        answered = float(rng.uniform(0.2, 0.7))
        if day >= visible_from(parameters, profile.term_start) and is_customer(profile, day):
            number += 1
            kind = kinds[0] if number == 1 else kinds[1 + int(rng.random() < 0.25)]
            targeted = max(1, round(seats * share))
            values: dict[str, Any] = {
                "campaign_key": f"CMP-{profile.number}-{number:02d}", "account_key": profile.key, "campaign_kind": kind,
                "campaign_name": words.CAMPAIGNS[kind], "started_on": day, "users_targeted": targeted,
            }  # fmt: skip
            rows.add("campaigns", moment(rng, day), **values)
            end = day + timedelta(days=length)
            rows.add("campaigns", moment(rng, end), **values, ended_on=end, users_responded=round(targeted * answered))
        day += timedelta(days=int(rng.integers(110, 240)))


def _references(parameters: Parameters, profile: Profile, people: People, rows: Rows) -> None:
    """Customers with proven value are asked; most consent, for a year or two, some give, some decline."""
    if profile.progress < 9:
        return
    rng = rng_for(parameters, "care", 700_000 + profile.role.index)
    kinds = list(words.REFERENCE_KINDS)
    asked = [kinds[int(n)] for n in rng.choice(len(kinds), size=int(rng.integers(1, 4)), replace=False)] if profile.is_clean or rng.random() < 0.6 else []
    if profile.is_clean:
        asked = [kinds[0], *(kind for kind in asked if kind != kinds[0])]
    champion = next((person.key for person in people.contacts if person.role == "champion"), None)
    for number, kind in enumerate(asked, 1):
        day = max(profile.term_start + timedelta(days=200), parameters.today - timedelta(days=int(rng.integers(40, 300))))
        answer = 0.0 if profile.is_clean and number == 1 else float(rng.random())
        consented = day + timedelta(days=int(rng.integers(3, 20)))
        given = consented + timedelta(days=int(rng.integers(10, 60)))
        expires = consented + timedelta(days=730) if rng.random() < 0.5 else None
        values: dict[str, Any] = {
            "reference_key": f"REF-{profile.number}-{number:02d}", "account_key": profile.key, "contact_key": champion, "reference_kind": kind,
        }  # fmt: skip
        rows.add("customer_references", moment(rng, day), **values, status="asked")
        if answer < 0.6:
            said = values | {"consented_on": consented, "expires_on": expires}
            rows.add("customer_references", moment(rng, consented), **said, status="consented")
            if answer < 0.3:
                rows.add("customer_references", moment(rng, given), **said, status="given", given_on=given)
        elif answer < 0.85:
            rows.add("customer_references", moment(rng, consented), **values, status="declined")


def _stories(parameters: Parameters, profile: Profile, pain: Pain, held: list[Meeting], team: Team, rows: Rows) -> None:
    """The value told on a page after a business review, and what growing would be worth."""
    rng = rng_for(parameters, "care", 800_000 + profile.role.index)
    reviews = [meeting for meeting in held if meeting.kind == "ebr"]
    told = reviews[-1:] if profile.is_clean or rng.random() < 0.7 else []
    for meeting in told:
        day = meeting.held_at.date() + timedelta(days=int(rng.integers(3, 12)))
        body = words.VALUE_STORY.format(name=profile.name, metric=pain.metric.replace("_", " "), baseline=pain.baseline, target=pain.target)
        _document(rng, profile, "V1", "value_story", f"Value story {profile.name}", body, day, team.csm_email, rows)
    if reviews and rng.random() < 0.35:
        day = reviews[-1].held_at.date() + timedelta(days=int(rng.integers(10, 30)))
        body = words.EXPANSION_CASE.format(name=profile.name, outcome=pain.outcome, seats=int(rng.integers(5, 40)))
        _document(rng, profile, "E1", "expansion_case", f"Expansion case {profile.name}", body, day, team.executive_email, rows)


def _loss(parameters: Parameters, profile: Profile, team: Team, rows: Rows) -> None:
    """Notice is answered with a save play; a loss is looked back on without blame, and some who left are asked again."""
    served = min((line.served_on for line in profile.lines if line.served_on is not None), default=None)
    if served is None:
        return
    rng = rng_for(parameters, "care", 900_000 + profile.role.index)
    day = served + timedelta(days=int(rng.integers(2, 6)))
    reason = str(rng.choice(words.LOSS_REASONS))
    body = words.SAVE_PLAY.format(name=profile.name, reason=reason)
    _document(rng, profile, "S1", "save_play", f"Save play {profile.name}", body, day, team.csm_email, rows)
    task = {
        "task_key": f"TSK-{profile.number}-S01", "account_key": profile.key, "subject": "Carry out the save play", "task_kind": "save_play", "priority": "High",
        "created_on": day, "due_date": day + timedelta(days=14), "owner_email": team.csm_email,
    }  # fmt: skip
    rows.add("tasks", moment(rng, day), **task, status="open")
    done = day + timedelta(days=int(rng.integers(6, 14)))
    rows.add("tasks", moment(rng, done), **task, status="done", completed_on=done)
    lost = max((line.end for line in profile.lines if line.status == "terminated"), default=None)
    if lost is None:
        return
    looked_back = lost + timedelta(days=int(rng.integers(7, 21)))
    body = words.POST_MORTEM.format(name=profile.name, reason=reason)
    _document(rng, profile, "P1", "post_mortem", f"Post-mortem {profile.name}", body, looked_back, team.csm_email, rows)
    if profile.truth == "win_back" or rng.random() < 0.5:
        begun = lost + timedelta(days=int(rng.integers(30, 60)))
        values = {
            "campaign_key": f"CMP-{profile.number}-W1", "account_key": profile.key, "campaign_kind": "win_back", "campaign_name": words.CAMPAIGNS["win_back"],
            "started_on": begun, "users_targeted": int(rng.integers(2, 6)),
        }  # fmt: skip
        rows.add("campaigns", moment(rng, begun), **values)
        rows.add("campaigns", moment(rng, begun + timedelta(days=28)), **values, ended_on=begun + timedelta(days=28), users_responded=1)


def _document(rng: np.random.Generator, profile: Profile, mark: str, kind: str, title: str, body: str, day: date, author: str, rows: Rows) -> None:
    rows.add(
        "documents", moment(rng, day), document_key=f"DOC-{profile.number}-{mark}", account_key=profile.key, document_kind=kind, title=title, body=body,
        authored_on=day, author_email=author,
    )  # fmt: skip
