"""What can be read off a contract: the eight fields, and the shape of an answer.

An answer is given only with the words that prove it. Everything else is open with a reason, because a wrong notice period costs a
renewal and an open one costs a question.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Literal, TypeAlias

Field: TypeAlias = Literal["agreement_date", "effective_date", "expiration_date", "term", "renewal_term", "notice_period", "auto_renew", "seats"]
Unit: TypeAlias = Literal["day", "month", "year"]

FIELDS: tuple[Field, ...] = ("agreement_date", "effective_date", "expiration_date", "term", "renewal_term", "notice_period", "auto_renew", "seats")


@dataclass(frozen=True)
class Duration:
    """A length of time as the contract counts it. Weeks are read as 7 days, quarters as 3 months."""

    count: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"

    @property
    def in_base_units(self) -> tuple[int, str]:
        """(count, "day") or (count, "month"): 1 year and 12 months are one length, 30 days and 1 month are not."""
        return (self.count * 12, "month") if self.unit == "year" else (self.count, self.unit)

    def is_same_length(self, other: Duration) -> bool:
        """Whether both are the same length whatever the unit they are counted in."""
        return self.in_base_units == other.in_base_units

    @property
    def about_days(self) -> int:
        """Roughly how many days, to tell a term from a cure period; nothing is computed from it."""
        return self.count * {"day": 1, "month": 30, "year": 365}[self.unit]

    def after(self, start: date) -> date:
        """The same day of the month that much later (the month's last day where it has no such day). OverflowError after the year 9999."""
        if self.unit == "day":
            return start + timedelta(days=self.count)
        months = self.in_base_units[0] + start.month - 1
        year, month = start.year + months // 12, months % 12 + 1
        if year > 9999:
            raise OverflowError(f"{start} plus {self} is after the year 9999")
        return date(year, month, min(start.day, monthrange(year, month)[1]))


@dataclass(frozen=True)
class Renewal:
    """The length of one renewal term, and whether one follows another until somebody ends it."""

    length: Duration
    is_successive: bool

    def __str__(self) -> str:
        return f"successive {self.length}" if self.is_successive else str(self.length)


class Perpetual(Enum):
    """The value of a term that has no end of its own: 'until terminated', 'in perpetuity'. Never a date."""

    PERPETUAL = "perpetual"

    def __str__(self) -> str:
        return self.value


PERPETUAL = Perpetual.PERPETUAL
Value: TypeAlias = date | Duration | Renewal | Perpetual | bool | int


@dataclass(frozen=True)
class Extracted:
    """One field of one contract.

    `found`: `value` is the answer, `quote` the words that prove it and `quote == text[start:end]` of the text that was read.
    `open`: `value` is None, `reason` says why; `quote` shows the words that left it open, where there are any.
    `reason` of a found answer says how it was read ("computed: ..." where the contract states no date).

    Types of `value`: `agreement_date` and `effective_date` a date; `expiration_date` a date or PERPETUAL; `term` a Duration or PERPETUAL;
    `renewal_term` a Renewal; `notice_period` a Duration; `auto_renew` a bool; `seats` an int.
    """

    field: Field
    status: Literal["found", "open"]
    value: Value | None
    quote: str | None
    start: int | None
    end: int | None
    reason: str

    @property
    def value_text(self) -> str | None:
        """The value as text for a table or a prompt: ISO date, "60 days", "successive 1 year", "perpetual", "yes"; None if open."""
        if self.value is None:
            return None
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        return str(self.value)
