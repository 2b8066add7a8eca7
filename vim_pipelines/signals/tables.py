"""The tables that the signals write, schema `computed`. They exist before the first night ends, because dbt sources name them."""

from __future__ import annotations

from vim_pipelines.warehouse.base import Session

_KEY = {"account_key": "varchar", "as_of_date": "date"}

TABLES: dict[str, dict[str, str]] = {
    "adoption_variance": {
        **_KEY, "n_weeks": "bigint", "mean_active": "double", "slope_per_week": "double", "cv": "double", "cv_robust": "double", "dispersion_index": "double",
        "rho": "double", "dispersion_p": "double", "recent_median": "double", "prior_median": "double", "drop_ratio": "double", "drop_p": "double",
        "decline_ratio": "double", "decline_p": "double", "gap_days": "bigint", "is_spiky": "boolean", "is_gapped": "boolean", "is_dropping": "boolean",
        "status": "varchar", "rule_version": "varchar",
    },
    "ticket_spikes": {
        **_KEY, "week_start": "date", "tickets_4w": "bigint", "baseline_sum": "bigint", "phi": "double", "p_value": "double", "spike_level": "varchar",
        "severity": "double", "proximity": "double", "muri_priority": "double", "status": "varchar", "rule_version": "varchar",
    },
    "account_scores": {
        **_KEY, "muda_score": "double", "mura_score": "double", "muri_score": "double", "lean_risk": "double", "coverage": "double", "risk_band": "varchar",
        "floor_reason": "varchar", "score_version": "varchar", "raw_band": "varchar", "held_band": "varchar", "asked_band": "varchar", "scored_on": "date",
        "band_reason": "varchar", "previous_as_of_date": "date", "previous_lean_risk": "double", "previous_band": "varchar", "lean_risk_change": "double",
        "rule_change": "double", "why": "varchar",
    },
    "health_evidence": {
        **_KEY, "seats_contracted": "double", "shelfware_seats": "double", "contract_age_days": "double", "is_dropping": "double", "is_spiky": "double",
        "is_gapped": "double", "fall": "double", "cv": "double", "gap_days": "double", "spike_p_value": "double", "tickets_4w": "double",
        "weighted_load": "double", "usage_status": "varchar", "contract_status": "varchar", "adoption_status": "varchar", "spike_status": "varchar",
        "ticket_status": "varchar", "floor_notice_served": "boolean", "floor_auto_renew_switched_off": "boolean",
        "floor_aged_p1_before_opt_out": "boolean", "floor_never_activated": "boolean", "audited_version": "varchar", "audited_lean_risk": "double",
    },
    "health_contributions": {
        **_KEY, "measure": "varchar", "dimension": "varchar", "status": "varchar", "value": "double", "unit": "varchar", "sub_score": "double",
        "base_weight": "double", "weight": "double", "contribution": "double", "previous_contribution": "double", "change": "double", "detail": "varchar",
    },
    "risks": {
        **_KEY, "rule_id": "varchar", "rule_version": "varchar", "severity": "varchar", "inputs": "varchar", "threshold": "varchar", "p_value": "double",
        "effect": "double", "summary": "varchar", "q_value": "double", "risk_status": "varchar", "is_never_cut": "boolean", "capacity_rank": "bigint",
        "weekly_capacity": "bigint", "is_within_capacity": "boolean", "cut_reason": "varchar",
    },
}  # fmt: skip

#: Written by backtests (evaluation/), on no schedule; it stands here because a dbt source names it, and the marts of the first night read it.
CALIBRATION_CARDS = {
    "card_id": "varchar", "as_of_date": "date", "subject": "varchar", "label": "varchar", "model": "varchar", "model_version": "varchar",
    "probability_method": "varchar", "verdict": "varchar", "may_be_used_for": "varchar", "limits": "varchar", "data_hash": "varchar",
    "trained_from": "date", "trained_to": "date", "train_rows": "bigint", "train_losses": "bigint", "tested_from": "date", "tested_to": "date",
    "test_rows": "bigint", "test_losses": "bigint", "metric": "varchar", "ranking": "varchar", "slice": "varchar", "value": "double", "low_95": "double",
    "high_95": "double", "predicted": "double", "n_obs": "bigint", "n_losses": "bigint",
}  # fmt: skip


def ensure_computed_tables(session: Session) -> None:
    """Create the tables of this slice that do not exist."""
    for name, columns in TABLES.items():
        session.ensure_table(f"computed.{name}", columns)
    session.ensure_table("computed.calibration_cards", CALIBRATION_CARDS)
