"""Money as it is counted and as it is shown: decimal amounts with a currency, one rounding, one format.

Used by the drafts, the command line and the pages, so that $43,500 reads the same everywhere. SQL keeps amounts as
`decimal(18, 2)` and rounds with the same rule (half away from zero, dbt macro `money`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def to_cents(amount: Decimal | int | str) -> Decimal:
    """`amount` rounded to two places, half away from zero."""
    return Decimal(amount).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def known_sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of `amounts`, 0 of none; None if one of them is not known."""
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


@dataclass(frozen=True)
class Money:
    """An amount in one currency (ISO 4217 code). Adding two currencies is an error, not a sum."""

    amount: Decimal
    currency: str

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}: convert with a dated rate first")
        return Money(self.amount + other.amount, self.currency)

    def __str__(self) -> str:
        return format_money(self.amount, self.currency)


def format_money(amount: Decimal | int | float | None, currency: str | None) -> str:
    """`$45,000` for whole amounts, `$45,000.50` otherwise, `SEK 45,000` where there is no common sign, `unknown` for None."""
    if amount is None or currency is None:
        return "unknown"
    cents = to_cents(Decimal(str(amount)))
    digits = f"{abs(cents):,.2f}"
    digits = digits[:-3] if digits.endswith(".00") else digits
    return f"{'-' if cents < 0 else ''}{money_sign(currency)}{digits}"


def money_sign(currency: str) -> str:
    """What stands before the digits: `$`, or `SEK ` where there is no common sign."""
    return SYMBOLS.get(currency, f"{currency} ")
