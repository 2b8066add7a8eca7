"""What the signals read from the base models: a handful of small frames, one query each.

Everything that counts events stays in the warehouse; what arrives here is at most accounts x weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

#: Days of history from which an account's own rhythm (usual gap, share of active days, users seen) is taken: 26 weeks.
RHYTHM_DAYS = 182
FEATURE_DAYS = 28

#: Number of business days before a date, counted from a Monday; a weekend day counts like the Monday after it.
_DAY_NUMBER = "datediff('day', cast('1970-01-05' as date), {day})"
_BUSINESS_INDEX = "(5 * floor({number} / 7) + least(mod({number}, 7), 5))"

_RHYTHM = """
with days as (
    select account_key, activity_date, {number} as day_number
    from base.int_usage_daily
    where account_key is not null and known_date <= ? and activity_date <= ? and activity_date > ?
    group by account_key, activity_date
),
indexed as (
    select
        account_key,
        {index} as business_index,
        {next_index} as next_index,
        case when mod(day_number, 7) < 5 then 1 else 0 end as is_business_day
    from days
),
steps as (
    select
        account_key,
        business_index,
        is_business_day,
        business_index - lag(next_index) over (partition by account_key order by next_index, business_index) as silent_days
    from indexed
)
select
    account_key,
    median(silent_days) as median_gap_days,
    sum(is_business_day) as active_days,
    min(business_index) as first_index
from steps
group by account_key
"""

_USERS = """
select account_key, count(distinct user_key) as users_seen
from base.int_usage_daily
where account_key is not null and known_date <= ? and activity_date <= ? and activity_date > ?
group by account_key
"""

_FEATURES = """
with entitled as (
    select distinct lines.account_key, features.product, features.feature
    from base.int_contract_lines as lines
    inner join base.product_features as features on lines.product = features.product
    where lines.is_active and features.is_value_feature
),
used as (
    select distinct account_key, product, feature
    from base.int_usage_daily
    where account_key is not null and known_date <= ? and activity_date <= ? and activity_date > ?
)
select entitled.account_key, count(*) as entitled_features, count(used.feature) as used_features
from entitled
left join used on entitled.account_key = used.account_key and entitled.product = used.product and entitled.feature = used.feature
group by entitled.account_key
"""

# A renewal that was automatic in an earlier version and is not any more: the customer, or somebody for them, has switched it off.
_AUTO_RENEW_OFF = """
select distinct lines.account_key
from base.int_contract_lines as lines
inner join raw.contract_lines as versions on lines.contract_line_key = versions.contract_line_key
where lines.is_active and not lines.auto_renew and versions.auto_renew and versions.known_at < ?
"""

ACCOUNT_COLUMNS = (
    "account_key", "account_name", "segment", "seats_contracted", "active_users_28d", "utilization_28d", "shelfware_seats", "contract_age_days", "days_to_opt_out",
    "days_to_renewal", "gap_days", "last_activity_date", "notice_served_on", "usage_status", "ticket_status", "contract_status",
)  # fmt: skip
EVIDENCE_COLUMNS = (
    "account_key", "sponsors_active", "sponsors_left", "sponsor_left_on", "fttv_due_on", "fttv_reached_on", "handoff_fields_expected", "handoff_fields_missing",
    "handoff_missing_fields", "notice_on", "notice_is_open", "won_back_on",
)  # fmt: skip


@dataclass(frozen=True)
class BaseFrames:
    """The inputs of one as-of date. `accounts` has one row per account; the others only rows for accounts that have any."""

    accounts: pd.DataFrame
    account_weeks: pd.DataFrame
    ticket_weeks: pd.DataFrame
    ticket_load: pd.DataFrame
    rhythm: pd.DataFrame
    features: pd.DataFrame
    evidence: pd.DataFrame
    auto_renew_off: pd.DataFrame


def business_index(day: date) -> int:
    """Number of business days before `day`, from Monday 1970-01-05; the same count as in the queries."""
    weeks, weekday = divmod((day - date(1970, 1, 5)).days, 7)
    return 5 * weeks + min(weekday, 5)


def read_base(session: Session, as_of: date) -> BaseFrames:
    """All inputs from the base models, which must have been built for `as_of`."""
    number = _DAY_NUMBER.format(day="activity_date")
    rhythm = _RHYTHM.format(number=number, index=_BUSINESS_INDEX.format(number="day_number"), next_index=_BUSINESS_INDEX.format(number="(day_number + 1)"))
    window = [as_of, as_of, as_of - timedelta(days=RHYTHM_DAYS)]
    return BaseFrames(
        accounts=_frame(session, f"select {', '.join(ACCOUNT_COLUMNS)} from base.int_accounts order by account_key", ACCOUNT_COLUMNS),
        account_weeks=_columns(session, "base.int_account_weeks", ("account_key", "week_start", "active_users", "events", "is_known_event_week")),
        ticket_weeks=_columns(session, "base.int_ticket_weeks", ("account_key", "week_start", "tickets_opened", "is_covered")),
        ticket_load=_columns(
            session, "base.int_ticket_load", ("account_key", "weighted_load", "open_p1", "oldest_open_p1_days", "tickets_90d", "tickets_open", "status")
        ),
        rhythm=_frame(session, rhythm, ("account_key", "median_gap_days", "active_days", "first_index"), window).merge(
            _frame(session, _USERS, ("account_key", "users_seen"), window), on="account_key", how="outer"
        ),
        features=_frame(session, _FEATURES, ("account_key", "entitled_features", "used_features"), [as_of, as_of, as_of - timedelta(days=FEATURE_DAYS)]),
        evidence=_columns(session, "base.int_lifecycle_evidence", EVIDENCE_COLUMNS),
        auto_renew_off=_frame(session, _AUTO_RENEW_OFF, ("account_key",), [end_of_day(as_of)]),
    )


def _columns(session: Session, table: str, columns: Sequence[str]) -> pd.DataFrame:
    return _frame(session, f"select {', '.join(columns)} from {table}", columns)


def _frame(session: Session, sql: str, columns: Sequence[str], parameters: Sequence[Any] = ()) -> pd.DataFrame:
    """The result with exactly these columns: a result without rows may arrive without columns."""
    return session.query(sql, parameters).reindex(columns=list(columns))
