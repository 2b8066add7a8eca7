"""Phase 11, Churn Handling: save, learn, win back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, row_of


def _won_back(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if facts.get("contract_status") == "unknown":
        return Proof("unknown", "No source feeds contract lines.")
    won = facts.get("won_back_on")
    if won is not None and not facts.get("notice_is_open"):
        return Proof("met", f"A new contract began on {won.isoformat()}.", row_of("account", facts.get("account_key")), won)
    return Proof("unmet", "No new contract has begun since the notice.")


RULES: dict[str, Rule] = {
    "won_back": Rule(_won_back),
}
