"""Phase 9: the renewal counted to the day on which the customer can leave last, expansion, more than one decision maker."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from later_facts import judged

#: No renewal won, 126 days before the opt-out deadline of 1 November.
OPEN: dict[str, Any] = {"renewal_won_key": None, "renewal_won_on": None, "renewal_is_in_time": None, "renewal_term_end_on": None}
WORKED = OPEN | {"renewal_open_key": "OPP-9", "renewal_open_amount": 40000.0}
#: The term before this one was renewed in time.
LAST_TERM = {"renewal_won_on": date(2025, 10, 20), "renewal_term_end_on": date(2025, 12, 31)}
NO_EXPANSION: dict[str, Any] = {"expansions_open": 0, "expansion_open_key": None}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("p9_early_renewal", {}, "met", "of the term to 2026-12-31 was won on 2026-06-01, before the opt-out deadline."),
    ("p9_early_renewal", {"renewal_is_before_opt_out": False}, "met", "before the renewal date."),
    ("p9_early_renewal", LAST_TERM, "unmet", "The term that runs is not renewed. The next opt-out deadline is 2026-11-01, 126 days away."),
    ("p9_early_renewal", LAST_TERM | {"next_opt_out_on": date(2026, 12, 26)}, "met", "The next opt-out deadline is 2026-12-26, 181 days away."),
    ("p9_early_renewal", OPEN, "unmet", "No renewal is closed-won. The next opt-out deadline is 2026-11-01, 126 days away."),
    ("p9_early_renewal", OPEN | {"next_opt_out_on": date(2026, 6, 27)}, "unmet", "The next renewal date is 2026-12-31, 186 days away."),
    ("p9_early_renewal", {"renewal_is_in_time": False}, "unmet", "when no contract ran any more"),
    ("p9_early_renewal", {"is_renewal_fed": False}, "unknown", "No source records renewals"),
    ("p9_renewal_timeline", {}, "met", "The renewal is won on 2026-06-01"),
    ("p9_renewal_timeline", OPEN, "unmet", "lacks 2026-05-05 (180 days before): a renewal opportunity is open."),
    ("p9_renewal_timeline", WORKED, "met", "to 2026-11-01, 126 days away, is kept; the next step is due on 2026-07-04."),
    ("p9_renewal_timeline", LAST_TERM, "unmet", "lacks 2026-05-05 (180 days before)"),
    ("p9_renewal_timeline", WORKED | {"next_opt_out_on": date(2026, 9, 1), "renewal_open_amount": None}, "unmet", "(90 days before): the renewal opportunity has an"),
    (
        "p9_renewal_timeline", WORKED | {"next_opt_out_on": date(2026, 10, 20), "last_touchpoint_on": date(2026, 6, 21)}, "unmet",
        "lacks 2026-06-22 (120 days before): a talk with the customer was held since",
    ),
    ("p9_renewal_timeline", WORKED | {"next_opt_out_on": date(2026, 10, 20), "last_touchpoint_on": date(2026, 6, 22)}, "met", "the next step is due on 2026-07-22"),
    ("p9_renewal_timeline", OPEN | {"next_opt_out_on": date(2026, 6, 27), "next_renewal_on": date(2027, 6, 28)}, "met", "to 2027-06-28, 365 days away"),
    ("p9_renewal_timeline", OPEN | {"next_opt_out_on": None, "next_renewal_on": None}, "unknown", "no end that a timeline could be counted to"),
    ("p9_renewal_timeline", OPEN | {"next_opt_out_on": None, "next_renewal_on": None, "lines_active": 0}, "met", "nothing to renew"),
    ("p9_renewal_timeline", {"is_renewal_fed": False}, "unknown", "No source records renewals"),
    ("p9_expansion_case", {}, "met", "is written"),
    ("p9_expansion_case", {"expansion_case_key": None}, "unmet", "although 1 expansion opportunities are open and 90 % of the seats are in use"),
    ("p9_expansion_case", NO_EXPANSION | {"expansion_case_key": None, "utilization_28d": 0.5}, "met", "Nothing calls for an expansion case"),
    ("p9_expansion_case", NO_EXPANSION | {"expansion_case_key": None, "usage_status": "stale"}, "unknown", "cannot be seen"),
    ("p9_expansion_case", {"is_expansion_case_fed": False}, "unknown", "No source records expansion cases"),
    ("p9_upsell", {}, "met", "within its close date"),
    ("p9_upsell", {"expansions_overdue": 1, "expansion_overdue_key": "OPP-3"}, "unmet", "1 open expansion opportunity is past the close date"),
    ("p9_upsell", NO_EXPANSION | {"expansion_won_on": date(2026, 3, 1), "expansion_won_key": "OPP-4"}, "met", "was won on 2026-03-01"),
    ("p9_upsell", NO_EXPANSION, "unmet", "No expansion is worked on, although 90 % of the seats are in use"),
    ("p9_upsell", NO_EXPANSION | {"utilization_28d": 0.899}, "met", "Nothing calls for an expansion"),
    ("p9_upsell", NO_EXPANSION | {"usage_status": "unknown"}, "unknown", "cannot be seen"),
    ("p9_upsell", {"is_expansion_fed": False}, "unknown", "No source records expansions"),
    ("p9_multi_threading", {}, "met", "2 of 3 decision makers were spoken to in the last 190 days"),
    ("p9_multi_threading", {"decision_maker_contacts": "2026-06-20, 2025-12-19"}, "unmet", "1 of 3 decision makers were spoken to"),
    ("p9_multi_threading", {"decision_maker_contacts": "2026-06-20, 2025-12-20"}, "met", "2 of 3"),
    ("p9_multi_threading", {"decision_makers_known": 1}, "unmet", "1 decision maker is known, 2 are needed"),
    ("p9_multi_threading", {"decision_makers_known": 0, "is_last_contact_fed": False}, "unmet", "No decision maker is known"),
    ("p9_multi_threading", {"is_last_contact_fed": False}, "unknown", "no source says when they were last spoken to"),
    ("p9_multi_threading", {"is_decision_maker_fed": False}, "unknown", "No source records decision makers"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "status", "words"), CASES)
def test_growth_is_judged_by_what_is_on_record(name: str, changes: dict[str, Any], status: str, words: str) -> None:
    finding = judged(name, **changes)
    assert (finding.status, words in finding.evidence) == (status, True), finding.evidence


def test_a_step_that_the_timeline_does_not_know_is_refused() -> None:
    """A typing mistake in the map would otherwise be a step that is never done."""
    from later_facts import later
    from lifecycle_facts import AS_OF

    from vim_pipelines.lifecycle.rules import RULES

    with pytest.raises(ValueError, match="knows no step called 'opend'"):
        RULES["renewal_on_timeline"].judge(later(**OPEN), {"steps": {180: "opend"}}, AS_OF, frozenset())
