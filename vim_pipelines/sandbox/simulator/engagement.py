"""What the customer team does with one account: meetings, tasks, surveys, milestones, trainings, business reviews.

`Profile.progress` says how far the account has come; the artefacts of later phases do not exist. So the lifecycle has something
true to find: a blocked account is blocked because a row is missing or unfinished, not because a flag says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from vim_pipelines.sandbox.simulator import words
from vim_pipelines.sandbox.simulator.contracts import People, team_of
from vim_pipelines.sandbox.simulator.documents import Pain
from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.profile import Profile
from vim_pipelines.sandbox.simulator.rows import Rows, moment, workday


@dataclass(frozen=True)
class Meeting:
    """A meeting that was in the calendar, and whether it came to pass."""

    key: str
    kind: str
    held_at: datetime
    is_held: bool


@dataclass(frozen=True)
class Diary:
    """What happened with the account, in order of time: `dates` are those that the ground truth names (`fttv_due`, `fttv_reached`)."""

    kickoff: date
    dates: dict[str, date | None]
    meetings: tuple[Meeting, ...]
    #: The pain metric as it was measured first: its row, or None if it was not.
    measured: dict[str, Any] | None


def add_engagement(parameters: Parameters, profile: Profile, people: People, pain: Pain, users: np.ndarray, rows: Rows) -> Diary:
    """The rows of the customer team's routine; returns what it did when."""
    rng = rng_for(parameters, "engagement", profile.role.index)
    kickoff = workday(profile.term_start + timedelta(days=int(rng.integers(14, 24))))
    meetings = _meetings(rng, parameters, profile, kickoff, rows)
    dates, measured = _milestones(rng, parameters, profile, pain, kickoff, rows)
    meetings += _reviews(rng, parameters, profile, pain, rows)
    _surveys(rng, parameters, profile, people, kickoff, rows)
    _tasks(rng, parameters, profile, rows)
    _trainings(rng, profile, users, kickoff, rows)
    return Diary(kickoff, dates, tuple(sorted(meetings, key=lambda meeting: meeting.held_at)), measured)


#: Days without a business review in an account whose review is overdue.
REVIEW_GAP_DAYS = 400


def visible_from(parameters: Parameters, since: date) -> date:
    """Routine work is kept for two and a half years; older rows would only be weight."""
    return max(since, parameters.window.start - timedelta(days=180))


def is_customer(profile: Profile, day: date) -> bool:
    return any(line.start <= day <= line.end for line in profile.lines)


def _meetings(rng: np.random.Generator, parameters: Parameters, profile: Profile, kickoff: date, rows: Rows) -> list[Meeting]:
    number = 0
    diary: list[Meeting] = []

    def meeting(kind: str, subject: str, day: date, notes: str, fate: str = "held", planned_on: date | None = None) -> None:
        """Planned some days before, or on `planned_on`; then held with notes, or cancelled."""
        nonlocal number
        number += 1
        held_at = moment(rng, day, 8, 16).replace(second=0, microsecond=0)
        values: dict[str, Any] = {
            "meeting_key": f"MTG-{profile.number}-{number:03d}", "account_key": profile.key, "meeting_kind": kind, "subject": subject, "held_at": held_at,
        }  # fmt: skip
        planned = held_at - timedelta(days=int(rng.integers(3, 12))) if planned_on is None else moment(rng, planned_on, 17, 20)
        rows.add("meetings", planned, **values, status="planned", notes=None)
        done = held_at + timedelta(minutes=int(rng.integers(60, 600)))
        rows.add("meetings", done, **values, status=fate, notes=notes if fate == "held" else None)
        diary.append(Meeting(values["meeting_key"], kind, held_at, fate == "held"))

    since = profile.term_start
    has_handoff = profile.progress >= 2 or rng.random() < 0.3
    if has_handoff and not (profile.truth == "incomplete_handoff" and rng.random() < 0.5):
        meeting(
            "handoff",
            "Internal handoff sales to customer success",
            workday(since + timedelta(days=int(rng.integers(4, 9)))),
            "Went through the handoff document with sales.",
        )
    if profile.progress >= 4:
        meeting("kickoff", f"Kickoff {profile.name}", kickoff, "Goals, first milestone and monthly cadence agreed with sponsor and champion.")
    if profile.progress < 4:
        return diary
    step = {"tier_1": 28, "tier_2": 42}.get(profile.tier, 63)
    # The next call is put into the calendar on the day of the last one: there is always one ahead.
    previous, day = kickoff, kickoff + timedelta(days=step)
    first_kept = visible_from(parameters, since)
    while day < parameters.window.end + timedelta(days=80):
        if day >= first_kept and is_customer(profile, day):
            fate = "held" if profile.is_clean or rng.random() < 0.88 else "cancelled"
            meeting("cadence", "Regular call", workday(day), str(rng.choice(words.CADENCE_NOTES)), fate, planned_on=previous)
            previous = workday(day)
        day += timedelta(days=step + int(rng.integers(-3, 4)))
    return diary


