"""What may be spent: on one night, and in one calendar month.

A call reserves its dearest outcome first, so that calls in flight together cannot pass a limit that each of them alone would keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass
class Budget:
    """What a run may spend, in US dollars. `limit` is the night's, `month_limit` the calendar month's; `spent` and `month_spent` what is gone before it."""

    limit: Decimal
    spent: Decimal = Decimal(0)
    month_limit: Decimal | None = None
    month_spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    def refusal(self, amount: Decimal) -> str | None:
        """Why `amount` may not be spent any more, or None."""
        if self.spent + self.reserved + amount > self.limit:
            return f"the budget of {self.limit} USD for the night is spent or spoken for"
        if self.month_limit is not None and self.month_spent + self.reserved + amount > self.month_limit:
            return f"the budget of {self.month_limit} USD for the month is spent or spoken for"
        return None

    def reserve(self, amount: Decimal) -> bool:
        """Whether `amount` still fits; if so it is set aside."""
        if self.refusal(amount) is not None:
            return False
        self.reserved += amount
        return True

    def settle(self, reserved: Decimal, actual: Decimal | None) -> None:
        """Replace a reservation by what was paid; an unknown cost counts as the whole reservation."""
        paid = reserved if actual is None else actual
        self.reserved -= reserved
        self.spent += paid
        self.month_spent += paid
