"""What a person reads of the queue: the account's actions with the factors of their place, and the queues in one line of the summary."""

from __future__ import annotations

from actions_by_hand import account, queue, requirement, rows

from vim_pipelines.reporting.account import action_lines
from vim_pipelines.reporting.summary import queue_line


def test_an_account_shows_its_actions_with_the_arithmetic_of_their_place() -> None:
    found = rows(
        queue(
            accounts=[account(phase=10, csm_hours=1.0)],
            requirements=[requirement("p7_playbooks", evidence="A serious risk is open."), requirement("p10_reference"), requirement("p5_follow_up")],
        )
    )
    lines = action_lines([row | {"portfolio_currency": "USD"} for row in found.values()])
    assert lines == [
        "Next best actions   2 to do, 1 of them in this week's hours",
        "  1. Write the mitigation plan   [p7_playbooks, 2 h]   [beyond this week's capacity]",
        "     $5,775 = $100,000 x 0.35 at stake x 0.55 urgency x 0.30 chance; place 1 in the queue of cara",
        "     why: A serious risk is open.",
        "  2. Follow up what meetings left open   [p5_follow_up, 0.5 h]",
        "     $3,850 = $100,000 x 0.1 at stake x 0.55 urgency x 0.70 chance; place 2 in the queue of cara, due 2026-06-29",
        "     why: It is missing.",
        "  not now: p10_reference superseded ('Risk playbooks' comes first)",
    ]


def test_a_median_that_stands_in_for_a_value_is_named() -> None:
    book = [account(f"K{n}", stake_annual=value) for n, value in enumerate((10e3, 20e3, 30e3, 40e3, 50e3))]
    found = rows(queue(accounts=[*book, account("X", stake_annual=None)], requirements=[requirement("p2_red_flags", key="X")]))
    assert "$30,000 (segment median) x 0.35" in action_lines([row | {"portfolio_currency": "USD"} for row in found.values()])[2]


def test_the_summary_has_the_queues_in_a_line() -> None:
    some = {f"p{n}@example.com": {"in_capacity": 3.0, "hours": 11.5, "beyond": 2.0} for n in range(8)}
    assert queue_line({}) == "none"
    assert queue_line(dict(list(some.items())[:1])) == "p0 3 (11.5 h, 2 beyond)"
    assert queue_line(some).endswith("p5 3 (11.5 h, 2 beyond), and 2 more")
