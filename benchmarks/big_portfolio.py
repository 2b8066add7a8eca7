"""A portfolio of any size as Parquet files, written by DuckDB: what `make bench` loads.

The sandbox's simulator makes portfolios with a truth behind every account, one account at a time in Python, and 100 million events
would take it hours. This one has no truth to find, only the weight and the shape of the real thing: contracts of 5 to 2,000 seats,
light and heavy users, working weeks, growth, decline and silence, three currencies, tickets with their steps, events that arrive
days late or twice.

`python -m benchmarks.big_portfolio --help` writes one. Every value is a hash of what it belongs to (an account, a user and a day), never of a position in a sequence. So the same day is the
same in a portfolio with 3 months of history as in one with 24, and the files are written stretch by stretch in bounded memory.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from vim_pipelines.portfolio.entities import ENTITIES, SQL_TYPES, USAGE_EVENT_COLUMNS

#: Contracts of 5 seats up to this; the distribution is a bounded Pareto with exponent 1/2, whose mean is sqrt(5 * largest).
SMALLEST = 5
#: Days of arrival in one file: for each, the days before that could still arrive late are drawn again.
CHUNK_DAYS = 61
#: Events that arrive at all have arrived within this many days.
LATEST_ARRIVAL_DAYS = 20
#: Mean number of events of a user on a day on which the user works at all.
EVENTS_A_DAY = 3.0
#: Sum of the day factors of a week (Monday to Friday 1, Saturday and Sunday 0.1).
DAYS_A_WEEK = 5.2
#: Share of users who ever work x their mean weight x what is left of it after patterns and accounts that began in the course of 24 months (measured).
MEAN_WEIGHT = 0.70 * 1.10 * 0.69


@dataclass(frozen=True)
class BigPortfolio:
    """`events_a_month` is the volume of the whole portfolio in 30.4 days; `history_days` ends the day before `night`, whose rows are a file of their own."""

    accounts: int
    users: int
    events_a_month: float
    history_days: int
    night: date

    @property
    def first_day(self) -> date:
        return self.night - timedelta(days=self.history_days)

    @property
    def largest(self) -> float:
        """Seats of the largest contract, so that the accounts have `users` users on average."""
        mean = max(self.users / max(self.accounts, 1), SMALLEST + 1)
        return mean * mean / SMALLEST

    @property
    def daily_chance(self) -> float:
        """Chance that a user of weight 1 works on a working day."""
        user_weeks = max(self.users, 1) * 30.4 / 7
        return min(0.3, self.events_a_month / (user_weeks * DAYS_A_WEEK * EVENTS_A_DAY * MEAN_WEIGHT))


def write_files(portfolio: BigPortfolio, folder: Path, *, memory_limit: str = "1500MB") -> dict[str, int]:
    """Write `folder/history/<table>/*.parquet` and `folder/night/<table>/*.parquet`; returns rows per part and table.

    Usage is one file for CHUNK_DAYS of arrival, each sorted by arrival, with the load number of its night.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"set memory_limit = '{memory_limit}'")
    connection.execute(f"set temp_directory = '{folder / 'spill'}'")
    connection.execute(_BASICS.format(**_values(portfolio)))
    rows: dict[str, int] = {}
    for entity in ENTITIES.values():
        connection.execute(f"create or replace temp table versions as {_versioned(entity.name, portfolio)}")
        for part, condition in (
            ("history", f"known_at < timestamp '{portfolio.night}'"),
            ("night", f"known_at >= timestamp '{portfolio.night}' and known_at < timestamp '{portfolio.night + timedelta(days=1)}'"),
        ):
            rows[f"{part}.{entity.table}"] = _copy(
                connection, f"select * from versions where {condition} order by known_at", folder / part / entity.table / "0.parquet"
            )
    for start, end in _chunks(portfolio):
        rows["history.usage_events"] = rows.get("history.usage_events", 0) + _copy(
            connection, _usage(portfolio, start, end), folder / "history" / "usage_events" / f"{start}.parquet"
        )
    rows["night.usage_events"] = _copy(
        connection, _usage(portfolio, portfolio.night, portfolio.night + timedelta(days=1)), folder / "night" / "usage_events" / f"{portfolio.night}.parquet"
    )
    connection.close()
    return rows


