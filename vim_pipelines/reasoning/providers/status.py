"""How the language models stand, for the command line: the switch, who would write, what is spent of the budgets."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.reasoning.ledger import Ledger
from vim_pipelines.reasoning.providers.make import make_vendors, model_warning
from vim_pipelines.store.switches import LLM, read_switch

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store


def read_status(settings: Settings, store: Store, now: datetime) -> dict[str, Any]:
    """Switch (with who turned it last), writers in order, and the month's spending; calls of unknown cost count with the most that they can have cost."""
    switch = read_switch(store, LLM)
    return {
        "is_on": switch.is_on, "actor": switch.actor, "role": switch.role, "note": switch.note, "at": switch.at,
        "writers": [vendor.label for vendor in make_vendors(settings)] or ["offline drafter"], "month_spent_usd": Ledger(store).spent_in_month(now),
        "month_budget_usd": settings.month_budget_usd, "night_budget_usd": settings.budget_usd, "warning": model_warning(settings),
    }  # fmt: skip


def status_lines(status: dict[str, Any]) -> list[str]:
    """The status for people."""
    by = f", turned by {status['actor']} ({status['role']}) on {status['at']:%Y-%m-%d %H:%M} UTC: {status['note']}" if status["actor"] else ""
    return [
        f"Language models are {'on' if status['is_on'] else 'off'}{by}.",
        f"Drafts are written by: {', then '.join(status['writers'])}.",
        f"This month: {status['month_spent_usd']:.4f} of {status['month_budget_usd']} USD; at most {status['night_budget_usd']} USD a night.",
        *([f"Warning: {status['warning']}"] if status["warning"] else []),
    ]
