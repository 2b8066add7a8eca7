"""What the signals read from the base models: a handful of small frames, one query each.

Everything that counts events stays in the warehouse; what arrives here is at most accounts x weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

#: Days of history from which an account's own rhythm (usual gap, share of active days, users seen) is taken: 26 weeks.
RHYTHM_DAYS = 182
FEATURE_DAYS = 28
SERVICE_LEVEL_DAYS = 90
#: A renewal deal won within so many days is the coming renewal and not the one before: notice periods and early renewals stay below.
SIGNED_DAYS = 180

#: Number of business days before a date, counted from a Monday; a weekend day counts like the Monday after it.
_DAY_NUMBER = "datediff('day', cast('1970-01-05' as date), {day})"
_BUSINESS_INDEX = "(5 * floor({number} / 7) + least(mod({number}, 7), 5))"

_RHYTHM = """
with days as (
    select account_key, activity_date, {number} as day_number
    from base.int_usage_days
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

# Only where no contract states the seats (run.build): counting half a year of users for everybody would cost more than the rest of the night.
_USERS = """
select account_key, count(distinct user_key) as users_seen
from base.int_usage_daily
where
    account_key in (select account_key from base.int_accounts where seats_contracted is null)
    and known_date <= ? and activity_date <= ? and activity_date > ?
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

# Concentration: value actions of four weeks by person. A portfolio without a feature map has none, and its shares stay unknown.
_CONCENTRATION = """
with people as (
    select daily.account_key, daily.user_key, sum(daily.events) as actions
    from base.int_usage_daily as daily
    inner join base.product_features as features on daily.product = features.product and daily.feature = features.feature
    where
        daily.account_key is not null and daily.user_key is not null and features.is_value_feature
        and daily.known_date <= ? and daily.activity_date <= ? and daily.activity_date > ?
    group by daily.account_key, daily.user_key
)
select account_key, sum(actions) as value_actions, max(actions) as top_actions
from people
group by account_key
"""

# Only tickets to which a policy was applied count: a help desk that reports breaches and no policies would breach every time.
_SERVICE_LEVEL = """
with policies as (
    select
        ticket_key,
        max(case when event_type = 'apply_sla' then 1 else 0 end) as has_policy,
        max(case when event_type = 'breach' then 1 else 0 end) as is_breached
    from base.stg_support__ticket_events
    where event_type in ('apply_sla', 'breach') and occurred_at < ?
    group by ticket_key
)
select tickets.account_key, count(*) as sla_tickets, sum(policies.is_breached) as sla_breached
from base.stg_support__tickets as tickets
inner join policies on tickets.ticket_key = policies.ticket_key
where policies.has_policy = 1 and tickets.opened_at < ? and tickets.opened_at >= ? and coalesce(tickets.status, 'open') <> 'deleted'
group by tickets.account_key
"""

_CONTACTS = """
select account_key, sum(case when coalesce(is_active, true) and (left_on is null or left_on > ?) then 1 else 0 end) as contacts_active
from base.stg_crm__contacts
group by account_key
"""

# A renewal is signed when its deal is won, or when the next term already stands as a line that has not begun.
_RENEWALS = """
with deals as (
    select
        account_key,
        sum(case when not coalesce(is_closed, false) then 1 else 0 end) as renewals_open,
        sum(case when coalesce(is_closed, false) and coalesce(is_won, false) and close_date > ? then 1 else 0 end) as renewals_won
    from base.stg_crm__opportunities
    where opportunity_type = 'renewal' and (created_on is null or created_on <= ?)
    group by account_key
),
terms as (
    select account_key, count(*) as terms_ahead
    from base.int_contract_lines
    where line_status = 'ok' and contract_status = 'active' and start_date > ?
    group by account_key
)
select
    accounts.account_key,
    coalesce(deals.renewals_open, 0) as renewals_open,
    coalesce(deals.renewals_won, 0) + coalesce(terms.terms_ahead, 0) as renewals_signed
from base.int_accounts as accounts
left join deals on accounts.account_key = deals.account_key
left join terms on accounts.account_key = terms.account_key
where exists (select 1 from base.stg_crm__opportunities where opportunity_type = 'renewal')
    and exists (select 1 from raw.entity_coverage where entity = 'opportunity' and is_fed)
"""

# Handoffs are among colleagues; every other kind of meeting, and a business review, is a talk with the customer.
_TALKS = """
with talks as (
    select
        account_key,
        max(case when status = 'held' and held_at < ? then cast(held_at as date) end) as last_talk_on,
        sum(case when status = 'planned' and held_at >= ? then 1 else 0 end) as talks_ahead
    from base.stg_crm__meetings
    where coalesce(meeting_kind, 'other') <> 'handoff'
    group by account_key
    union all
    select
        account_key,
        max(case when status = 'held' and held_on <= ? then held_on end) as last_talk_on,
        sum(case when status = 'planned' and held_on > ? then 1 else 0 end) as talks_ahead
    from base.stg_crm__ebrs
    group by account_key
),
by_account as (
    select account_key, max(last_talk_on) as last_talk_on, sum(talks_ahead) as talks_ahead
    from talks
    group by account_key
)
select accounts.account_key, by_account.last_talk_on, accounts.first_contract_start, coalesce(by_account.talks_ahead, 0) as talks_ahead
from base.int_accounts as accounts
left join by_account on accounts.account_key = by_account.account_key
where exists (select 1 from base.stg_crm__meetings where coalesce(meeting_kind, 'other') <> 'handoff')
    and exists (select 1 from raw.entity_coverage where entity = 'meeting' and is_fed)
"""

# What the account pays in a year, in the portfolio's currency: the weight of its risks in the ranking. One line without price or
# rate leaves the sum unknown.
_STAKES = """
select
    account_key,
    case
        when max(case when seats > 0 and (net_unit_price_annual is null or fx_rate is null) then 1 else 0 end) = 0
            then cast(sum(seats * net_unit_price_annual * fx_rate) as double)
    end as stake_annual
from base.int_contract_lines
where is_active
group by account_key
"""

_TEAM = """
select count(distinct coalesce(lower(csm_email), lower(csm_name))) as csms from base.int_accounts
"""

# Seats bought over time; what was never in force, or ended early on a day that no source tells, is no history.
_SEAT_LINES = """
select account_key, seats, start_date, end_date
from base.int_contract_lines
where line_status = 'ok' and contract_status not in ('draft', 'terminated')
"""

ACCOUNT_COLUMNS = (
    "account_key", "account_name", "segment", "seats_contracted", "active_users_28d", "utilization_28d", "shelfware_seats", "contract_age_days", "days_to_opt_out",
    "days_to_renewal", "gap_days", "last_activity_date", "notice_served_on", "usage_status", "ticket_status", "contract_status", "hold_reason",
)  # fmt: skip
EVIDENCE_COLUMNS = (
    "account_key", "sponsors_active", "sponsors_left", "sponsor_left_on", "fttv_due_on", "fttv_reached_on", "notice_on", "notice_is_open", "won_back_on",
)  # fmt: skip
#: Of computed.handoff_audits, which the handoff audit writes before the signals.
HANDOFF_COLUMNS = ("account_key", "handoff_fields_expected", "handoff_fields_missing", "handoff_missing_fields")


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
    handoff: pd.DataFrame
    auto_renew_off: pd.DataFrame
    concentration: pd.DataFrame
    service_level: pd.DataFrame
    contacts: pd.DataFrame
    renewals: pd.DataFrame
    talks: pd.DataFrame
    stakes: pd.DataFrame
    seat_lines: pd.DataFrame


def read_capacity(session: Session) -> int:
    """New risks that the team can take up in one ISO week: slots of a Customer Success Manager times their number, at least one."""
    slots = session.scalar("select value from base.signal_thresholds where threshold_name = 'risk_slots_per_csm'")
    if slots is None:
        raise VimError("VIM-E005", "signal_thresholds.csv lacks a threshold", why="There is no row risk_slots_per_csm", fix="Restore the row of the seed")
    return int(slots) * max(1, int(session.scalar(_TEAM) or 0))


def business_index(day: date) -> int:
    """Number of business days before `day`, from Monday 1970-01-05; the same count as in the queries."""
    weeks, weekday = divmod((day - date(1970, 1, 5)).days, 7)
    return 5 * weeks + min(weekday, 5)


def read_base(session: Session, as_of: date) -> BaseFrames:
    """All inputs from the base models, which must have been built for `as_of`."""
    number = _DAY_NUMBER.format(day="activity_date")
    rhythm = _RHYTHM.format(number=number, index=_BUSINESS_INDEX.format(number="day_number"), next_index=_BUSINESS_INDEX.format(number="(day_number + 1)"))
    window = [as_of, as_of, as_of - timedelta(days=RHYTHM_DAYS)]
    end = end_of_day(as_of)
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
        handoff=_handoff(session, as_of),
        auto_renew_off=_frame(session, _AUTO_RENEW_OFF, ("account_key",), [end_of_day(as_of)]),
        concentration=_frame(session, _CONCENTRATION, ("account_key", "value_actions", "top_actions"), [as_of, as_of, as_of - timedelta(days=FEATURE_DAYS)]),
        service_level=_frame(session, _SERVICE_LEVEL, ("account_key", "sla_tickets", "sla_breached"), [end, end, end - timedelta(days=SERVICE_LEVEL_DAYS)]),
        contacts=_frame(session, _CONTACTS, ("account_key", "contacts_active"), [as_of]),
        renewals=_frame(session, _RENEWALS, ("account_key", "renewals_open", "renewals_signed"), [as_of - timedelta(days=SIGNED_DAYS), as_of, as_of]),
        talks=_frame(session, _TALKS, ("account_key", "last_talk_on", "first_contract_start", "talks_ahead"), [end, end, as_of, as_of]),
        stakes=_frame(session, _STAKES, ("account_key", "stake_annual")),
        seat_lines=_frame(session, _SEAT_LINES, ("account_key", "seats", "start_date", "end_date")),
    )


def _handoff(session: Session, as_of: date) -> pd.DataFrame:
    """The gaps of the night's handoff audit; without one (a score of the past, built alone) nothing is known of them."""
    if not session.table_exists("computed.handoff_audits"):
        return _frame(session, "select account_key from base.int_accounts where false", HANDOFF_COLUMNS)
    return _frame(session, f"select {', '.join(HANDOFF_COLUMNS)} from computed.handoff_audits where as_of_date = ?", HANDOFF_COLUMNS, [as_of])


def _columns(session: Session, table: str, columns: Sequence[str]) -> pd.DataFrame:
    return _frame(session, f"select {', '.join(columns)} from {table}", columns)


def _frame(session: Session, sql: str, columns: Sequence[str], parameters: Sequence[Any] = ()) -> pd.DataFrame:
    """The result with exactly these columns: a result without rows may arrive without columns."""
    return session.query(sql, parameters).reindex(columns=list(columns))