def _chunks(portfolio: BigPortfolio) -> Iterator[tuple[date, date]]:
    """First and one-past-last day of stretches of the history, oldest first."""
    start = portfolio.first_day
    while start < portfolio.night:
        end = min(start + timedelta(days=CHUNK_DAYS), portfolio.night)
        yield start, end
        start = end


def _copy(connection: Any, select: str, file: Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    return int(connection.execute(f"copy ({select}) to '{file}' (format parquet, compression zstd)").fetchone()[0])


def _values(portfolio: BigPortfolio) -> dict[str, Any]:
    return {
        "accounts": portfolio.accounts, "low": SMALLEST, "high": portfolio.largest, "night": portfolio.night, "first": portfolio.first_day,
        "chance": portfolio.daily_chance, "late": LATEST_ARRIVAL_DAYS,
    }  # fmt: skip


_BASICS = """
-- One hash of a pair is not enough: hash(x, 'a') and hash(x, 'b') differ by the same bits for every x, so two "independent" draws would be one.
create macro h(a, b) as hash(hash(a, b));
create macro u(a, b) as ((h(a, b) >> 11)::double / 9007199254740992.0);
create temp table acc as
with ranked as (select n, (row_number() over (order by h(n, 'seats')) - 0.5) / {accounts} as q from range({accounts}) as t(n))
select
    n,
    format('A{{:06d}}', n) as account_key,
    greatest({low}, round(pow(pow({low}, -0.5) - q * (pow({low}, -0.5) - pow({high}, -0.5)), -2)))::bigint as size,
    case when u(n, 'pattern') < .6 then 'steady' when u(n, 'pattern') < .75 then 'growth' when u(n, 'pattern') < .85 then 'decline'
         when u(n, 'pattern') < .95 then 'on_off' else 'silent' end as pattern,
    date '{night}' - (case when n % 100 = 7 then 12 when u(n, 'since') < .03 then u(n, 'since') * 3000 else 100 + u(n, 'since2') * 1000 end)::integer as since,
    case when u(n, 'currency') < .6 then 'USD' when u(n, 'currency') < .85 then 'EUR' else 'GBP' end as currency,
    .1 + .4 * u(n, 'never') as never_share,
    u(n, 'product') < .6 as has_analytics,
    u(n, 'product') < .3 as has_automation
from ranked;
create temp table usr as
select
    acc.n, k, acc.account_key, acc.account_key || '-U' || k as user_key, h(acc.n, k) as id,
    case when u(h(acc.n, k), 'never') < acc.never_share then 0.0 when u(h(acc.n, k), 'weight') < .5 then 0.3
         when u(h(acc.n, k), 'weight') < .85 then 1.0 else 4.0 end as weight,
    acc.has_analytics and k <= ceil(acc.size * .4) as uses_analytics,
    acc.has_automation and k <= ceil(acc.size * .25) as uses_automation
from acc cross join lateral (select unnest(range(1, acc.size + 1)) as k) as members;
create temp table features as
select * from (values
    ('core', ['home', 'search', 'projects', 'tasks', 'comments', 'approvals', 'templates', 'file_sharing', 'resource_planning', 'time_tracking']),
    ('analytics', ['dashboards', 'report_builder', 'scheduled_reports', 'exports', 'benchmarks', 'forecasting', 'alerts', 'data_connectors']),
    ('automation', ['workflow_editor', 'workflow_runs', 'triggers', 'run_history', 'integrations', 'approval_routing', 'bot_library', 'error_inbox'])
) as t(product, names);
create temp table terms as
select
    acc.n, acc.account_key, acc.size, acc.currency, lines.product || lines.suffix as line, lines.product, lines.seats, lines.price, term,
    (acc.since + term::integer * 365 + lines.offset_days::integer)::date as start_date,
    (acc.since + (term::integer + 1) * 365 - 1)::date as end_date
from acc
cross join lateral (values
    ('core', '', acc.size, 300.0, 0, true),
    ('core', '-more', greatest(1, acc.size // 10), 275.5, 90, u(acc.n, 'more') < .1),
    ('analytics', '', ceil(acc.size * .4)::bigint, 480.25, 0, acc.has_analytics),
    ('automation', '', ceil(acc.size * .25)::bigint, 650.0, 0, acc.has_automation)
) as lines(product, suffix, seats, price, offset_days, is_sold)
cross join range(0, 4) as t(term)
where lines.is_sold and acc.since + term::integer * 365 <= date '{night}';
"""

_VERSION = """
    'bench' as source_name, {known} as source_modified_at, {known} as known_at, {known} + interval 5 minute as captured_at,
    md5(concat_ws('|', {key}, {number})) as content_hash, false as is_deleted, 'load-' || strftime({known}, '%Y%m%d') as load_id
"""

#: Per entity: the key, and queries that each give one version of every row: canonical columns that are not named are NULL. `known` is when it is known.
_ENTITIES: dict[str, list[str]] = {
    "account": [
        "select account_key as key, account_key, 'Customer ' || n as account_name, 'c' || n || '.example' as domain,"
        " case when size >= 500 then 'enterprise' when size >= 50 then 'mid_market' else 'smb' end as segment,"
        " case when size >= 200 then 'tier_1' when size >= 30 then 'tier_2' else 'tier_3' end as tier, 'Seller ' || n % 40 as owner_name,"
        " 'seller' || n % 40 || '@vendor.example' as owner_email, 'Manager ' || n % 120 as csm_name, 'csm' || n % 120 || '@vendor.example' as csm_email,"
        " 'director@vendor.example' as director_email, size * 290 as arr_amount, currency, since as customer_since,"
        " since::timestamp - interval 40 day as known from acc",
        # A third of the accounts change hands once; one in two hundred on the night itself.
        "select account_key as key, account_key, 'Customer ' || n as account_name, 'c' || n || '.example' as domain,"
        " case when size >= 500 then 'enterprise' when size >= 50 then 'mid_market' else 'smb' end as segment,"
        " case when size >= 200 then 'tier_1' when size >= 30 then 'tier_2' else 'tier_3' end as tier, 'Seller ' || n % 40 as owner_name,"
        " 'seller' || n % 40 || '@vendor.example' as owner_email, 'Manager ' || n % 119 as csm_name, 'csm' || n % 119 || '@vendor.example' as csm_email,"
        " 'director@vendor.example' as director_email, size * 310 as arr_amount, currency, since as customer_since,"
        " case when u(n, 'tonight') < .005 then timestamp '{night} 09:00:00' else since::timestamp + interval 1 day * floor(u(n, 'hands') * 900) end as known"
        " from acc where u(n, 'tonight') < .005 or u(n, 'changes') < .33",
    ],
    "contact": [
        "select account_key || '-' || role as key, account_key, 'Person ' || n || ' ' || role as full_name, role || '@c' || n || '.example' as email, role,"
        " true as is_active, null::date as left_on, since::timestamp - interval 30 day as known"
        " from acc cross join (values ('champion'), ('sponsor'), ('admin')) as t(role)",
        "select account_key || '-sponsor' as key, account_key, 'Person ' || n || ' sponsor' as full_name, 'sponsor@c' || n || '.example' as email, 'sponsor' as role,"
        " false as is_active, (date '{night}' - (u(n, 'left') * 400)::integer) as left_on,"
        " (date '{night}' - (u(n, 'left') * 400)::integer)::timestamp + interval 9 hour as known from acc where u(n, 'leaves') < .05",
    ],
    "contract_line": [
        "select account_key || '-' || line || '-' || term as key, account_key, product, case when u(n, 'no seats') < .002 then 0 else seats end as seats,"
        " price as list_unit_price_annual, case when u(n, line) >= .005 then round(price * (1 - .3 * u(n, 'discount')), 4) end as net_unit_price_annual, currency,"
        " start_date, case when u(n, 'wrong') < .002 then start_date - 30 else end_date end as end_date,"
        " case when u(n, 'notice') < .98 then [30, 60, 90][1 + (h(n, 'days') % 3)::integer] end as notice_days, u(n, 'renews') < .8 as auto_renew,"
        " 'active' as status, null::date as notice_served_on, start_date::timestamp - interval 20 day as known from terms",
        # Seats are added in mid-term; for one account in a hundred on the night itself.
        "select account_key || '-' || line || '-' || term as key, account_key, product, ceil(seats * 1.1)::bigint as seats,"
        " price as list_unit_price_annual, round(price * (1 - .3 * u(n, 'discount')), 4) as net_unit_price_annual, currency, start_date, end_date,"
        " [30, 60, 90][1 + (h(n, 'days') % 3)::integer] as notice_days, u(n, 'renews') < .75 as auto_renew, 'active' as status, null::date as notice_served_on,"
        " case when u(n, 'tonight') < .01 and end_date >= date '{night}' then timestamp '{night} 10:00:00'"
        " else start_date::timestamp + interval 1 day * floor(u(n, 'grows') * 360) end as known"
        " from terms where u(n, 'tonight') < .01 or u(h(n, line), term) < .2",
        "select account_key || '-' || line || '-' || term as key, account_key, product, seats, price as list_unit_price_annual,"
        " round(price * (1 - .3 * u(n, 'discount')), 4) as net_unit_price_annual, currency, start_date, end_date,"
        " [30, 60, 90][1 + (h(n, 'days') % 3)::integer] as notice_days, false as auto_renew, 'active' as status,"
        " (end_date - 100 + (u(n, 'day') * 60)::integer) as notice_served_on, (end_date - 100 + (u(n, 'day') * 60)::integer)::timestamp + interval 11 hour as known"
        " from terms where u(h(n, term), 'leaves') < .06",
    ],
    "opportunity": [
        "select account_key || '-R' || term as key, account_key, 'Renewal' as opportunity_name, 'renewal' as opportunity_type, 'Negotiation' as stage,"
        " seats * price as amount, currency, end_date - 120 as created_on, end_date as close_date, false as is_closed, null::boolean as is_won,"
        " 'seller' || n % 40 || '@vendor.example' as owner_email, (end_date - 120)::timestamp + interval 9 hour as known from terms where line = 'core'",
        "select account_key || '-R' || term as key, account_key, 'Renewal' as opportunity_name, 'renewal' as opportunity_type, 'Closed Won' as stage,"
        " seats * price as amount, currency, end_date - 120 as created_on, end_date as close_date, true as is_closed, true as is_won,"
        " 'seller' || n % 40 || '@vendor.example' as owner_email, (end_date - 5)::timestamp + interval 9 hour as known from terms where line = 'core'",
    ],
    "document": [
        "select account_key || '-handoff' as key, account_key, 'handoff' as document_kind, 'Sales handoff' as title,"
        " 'Desired outcome: fewer late projects' || chr(10) || 'Sponsor: Person ' || n || chr(10) || case when u(n, 'champion') < .8 then 'Champion: Person ' || n || chr(10) else '' end"
        " || 'Known risks: ' || case when u(n, 'risk') < .7 then 'tight schedule' else '' end as body, since - 10 as authored_on,"
        " 'seller' || n % 40 || '@vendor.example' as author_email, since::timestamp - interval 9 day as known from acc",
    ],
    "meeting": [
        "select account_key || '-M' || m as key, account_key, case m when 0 then 'handoff' when 1 then 'kickoff' else 'cadence' end as meeting_kind, 'Meeting' as subject,"
        " since::timestamp + interval 1 day * (m * 75 + 3) as held_at, 'held' as status, since::timestamp + interval 1 day * (m * 75 + 3) + interval 2 hour as known"
        " from acc cross join range(0, 15) as t(m) where u(n, m) < .9",
    ],
    "task": [
        "select account_key || '-K' || m as key, account_key, 'Follow up' as subject, case when m < 4 then 'done' else 'open' end as status, 'normal' as priority,"
        " since + m::integer * 190 + 14 as due_date, 'csm' || n % 120 || '@vendor.example' as owner_email, since::timestamp + interval 1 day * (m * 190) as known"
        " from acc cross join range(0, 6) as t(m)",
    ],
    "license_assignment": [
        "select user_key || '-' || product as key, usr.account_key, user_key, product, user_key || '@c' || usr.n || '.example' as user_email,"
        " acc.since::timestamp + interval 1 day * floor(u(usr.id, 'assigned') * 20) as assigned_at, null::timestamp as revoked_at,"
        " acc.since::timestamp + interval 1 day * floor(u(usr.id, 'assigned') * 20) + interval 1 hour as known"
        " from usr inner join acc on usr.n = acc.n"
        " cross join lateral (values ('core', true), ('analytics', uses_analytics), ('automation', uses_automation)) as t(product, is_given) where is_given",
        "select user_key || '-core' as key, usr.account_key, user_key, 'core' as product, user_key || '@c' || usr.n || '.example' as user_email,"
        " acc.since::timestamp as assigned_at, date '{night}'::timestamp - interval 1 day * floor(u(usr.id, 'revoked') * 500) + interval 8 hour as revoked_at,"
        " date '{night}'::timestamp - interval 1 day * floor(u(usr.id, 'revoked') * 500) + interval 9 hour as known"
        " from usr inner join acc on usr.n = acc.n where u(usr.id, 'leaves') < .05",
    ],
    "survey_response": [
        "select account_key || '-S' || m as key, account_key, account_key || '-champion' as contact_key, 'nps' as survey_kind, (h(n, m) % 11)::bigint as score,"
        " since::timestamp + interval 1 day * (m * 180 + 60) as responded_at, since::timestamp + interval 1 day * (m * 180 + 60) as known"
        " from acc cross join range(0, 6) as t(m) where u(n, m + 100) < .5",
    ],
    "milestone": [
        "select account_key || '-fttv' as key, account_key, 'fttv' as milestone_kind, 'time saved' as metric_name, 10 as target_value, since + 90 as due_date,"
        " null::date as reached_on, since::timestamp + interval 9 hour as known from acc",
        "select account_key || '-fttv' as key, account_key, 'fttv' as milestone_kind, 'time saved' as metric_name, 10 as target_value, since + 90 as due_date,"
        " since + 20 + (u(n, 'reached') * 130)::integer as reached_on, (since + 20 + (u(n, 'reached') * 130)::integer)::timestamp + interval 18 hour as known"
        " from acc where u(n, 'reaches') < .75",
    ],
    "training_completion": [
        "select user_key || '-intro' as key, usr.account_key, user_key, 'intro' as course,"
        " acc.since::timestamp + interval 1 day * floor(u(usr.id, 'course') * 60) as completed_at,"
        " acc.since::timestamp + interval 1 day * floor(u(usr.id, 'course') * 60) as known from usr inner join acc on usr.n = acc.n where u(usr.id, 'trained') < .1",
    ],
    "ebr": [
        "select account_key || '-E' || m as key, account_key, since + 180 + m::integer * 180 as held_on, 'held' as status, 'agreed' as outcome,"
        " (since + 180 + m::integer * 180)::timestamp + interval 12 hour as known from acc cross join range(0, 5) as t(m) where size >= 50",
    ],
    "campaign": [
        "select account_key || '-C' || m as key, account_key, 'adoption' as campaign_kind, 'Come back' as campaign_name, since + 90 + m::integer * 200 as started_on,"
        " since + 120 + m::integer * 200 as ended_on, size as users_targeted, (size * u(n, m + 200))::bigint as users_responded,"
        " (since + 90 + m::integer * 200)::timestamp + interval 9 hour as known from acc cross join range(0, 3) as t(m) where u(n, m + 300) < .5",
    ],
    "reference": [
        "select account_key || '-R' as key, account_key, account_key || '-champion' as contact_key, 'reference_call' as reference_kind, 'consented' as status,"
        " since + 400 as consented_on, (since + 400)::timestamp + interval 9 hour as known from acc where u(n, 'reference') < .2",
    ],
    "fx_rate": [
        "select currency || ':' || day::date as key, currency, day::date as rate_date, round(base * (.95 + .1 * u(currency, (day::date - date '2000-01-01') // 7)), 4) as rate,"
        " day + interval 6 hour as known from (values ('EUR', 1.09), ('GBP', 1.27)) as t(currency, base)"
        " cross join generate_series(timestamp '{first}', timestamp '{night}', interval 1 day) as days(day)",
    ],
}

#: Tickets open with a rate by seat, in working hours; one account in fifty has three times its rate in the last four weeks.
_TICKETS = """
with openings as (
    select acc.n, acc.account_key, acc.size, day::date as day,
        floor(acc.size * .01 / 5 * (case when isodow(day) < 6 then 1 else .05 end)
            * (case when u(acc.n, 'surge') < .02 and day > timestamp '{night}' - interval 28 day then 3 else 1 end) + u(acc.n, day))::bigint as opened
    from acc cross join generate_series(timestamp '{first}', timestamp '{night}', interval 1 day) as days(day)
    where day >= acc.since and acc.pattern <> 'silent'
)
select
    n, account_key || '-T' || strftime(day, '%Y%m%d') || '-' || i as ticket_key, account_key, h(h(n, day), i) as id,
    day::timestamp + interval 1 second * floor(28800 + 36000 * u(h(n, day), i)) as opened_at,
    interval 1 second * floor(-432000 * ln(1 - u(h(h(n, day), i), 'solved'))) as taken,
    account_key || '-U' || (1 + h(h(n, day), i) % size) as requester_key
from openings cross join lateral (select unnest(range(opened)) as i) as each
where opened > 0
"""
_PRIORITY = "['P1', 'P2', 'P2', 'P2', 'P2', 'P3', 'P3', 'P3', 'P3', 'P3', 'P3', 'P3', 'P3', 'P3', 'P4', 'P4', 'P4', 'P4', 'P4', null][1 + (id % 20)::integer]"
_TICKET = f"select ticket_key as key, account_key, 'Something is slow' as subject, {_PRIORITY} as priority, requester_key, opened_at, u(id, 'escalated') < .04 as is_escalated"
_ENTITIES["ticket"] = [
    f"{_TICKET}, 'new' as status, null::timestamp as solved_at, 0 as reopen_count, opened_at as known from tickets",
    f"{_TICKET}, 'open' as status, null::timestamp as solved_at, 0 as reopen_count, opened_at + interval 40 minute as known from tickets",
    f"{_TICKET}, 'solved' as status, opened_at + taken as solved_at, 0 as reopen_count, opened_at + taken as known from tickets where taken > interval 1 hour and id % 40 > 0",
    f"{_TICKET}, 'closed' as status, opened_at + taken + interval 1 day as solved_at, 1 as reopen_count, opened_at + taken + interval 1 day as known"
    " from tickets where taken > interval 1 hour and id % 40 between 1 and 3",
]
_EVENT = "select ticket_key || '-{step}' as key, ticket_key, '{metric}' as metric, '{type}' as event_type, {at} as occurred_at, {at} as known from tickets"
_ENTITIES["ticket_event"] = [
    _EVENT.format(step="a", metric="reply_time", type="activate", at="opened_at"),
    _EVENT.format(step="b", metric="reply_time", type="fulfill", at="opened_at + interval 40 minute"),
    _EVENT.format(step="c", metric="resolution_time", type="activate", at="opened_at"),
    _EVENT.format(step="s", metric="resolution_time", type="apply_sla", at="opened_at") + " where id % 5 > 0",
    _EVENT.format(step="x", metric="resolution_time", type="breach", at="opened_at + interval 8 day") + " where id % 5 > 0 and taken > interval 8 day",
    _EVENT.format(step="d", metric="resolution_time", type="fulfill", at="opened_at + taken") + " where taken > interval 1 hour and id % 40 > 0",
]


def _versioned(name: str, portfolio: BigPortfolio) -> str:
    """All versions of an entity with exactly its raw columns."""
    entity = ENTITIES[name]
    parts = []
    for number, select in enumerate(_ENTITIES[name]):
        select = select.replace("{night}", str(portfolio.night)).replace("{first}", str(portfolio.first_day))
        given = f"tickets as ({_TICKETS.format(**_values(portfolio))}), " if name.startswith("ticket") else ""
        columns = ", ".join(
            f"cast({'key' if column.name == entity.key else column.name} as {SQL_TYPES[column.type]}) as {column.name}"
            for column in entity.columns
            if column.name == entity.key or re.search(rf"\b{column.name}\b(,| from\b| as known\b)", select)
        )
        version = _VERSION.format(known="known", key="key", number=number)
        parts.append(f"select {columns}, {version} from (with {given}rows as ({select}) select * from rows) as rows")
    return " union all by name ".join(parts)


def _usage(portfolio: BigPortfolio, start: date, end: date) -> str:
    """Usage events that arrive from `start` to before `end`, in the order of their arrival.

    The load number is the day of arrival. Two events in a thousand arrive twice in one load, two more in two loads.
    """
    columns = ", ".join(f"cast({column.name} as {SQL_TYPES[column.type]}) as {column.name}" for column in USAGE_EVENT_COLUMNS if column.name != "attributed_by")
    first = max(start - timedelta(days=LATEST_ARRIVAL_DAYS + 3), portfolio.first_day)
    return f"""
with account_days as (
    select
        acc.n, day::date as day,
        (case when isodow(day) < 6 then 1 else .1 end) * (case pattern
            when 'growth' then greatest(.1, 1 - datediff('day', day, timestamp '{portfolio.night}') / 900)
            when 'decline' then least(1, .3 + datediff('day', day, timestamp '{portfolio.night}') / 600)
            when 'on_off' then case when u(acc.n, datediff('week', timestamp '2000-01-03', day)) < .3 then .35 else 1.2 end
            when 'silent' then case when day > timestamp '{portfolio.night}' - interval 75 day then 0 else 1 end
            else 1 end) as factor
    from acc cross join generate_series(timestamp '{first}', timestamp '{end - timedelta(days=1)}', interval 1 day) as days(day)
    where day >= acc.since and factor > 0
),
worked as (
    select usr.*, account_days.day, h(usr.id, account_days.day) as dice
    from account_days inner join usr on account_days.n = usr.n
    where usr.weight > 0 and u(usr.id, account_days.day) < {portfolio.daily_chance} * usr.weight * account_days.factor
),
happened as (
    select worked.*, h(dice, i) as event, case when uses_automation and u(dice, i) < .3 then 'automation' when uses_analytics and u(dice, i) < .6 then 'analytics' else 'core' end as product,
        day::timestamp + interval 1 second * floor(25200 + 43200 * u(dice, i + 50)) as occurred_at
    from worked cross join lateral (select unnest(range(1, 2 + (dice % 5)::bigint)) as i) as each
),
arrived as (
    select happened.*, names[1 + floor(len(names) * pow(u(event, 'feature'), 2))::integer] as feature,
        occurred_at + (case when u(event, 'late') < .97 then interval 90 second when u(event, 'late') < .99 then interval 1 day
            else interval 1 day * floor(1 + {LATEST_ARRIVAL_DAYS - 1} * pow(u(event, 'later'), 2)) end) as recorded_at
    from happened inner join features on happened.product = features.product
),
again as (
    select * from arrived
    union all
    select * replace (recorded_at + (case when event % 1000 < 2 then interval 45 second else interval 2 day end) as recorded_at) from arrived where event % 1000 < 4
)
select {columns} from (
    select
        format('{{:016x}}', event) as event_id, case when event % 997 = 5 then null else account_key end as account_key, user_key, product, feature, feature as event_name,
        occurred_at, recorded_at, 'bench' as source_name, strftime(recorded_at, 'usage-%Y-%m-%d.parquet') as source_file,
        recorded_at::date - date '{portfolio.night}' + 100000 as load_number
    from again
    where recorded_at >= timestamp '{start}' and recorded_at < timestamp '{end}'
) as events
order by recorded_at, event_id"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.big_portfolio", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    for name in ("accounts", "users", "history-days"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--events-a-month", type=float, required=True)
    parser.add_argument("--night", type=date.fromisoformat, required=True)
    options = parser.parse_args()
    portfolio = BigPortfolio(options.accounts, options.users, options.events_a_month, options.history_days, options.night)
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "rows.json").write_text(json.dumps(write_files(portfolio, options.folder)))


if __name__ == "__main__":
    main()
