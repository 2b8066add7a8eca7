"""What the simulated vendor sells, and the constants that other parts of the sandbox have to agree with.

`PRODUCT_FEATURES` is mirrored by the dbt seed that maps products to features; a test compares the two, because a feature that
is missing from the seed looks like a feature that nobody uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

#: The sandbox's today (a Monday, 06:00 UTC is its hour): the default as-of date is the Sunday before, the end of a complete ISO week.
SANDBOX_TODAY = date(2026, 6, 29)
SANDBOX_HOUR = 6

HEADLINE_KEY = "ACC-HEADLINE"
HEADLINE_NAME = "Northwind Robotics"

VENDOR_DOMAIN = "lanternworks.example"


@dataclass(frozen=True)
class Feature:
    """A feature of a product. `is_value`: the customer buys the product for it; `weight`: share of an ordinary user's events."""

    name: str
    event_name: str
    is_value: bool
    weight: float


PRODUCT_FEATURES: dict[str, tuple[Feature, ...]] = {
    "core": (
        Feature("home", "home_viewed", False, 0.14),
        Feature("search", "search_run", False, 0.12),
        Feature("projects", "project_updated", True, 0.16),
        Feature("tasks", "task_completed", True, 0.16),
        Feature("comments", "comment_posted", False, 0.09),
        Feature("approvals", "approval_given", True, 0.09),
        Feature("templates", "template_used", True, 0.07),
        Feature("file_sharing", "file_shared", False, 0.06),
        Feature("resource_planning", "plan_saved", True, 0.06),
        Feature("time_tracking", "time_logged", True, 0.05),
    ),
    "analytics": (
        Feature("dashboards", "dashboard_viewed", False, 0.24),
        Feature("report_builder", "report_saved", True, 0.16),
        Feature("scheduled_reports", "report_scheduled", True, 0.12),
        Feature("exports", "data_exported", False, 0.13),
        Feature("benchmarks", "benchmark_compared", True, 0.10),
        Feature("forecasting", "forecast_run", True, 0.09),
        Feature("alerts", "alert_created", True, 0.08),
        Feature("data_connectors", "connector_synced", False, 0.08),
    ),
    "automation": (
        Feature("workflow_editor", "workflow_edited", True, 0.20),
        Feature("workflow_runs", "workflow_started", True, 0.22),
        Feature("triggers", "trigger_created", True, 0.12),
        Feature("run_history", "run_history_viewed", False, 0.14),
        Feature("integrations", "integration_connected", True, 0.10),
        Feature("approval_routing", "route_changed", True, 0.08),
        Feature("bot_library", "bot_installed", False, 0.07),
        Feature("error_inbox", "error_resolved", False, 0.07),
    ),
}

PRODUCTS: tuple[str, ...] = tuple(PRODUCT_FEATURES)

#: List price per seat and year in USD, and the factor of the price book in the other currencies.
LIST_PRICE_USD: dict[str, int] = {"core": 360, "analytics": 540, "automation": 240}
PRICE_BOOK: dict[str, float] = {"USD": 1.0, "EUR": 0.95, "GBP": 0.80}
#: A currency that no rate exists for: its amounts are unknown, never counted as dollars.
UNKNOWN_CURRENCY = "XXZ"
#: Start of each currency's random walk, US dollars for one unit.
FX_START: dict[str, float] = {"EUR": 1.085, "GBP": 1.270}

#: What can be wrong with a planted account, in the order in which a small sandbox receives them.
TRUTHS: tuple[str, ...] = (
    "shelfware", "unused_features", "spiky", "gapped", "dropping", "ticket_overload", "silence", "sponsor_lost", "late_first_value",
    "incomplete_handoff", "notice_served", "win_back",
)  # fmt: skip

#: Faulty records planted in one account each, and faults that are spread over all telemetry.
ACCOUNT_DIRT: tuple[str, ...] = ("dirty_conflicting_seats", "dirty_seats_zero", "dirty_renewal_before_start", "dirty_unknown_currency")
EVENT_DIRT: tuple[str, ...] = ("dirty_late_events", "dirty_duplicate_events", "dirty_unmapped_users", "dirty_future_timestamps")


def is_holiday(day: date) -> bool:
    """The turn of the year, 24 December to 1 January: the one known event of the simulated world's calendar."""
    return (day.month == 12 and day.day >= 24) or (day.month == 1 and day.day == 1)


@dataclass(frozen=True)
class Window:
    """The simulated time: `weeks` complete ISO weeks before the week of `today`, then `future_days` from `today` on.

    `start` is a Monday; `end` is exclusive. `week_count` covers the future too, its last week may be cut by `end`.
    """

    today: date
    weeks: int
    future_days: int

    @property
    def start(self) -> date:
        return self.today - timedelta(days=self.today.weekday() + 7 * self.weeks)

    @property
    def end(self) -> date:
        return self.today + timedelta(days=self.future_days)

    @property
    def week_count(self) -> int:
        return -(-(self.end - self.start).days // 7)

    @property
    def days(self) -> list[date]:
        return [self.start + timedelta(days=n) for n in range((self.end - self.start).days)]


def add_months(day: date, months: int) -> date:
    """`day` moved by whole months, clipped to the last day of a shorter month."""
    month = day.year * 12 + day.month - 1 + months
    first_of_next = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date(month // 12, month % 12 + 1, min(day.day, (first_of_next - timedelta(days=1)).day))
