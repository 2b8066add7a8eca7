"""Phases 10 and 11: favours are recorded with consent and not asked for in trouble; a loss is answered, learned from, and watched."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from later_facts import judged, later

from vim_pipelines.lifecycle.rules.advocacy import may_ask

NO_CONSENT: dict[str, Any] = {"reference_consent_key": None, "reference_consent_on": None, "reference_consent_expires_on": None}
AT_RISK: dict[str, Any] = {"serious_risks_open": 1, "serious_risk_rules": "MURA_DROP"}
NOTICE: dict[str, Any] = {"notice_is_open": True, "notice_on": date(2026, 5, 2)}
LOST = NOTICE | {"lost_on": date(2026, 6, 1), "lines_active": 0}
SAVED: dict[str, Any] = {"save_play_entity": "task", "save_play_key": "TSK-7", "save_play_on": date(2026, 5, 6)}
LEARNED: dict[str, Any] = {"post_mortem_key": "DOC-9", "post_mortem_on": date(2026, 6, 20), "post_mortem_is_empty": False, "post_mortem_names_team": False}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("p10_reference", {}, "met", "recorded on 2026-01-15, until 2027-01-14"),
    ("p10_reference", NO_CONSENT, "unmet", "Consent to be a reference is not recorded."),
    ("p10_reference", NO_CONSENT | {"reference_consent_lacking": "withdrawn"}, "unmet", "The consent was withdrawn."),
    ("p10_reference", NO_CONSENT | {"reference_consent_lacking": "expired"}, "unmet", "The consent has run out."),
    ("p10_reference", NO_CONSENT | AT_RISK, "unmet", "Not to be asked for now: Serious risks open: MURA_DROP."),
    ("p10_reference", NO_CONSENT | {"is_risk_judged": False}, "unmet", "Not to be asked for now: the risks of the day were not judged."),
    ("p10_reference", {"is_reference_consent_fed": False}, "unknown", "No source records consents"),
    ("p10_advisory_board", {}, "met", "recorded on 2026-02-01"),
    ("p10_advisory_board", {"advisory_board_key": None}, "unmet", "A seat on the advisory board is not recorded."),
    ("p10_advisory_board", {"is_advisory_board_fed": False}, "unknown", "No source"),
    ("p10_third_party", {}, "met", "A public review is recorded"),
    ("p10_third_party", {"public_review_key": None}, "unmet", "not recorded"),
    ("p10_third_party", {"is_public_review_fed": False}, "unknown", "No source"),
    ("p10_product_loop", {}, "met", "product council is recorded"),
    ("p10_product_loop", {"product_council_key": None}, "unmet", "not recorded"),
    ("p10_product_loop", {"is_product_council_fed": False}, "unknown", "No source"),
    ("p11_save_play", {}, "met", "No notice is open"),
    ("p11_save_play", {"notice_is_open": None}, "unknown", "not known"),
    ("p11_save_play", NOTICE, "unmet", "Notice is open since 2026-05-02 and no save play is decided."),
    ("p11_save_play", NOTICE | SAVED, "met", "decided on 2026-05-06"),
    ("p11_save_play", LOST, "met", "no longer called for"),
    ("p11_save_play", NOTICE | {"is_save_play_fed": False}, "unknown", "No source records save plays"),
    ("p11_post_mortem", {}, "met", "not lost"),
    ("p11_post_mortem", NOTICE, "met", "not lost"),
    ("p11_post_mortem", LOST, "unmet", "lost on 2026-06-01; the post-mortem is due on 2026-07-01."),
    ("p11_post_mortem", LOST | {"lost_on": date(2026, 5, 28)}, "unmet", "due on 2026-06-27. It is overdue."),
    ("p11_post_mortem", LOST | LEARNED, "met", "names nobody of the team"),
    ("p11_post_mortem", LOST | LEARNED | {"post_mortem_names_team": True}, "unmet", "names a person of the team"),
    ("p11_post_mortem", LOST | LEARNED | {"post_mortem_is_empty": True}, "unmet", "is empty"),
    ("p11_post_mortem", LOST | {"is_post_mortem_fed": False}, "unknown", "No source records post-mortems"),
    ("p11_win_back", LOST, "unmet", "Reasons to call: the champion is still there."),
    ("p11_win_back", LOST | {"champions_active": 0}, "unmet", "No new contract has begun since the notice."),
    (
        "p11_win_back", LOST | {"champions_active": 0, "used_after_loss_on": date(2026, 6, 9), "win_back_campaign_on": date(2026, 6, 15)}, "unmet",
        "the product was used on 2026-06-09, after the contract, a win-back campaign runs since 2026-06-15",
    ),
    ("p11_win_back", {"won_back_on": date(2026, 6, 20)}, "met", "A new contract began on 2026-06-20."),
    ("p11_win_back", {"contract_status": "unknown"}, "unknown", "No source feeds contract lines"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "status", "words"), CASES)
def test_advocacy_and_churn_are_judged_by_what_is_on_record(name: str, changes: dict[str, Any], status: str, words: str) -> None:
    finding = judged(name, **changes)
    assert (finding.status, words in finding.evidence) == (status, True), finding.evidence


def test_no_favour_is_asked_while_a_serious_risk_is_open_or_nobody_looked() -> None:
    """A reference was asked for in the week in which half of the customer's users had gone."""
    assert may_ask(later())
    assert not may_ask(later(**AT_RISK))
    assert not may_ask(later(is_risk_judged=None))
