"""The tables of the next-best-action queue, schema `computed`."""

from __future__ import annotations

_KEY = {"account_key": "varchar", "as_of_date": "date"}

ACTION_TABLES: dict[str, dict[str, str]] = {
    "next_best_actions": {
        **_KEY, "requirement_id": "varchar", "action_id": "varchar", "opened_on": "date", "phase": "bigint", "title": "varchar", "kind": "varchar",
        "action": "varchar", "yields": "varchar", "document": "varchar", "who_is_chased": "varchar", "segment": "varchar",
        "queue_kind": "varchar", "queue_owner": "varchar", "queue_week": "date", "status": "varchar", "status_reason": "varchar",
        "queue_rank": "bigint", "account_rank": "bigint", "is_in_capacity": "boolean", "weekly_hours": "double", "effort_hours": "double",
        "score": "double", "value_at_stake": "double", "value_kind": "varchar", "value_ranked": "double", "value_basis": "varchar", "stake_share": "double",
        "urgency": "double", "business_days_left": "bigint", "deadline_on": "date", "deadline_kind": "varchar",
        "chance": "double", "prior_chance": "double", "prior_weight": "double", "tried": "bigint", "helped": "bigint",
        "why": "varchar", "evidence_rows": "varchar", "risk_ids": "varchar", "asks_requirement": "boolean", "success_criterion": "varchar", "success_test": "varchar",
        "first_shown_on": "date", "last_shown_on": "date", "due_on": "date", "cool_down_until": "date", "taken_week": "date", "taken_by": "varchar",
        "done_on": "date", "done_how": "varchar", "request_id": "varchar", "outcome": "varchar", "outcome_on": "date", "is_outcome_counted": "boolean",
        "rule_version": "varchar",
    },
    # What the queue of a day was made from and stands in no other daily table, kept so that a late day can be folded forward.
    "next_best_action_inputs": {
        **_KEY, "segment": "varchar", "csm": "varchar", "director": "varchar", "stake_annual": "double", "waste_annual": "double", "deadline_on": "date",
        "deadline_kind": "varchar", "csm_hours": "double", "director_hours": "double", "data_hours": "double",
    },
    # Outcomes up to and with the day: what the chance of the next day is updated by.
    "next_best_action_outcomes": {"as_of_date": "date", "requirement_id": "varchar", "segment": "varchar", "tried": "bigint", "helped": "bigint"},
}  # fmt: skip
