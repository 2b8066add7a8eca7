"""Support tickets of one account with their versions and state history.

A ticket is a row that changes: each state the agent saw is a version with its own time, so that "open on that day" can be
asked of any day in the past. Keys are numbers, as in Zendesk.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

import numpy as np

from vim_pipelines.sandbox.simulator import words
from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.profile import Profile
from vim_pipelines.sandbox.simulator.rows import Rows

PRIORITIES = np.array(["P1", "P2", "P3", "P4"])
#: Median hours until a ticket of each priority is solved.
SOLVE_HOURS = np.array([7.0, 30.0, 70.0, 130.0])
#: Targets of the service level policy in hours, by priority. Small customers have no policy, so their tickets carry no target.
REPLY_TARGET_HOURS = np.array([4.0, 5.5, 8.0, 24.0])
RESOLUTION_TARGET_HOURS = np.array([24.0, 72.0, 168.0, 336.0])
SEGMENTS_WITH_POLICY = ("enterprise", "mid_market")


def add_tickets(parameters: Parameters, profile: Profile, users: np.ndarray, rows: Rows) -> int:
    """Tickets from the later of window start and contract start on; returns how many were opened in the last 28 days before today."""
    rng = rng_for(parameters, "support", profile.role.index)
    opened, is_extra = _openings(rng, parameters, profile)
    count = len(opened)
    if count == 0:
        return 0
    number = np.arange(count)
    key = profile.role.index * 100_000 + 100 + number
    share = np.where(is_extra[:, None], [0.08, 0.27, 0.45, 0.20], [0.03, 0.17, 0.50, 0.30])
    rank = (rng.random(count)[:, None] > np.cumsum(share, axis=1)).sum(axis=1).clip(0, 3)
    first_rank = np.where((rng.random(count) < 0.08) & (rank > 0), rank - 1, rank)

    hours = np.minimum(SOLVE_HOURS[rank] * rng.lognormal(0, 0.6, count) * np.where(is_extra, 2.5, 1.0), 24 * 45)
    taken = opened + _hours(rng.uniform(0.2, 6, count))
    solved = taken + _hours(hours)
    is_reopened = (rng.random(count) < 0.06) & (rank < 3)
    reopened = solved + _hours(rng.uniform(5, 60, count))
    solved_again = reopened + _hours(hours * 0.5 + 2)
    final = np.where(is_reopened, solved_again, solved)
    is_escalated = (rng.random(count) < np.array([0.3, 0.08, 0.01, 0.0])[rank]) | (is_extra & (rank <= 1) & (rng.random(count) < 0.2))
    is_pending = rng.random(count) < 0.35
    pending = taken + _hours(hours * 0.4)
    is_spam = rng.random(count) < 0.006

    subject = np.array(words.TICKET_SUBJECTS)[rng.integers(0, len(words.TICKET_SUBJECTS), count)]
    requester = users[rng.integers(0, len(users), count)] if len(users) else np.full(count, -1)
    everything = np.ones(count, dtype=bool)
    never = np.full(count, np.datetime64("NaT", "us"))
    # (which tickets, when, status, priority, solved at, reopened, escalated), in the order of a ticket's life.
    steps = [
        (everything, opened, "new", first_rank, never, 0, False),
        (everything & ~is_spam, taken, "open", rank, never, 0, is_escalated),
        (is_pending & ~is_spam, pending, "pending", rank, never, 0, is_escalated),
        (everything & ~is_spam, solved, "solved", rank, solved, 0, is_escalated),
        (is_reopened & ~is_spam, reopened, "open", rank, never, 1, is_escalated),
        (is_reopened & ~is_spam, solved_again, "solved", rank, solved_again, 1, is_escalated),
        (everything & ~is_spam, final + _hours(np.full(count, 96.0)), "closed", rank, final, is_reopened.astype(int), is_escalated),
        (is_spam, taken, "deleted", rank, never, 0, False),
    ]
    for which, when, status, priority, solved_at, reopens, escalated in steps:
        chosen = np.flatnonzero(which)
        rows.extend(
            "tickets",
            ticket_key=[str(k) for k in key[chosen]],
            account_key=[profile.key] * len(chosen),
            subject=subject[chosen],
            priority=PRIORITIES[priority[chosen]],
            status=[status] * len(chosen),
            requester_key=[f"U-{u:09d}" if u >= 0 else None for u in requester[chosen].tolist()],
            opened_at=opened[chosen],
            solved_at=solved_at[chosen],
            reopen_count=np.broadcast_to(reopens, count)[chosen],
            is_escalated=np.broadcast_to(escalated, count)[chosen],
            modified_at=when[chosen],
        )
    # A target is applied when the ticket comes in; a breach is recorded at the moment the target passes, and not at the late answer.
    has_policy = np.full(count, profile.segment in SEGMENTS_WITH_POLICY)
    reply_due, resolution_due = opened + _hours(REPLY_TARGET_HOURS[rank]), opened + _hours(RESOLUTION_TARGET_HOURS[rank])
    history = [
        (everything, opened, "reply_time", "activate"),
        (everything, opened, "requester_wait_time", "activate"),
        (everything, opened, "resolution_time", "activate"),
        (~is_spam, taken, "reply_time", "fulfill"),
        (is_pending & ~is_spam, pending, "requester_wait_time", "pause"),
        (~is_spam, solved, "requester_wait_time", "fulfill"),
        (~is_spam, solved, "resolution_time", "fulfill"),
        (is_reopened & ~is_spam, reopened, "resolution_time", "activate"),
        (is_reopened & ~is_spam, solved_again, "resolution_time", "fulfill"),
        (has_policy, opened, "reply_time", "apply_sla"),
        (has_policy, opened, "resolution_time", "apply_sla"),
        (has_policy & ~is_spam & (taken > reply_due), reply_due, "reply_time", "breach"),
        (has_policy & ~is_spam & (solved > resolution_due), resolution_due, "resolution_time", "breach"),
    ]
    for step, (which, when, metric, event_type) in enumerate(history):
        chosen = np.flatnonzero(which)
        rows.extend(
            "ticket_events",
            ticket_event_key=[str(k * 100 + step) for k in key[chosen].tolist()],
            ticket_key=[str(k) for k in key[chosen]],
            metric=[metric] * len(chosen),
            event_type=[event_type] * len(chosen),
            occurred_at=when[chosen],
            modified_at=when[chosen],
        )
    if profile.tells("escalation_open"):
        _unanswered(parameters, profile, rows)
    today = np.datetime64(parameters.today, "us")
    return int(((opened >= today - np.timedelta64(28, "D")) & (opened < today)).sum())


def _unanswered(parameters: Parameters, profile: Profile, rows: Rows) -> None:
    """An urgent ticket that was escalated three days ago and that nobody has answered."""
    opened = datetime.combine(parameters.today - timedelta(days=3), time(9, 12))
    key = str(profile.role.index * 100_000 + 99_000)
    ticket = {
        "ticket_key": key, "account_key": profile.key, "subject": "Nobody can log in since the update", "priority": "P1", "opened_at": opened, "reopen_count": 0,
    }  # fmt: skip
    rows.add("tickets", opened, **ticket, status="new", is_escalated=False)
    rows.add("tickets", opened + timedelta(hours=3), **ticket, status="new", is_escalated=True)
    for step, metric in enumerate(("reply_time", "requester_wait_time", "resolution_time")):
        rows.add("ticket_events", opened, ticket_event_key=f"{int(key) * 100 + step}", ticket_key=key, metric=metric, event_type="activate", occurred_at=opened)


def _openings(rng: np.random.Generator, parameters: Parameters, profile: Profile) -> tuple[np.ndarray, np.ndarray]:
    """(opening times in order, which belong to a planted overload)."""
    window = parameters.window
    days = np.array(window.days, dtype="datetime64[D]")
    weekday = (days.astype(int) + 3) % 7
    rate = profile.tickets_per_week * np.where(weekday < 5, 0.19, 0.025)
    rate = rate * (days >= np.datetime64(profile.lines[0].start)) * _in_contract(profile, days)
    extra = np.zeros(len(days))
    if profile.truth == "silence":
        # Two quiet weeks more than the rule's 90 days.
        rate = np.where(days >= np.datetime64(parameters.today - timedelta(days=105)), 0.0, rate)
    if profile.truth == "ticket_overload":
        # At least four extra tickets a week, however small the ordinary rate is.
        extra = np.where((days >= np.datetime64(profile.defect.start)) & (weekday < 5), max(4.0, profile.tickets_per_week * profile.defect.size) / 5, 0.0)
    counts, extras = rng.poisson(rate), rng.poisson(extra)
    if profile.role.kind in ("headline", "twin") or (profile.is_clean and profile.truth != "silence"):
        # A clean account talks to support now and then: one sure ticket keeps chance from making it a silent one.
        days_back = min(40, max(1, (parameters.today - profile.since).days - 3))
        counts[len(days) - parameters.future_days - days_back] += 1
    day = np.concatenate([np.repeat(days, counts), np.repeat(days, extras)])
    seconds = np.clip(rng.normal(13 * 3600, 3 * 3600, len(day)), 5 * 3600, 22 * 3600).astype(np.int64)
    opened = day.astype("datetime64[us]") + seconds * np.timedelta64(1_000_000, "us")
    is_extra = np.arange(len(day)) >= counts.sum()
    order = np.argsort(opened, kind="stable")
    return opened[order], is_extra[order]


def _in_contract(profile: Profile, days: np.ndarray) -> np.ndarray:
    inside = np.zeros(len(days), dtype=bool)
    for line in profile.lines:
        inside |= (days >= np.datetime64(line.start)) & (days <= np.datetime64(line.end))
    return inside


def _hours(hours: np.ndarray) -> np.ndarray:
    return (hours * 3_600_000_000).astype(np.int64).astype("timedelta64[us]")
