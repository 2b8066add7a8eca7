"""What 'as of a date' means in hours and weeks: one place, in UTC.

An as-of date D ends at D 24:00 UTC; weeks are ISO weeks (Monday to Sunday). Nothing here reads the clock: 'now' is an argument.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta


def end_of_day(as_of: date) -> datetime:
    """First instant after the as-of date, naive UTC. A row is known on `as_of` if `known_at < end_of_day(as_of)`."""
    return datetime(as_of.year, as_of.month, as_of.day) + timedelta(days=1)


def last_complete_week_start(as_of: date) -> date:
    """Monday of the last ISO week that is over at the end of `as_of` (a Sunday closes its own week)."""
    monday = as_of - timedelta(days=as_of.weekday())
    return monday if as_of.weekday() == 6 else monday - timedelta(days=7)


def last_complete_day(now: datetime) -> date:
    """The day before the one that `now` (naive UTC) falls in."""
    return now.date() - timedelta(days=1)


def months_between(start: date, end: date) -> int:
    """Whole months from `start` to `end`; negative if `end` comes first."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return months - 1 if end.day < start.day else months


def utc_moment(text: str) -> datetime:
    """An ISO 8601 moment as naive UTC; one without an offset is taken as UTC. ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def as_day(value: date | datetime) -> date:
    """The day of a value of a date column: warehouses and frames give it as a date or as its midnight."""
    return value.date() if isinstance(value, datetime) else value