def _milestones(
    rng: np.random.Generator, parameters: Parameters, profile: Profile, pain: Pain, kickoff: date, rows: Rows
) -> tuple[dict[str, date | None], dict[str, Any] | None]:
    since = profile.term_start
    key, owner = f"MS-{profile.number}", team_of(parameters, profile.role.index).csm_email
    is_late = profile.truth == "late_first_value"
    due = profile.defect.start if is_late else kickoff + timedelta(days=int(rng.integers(45, 75)))
    first_measured: dict[str, Any] | None = None
    reached: date | None = None if is_late or profile.progress < 8 else kickoff + timedelta(days=int(rng.integers(20, 44)))
    if profile.progress >= 3 and profile.truth != "incomplete_handoff":
        values = {
            "milestone_key": f"{key}-pain", "account_key": profile.key, "milestone_kind": "pain_metric", "metric_name": pain.metric,
            "baseline_value": pain.baseline, "target_value": pain.target, "due_date": since + timedelta(days=300), "owner_email": owner,
        }  # fmt: skip
        rows.add("milestones", moment(rng, since + timedelta(days=int(rng.integers(8, 14)))), **values)
        if profile.progress >= 9:
            measured_on = since + timedelta(days=int(rng.integers(130, 190)))
            measured = pain.target + int(rng.integers(-1, 3))
            reached_on = measured_on if measured <= pain.target else None
            first_measured = values | {"measured_value": measured, "measured_on": measured_on, "reached_on": reached_on}
            rows.add("milestones", moment(rng, measured_on), **first_measured)
    if profile.progress >= 4:
        values = {
            "milestone_key": f"{key}-fttv", "account_key": profile.key, "milestone_kind": "fttv", "metric_name": str(rng.choice(words.FIRST_VALUE)),
            "baseline_value": 0, "target_value": 1, "due_date": due, "owner_email": owner,
        }  # fmt: skip
        rows.add("milestones", moment(rng, kickoff), **values)
        if reached is not None:
            rows.add("milestones", moment(rng, reached), **values, measured_value=1, measured_on=reached, reached_on=reached)
    return {"fttv_due": due, "fttv_reached": reached}, first_measured


def _reviews(rng: np.random.Generator, parameters: Parameters, profile: Profile, pain: Pain, rows: Rows) -> list[Meeting]:
    """Business reviews twice a year for accounts that came that far; a review is also a meeting. The sponsor of one in six stays away."""
    diary: list[Meeting] = []
    if profile.progress < 9:
        return diary
    guests = rng_for(parameters, "care", 200_000 + profile.role.index)
    day = profile.term_start + timedelta(days=int(rng.integers(150, 180)))
    first_kept, number = visible_from(parameters, profile.term_start), 0
    while day < parameters.window.end + timedelta(days=30):
        if day >= first_kept and is_customer(profile, day):
            number += 1
            held_on = workday(day)
            values = {"ebr_key": f"EBR-{profile.number}-{number:02d}", "account_key": profile.key, "held_on": held_on}
            rows.add("ebrs", moment(rng, held_on - timedelta(days=20)), **values, status="planned", outcome=None)
            is_skipped = profile.tells("ebr_overdue") and day > parameters.today - timedelta(days=REVIEW_GAP_DAYS)
            when = moment(rng, held_on, 16, 20)
            if is_skipped:
                rows.add("ebrs", when, **values, status="cancelled", outcome=None)
                day += timedelta(days=182 + int(rng.integers(-7, 8)))
                continue
            rows.add(
                "ebrs", when, **values, status="held", outcome=f"Progress towards the goal to {pain.outcome} shown; next goals agreed.",
                sponsor_attended=profile.is_clean or bool(guests.random() < 0.83),
            )  # fmt: skip
            meeting = {
                "meeting_key": f"MTG-{profile.number}-E{number:02d}",
                "account_key": profile.key,
                "meeting_kind": "ebr",
                "subject": "Executive business review",
            }
            held_at = datetime(held_on.year, held_on.month, held_on.day, 13)
            rows.add("meetings", held_at - timedelta(days=19), **meeting, held_at=held_at, status="planned", notes=None)
            rows.add(
                "meetings",
                held_at + timedelta(hours=5),
                **meeting,
                held_at=held_at,
                status="held",
                notes="Results against the goal, adoption by team, plan for the next half year.",
            )
            diary.append(Meeting(meeting["meeting_key"], "ebr", held_at, True))
        day += timedelta(days=182 + int(rng.integers(-7, 8)))
    return diary


