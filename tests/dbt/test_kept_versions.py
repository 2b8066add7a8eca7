"""The long version tables are kept from night to night, and say of every day what choosing among all versions would say."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

from dbt_portfolio import Portfolio

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.transform.project import run_dbt

FIRST = date(2026, 6, 20)
SELECTION = ["base_support__tickets", "stg_support__tickets"]


def version(rng: random.Random, number: int, day: int) -> dict[str, Any]:
    return {
        "key": f"t{number}", "known_at": datetime.combine(FIRST + timedelta(days=day), datetime.min.time()) + timedelta(minutes=rng.randrange(1440)),
        "is_deleted": rng.random() < 0.25, "subject": f"{rng.random():.9f}",
    }  # fmt: skip


def latest(versions: list[dict[str, Any]], day: int) -> dict[str, str]:
    """By the definition: each key's newest version known on the day, without those that say deleted."""
    newest: dict[str, dict[str, Any]] = {}
    for item in sorted(versions, key=lambda item: item["known_at"]):
        if item["known_at"] < end_of_day(FIRST + timedelta(days=day)):
            newest[item["key"]] = item
    return {key: item["subject"] for key, item in newest.items() if not item["is_deleted"]}


def load(portfolio: Portfolio, versions: list[dict[str, Any]]) -> None:
    for item in versions:
        values = {name: value for name, value in item.items() if name != "key"}
        portfolio.add("ticket", item["key"], account_key="a", opened_at=datetime(2026, 6, 1), **values)
    portfolio.write()
    portfolio.load_number += 1


def test_a_kept_table_is_what_choosing_among_all_versions_gives_whatever_the_order_of_days(portfolio: Portfolio) -> None:
    rng = random.Random(7)
    early = [version(rng, number, day) for number in range(30) for day in range(4) if rng.random() < 0.6]
    # Days 4 to 6, and rows that arrive with them although they were known before.
    late = [version(rng, number, day) for number in range(20, 40) for day in (1, 4, 5, 6) if rng.random() < 0.6]
    assert any(item["is_deleted"] for item in early) and any(item["known_at"] < end_of_day(FIRST + timedelta(days=1)) for item in late)
    load(portfolio, early)
    loaded = list(early)
    for day in (3, 3, 5, 1, 5, 2, 6):
        if day == 5 and len(loaded) == len(early):
            load(portfolio, late)
            loaded += late
        run_dbt(portfolio.settings, SELECTION, FIRST + timedelta(days=day), "USD")
        found = {row["ticket_key"]: row["subject"] for row in portfolio.rows("select ticket_key, subject from base.stg_support__tickets")}
        assert found == latest(loaded, day), day
    written = portfolio.row("select count(*) as n from base.base_support__tickets")["n"]
    assert written == len({item["key"] for item in loaded})