def _surveys(rng: np.random.Generator, parameters: Parameters, profile: Profile, people: People, kickoff: date, rows: Rows) -> None:
    number = 0

    def answer(kind: str, contact: str, score: int | None, comment: str, day: date) -> None:
        nonlocal number
        number += 1
        when = moment(rng, day, 7, 21)
        rows.add(
            "survey_responses", when, survey_response_key=f"SV-{profile.number}-{number:03d}", account_key=profile.key, contact_key=contact,
            survey_kind=kind, score=score, comment=comment or None, responded_at=when,
        )  # fmt: skip

    if profile.progress >= 4:
        answer("questionnaire", people.contact_keys[0], None, "Questionnaire before the kickoff answered.", kickoff - timedelta(days=int(rng.integers(2, 7))))
    day = profile.term_start + timedelta(days=90)
    while day < parameters.window.end:
        if day >= visible_from(parameters, profile.term_start) and is_customer(profile, day) and rng.random() < 0.7:
            score = int(np.clip(round(rng.normal(8.6 if profile.is_clean else 7.4, 1.3)), 0, 10))
            contact = people.contact_keys[int(rng.integers(0, len(people.contact_keys)))]
            answer("nps" if rng.random() < 0.7 else "csat", contact, score, str(rng.choice(words.NPS_COMMENTS)), day + timedelta(days=int(rng.integers(0, 14))))
        day += timedelta(days=120)


def _tasks(rng: np.random.Generator, parameters: Parameters, profile: Profile, rows: Rows) -> None:
    team = team_of(parameters, profile.role.index)
    number = 0

    def task(kind: str, subject: str, created: date, due: date, done: date | None, owner: str | None, priority: str = "Normal") -> None:
        nonlocal number
        number += 1
        values = {
            "task_key": f"TSK-{profile.number}-{number:03d}",
            "account_key": profile.key,
            "subject": subject,
            "task_kind": kind,
            "priority": priority,
            "created_on": created,
            "due_date": due,
            "owner_email": owner,
        }
        rows.add("tasks", moment(rng, created), **values, status="open")
        if done is not None:
            status = "done" if rng.random() < 0.93 else "cancelled"
            closed = max(done, created + timedelta(days=1))
            rows.add("tasks", moment(rng, closed), **values, status=status, completed_on=closed if status == "done" else None)

    since = profile.term_start
    if profile.truth == "incomplete_handoff":
        task("anchor_request", "Fetch missing handoff fields from sales", since + timedelta(days=6), since + timedelta(days=13), None, team.csm_email, "High")
    if profile.progress <= 2 and not profile.is_clean:
        flag = str(rng.choice(words.RED_FLAGS))
        task("red_flag", f"Red flag: {flag}", since + timedelta(days=int(rng.integers(3, 10))), since + timedelta(days=30), None, None, "High")
    elif rng.random() < 0.4:
        flagged = since + timedelta(days=int(rng.integers(3, 10)))
        task(
            "red_flag",
            f"Red flag: {rng.choice(words.RED_FLAGS)}",
            flagged,
            since + timedelta(days=30),
            flagged + timedelta(days=int(rng.integers(3, 10))),
            team.csm_email,
            "High",
        )
    if profile.truth == "notice_served":
        served = profile.defect.start
        task("save_play", "Call the sponsor about the notice", served + timedelta(days=1), served + timedelta(days=5), None, team.csm_email, "High")
    day = visible_from(parameters, since) + timedelta(days=10)
    while day < parameters.window.end:
        if is_customer(profile, day) and profile.progress >= 4:
            subject = str(
                rng.choice(["Send minutes of the call", "Check usage by team", "Prepare next call", "Answer question about templates", "Update contact list"])
            )
            is_kept = profile.is_clean or rng.random() < 0.85
            task("action_item", subject, day, day + timedelta(days=10), day + timedelta(days=int(rng.integers(1, 10))) if is_kept else None, team.csm_email)
        day += timedelta(days=int(rng.integers(35, 80)))


def _trainings(rng: np.random.Generator, profile: Profile, users: np.ndarray, kickoff: date, rows: Rows) -> None:
    """Role-based onboarding after the kickoff, later courses now and then."""
    if profile.progress < 4 or len(users) == 0:
        return
    count = round(len(users) * float(rng.uniform(0.35, 0.8) if profile.is_clean or profile.progress >= 8 else rng.uniform(0.05, 0.4)))
    chosen = rng.choice(users, size=min(count, 60), replace=False) if count else users[:0]
    for number, user in enumerate(chosen.tolist()):
        course = words.COURSES[0] if number == 0 else words.COURSES[1] if rng.random() < 0.7 else str(rng.choice(words.COURSES[2:]))
        late = 90 if rng.random() < 0.8 else 500
        when = moment(rng, kickoff + timedelta(days=int(rng.integers(1, late))), 7, 19)
        rows.add(
            "training_completions", when, training_completion_key=f"TR-{profile.number}-{number:03d}", account_key=profile.key,
            user_key=f"U-{user:09d}", course=course, completed_at=when,
        )  # fmt: skip
