-- One night in plain DuckDB SQL: what a competent engineer would write who has this warehouse, this one dialect and no dbt. Incremental: the
-- schema plain_state keeps what a later night would otherwise have to read all of history for. Writes schema plain, tables named like the marts,
-- for the as-of date only; benchmarks/plain.py compares them row by row. Written from METRICS.md and dbt_project/DECISIONS.md. It goes forward
-- only: no past day can be rebuilt from plain_state, and nothing is checked. Tail probabilities come from schema computed, as for the marts.
create schema if not exists plain;
create schema if not exists plain_state;
create or replace temp macro d() as date '{as_of}';
create or replace temp macro tomorrow() as timestamp '{as_of}' + interval 1 day;
create or replace temp macro last_week() as (date_trunc('week', date '{as_of}' + 1) - interval 7 day)::date;
create or replace temp macro ratio(a, b) as a::double / nullif(b::double, 0);
create or replace temp macro cents(a) as round(a, 2)::decimal(18, 2);
create or replace temp macro stay(factor, p95) as ceil(factor::decimal(18, 4) * p95::decimal(18, 4))::bigint;
set variable fed = (select list(entity) from raw.entity_coverage where is_fed);
create or replace temp macro fed(name) as coalesce(list_contains(getvariable('fed'), name), false);

-- Usage: the events of loads not seen yet, each counted once, folded into state.
create table if not exists plain_state.loads (load_number bigint);
create table if not exists plain_state.user_weeks (account_key varchar, product varchar, user_key varchar, week_start date);
create table if not exists plain_state.week_counts (account_key varchar, product varchar, week_start date, users bigint, events bigint);
create table if not exists plain_state.users (account_key varchar, product varchar, user_key varchar, last_day date);
create table if not exists plain_state.features (account_key varchar, product varchar, feature varchar, first_day date, last_day date);
create table if not exists plain_state.feature_users (account_key varchar, product varchar, feature varchar, user_key varchar, last_day date);
create table if not exists plain_state.feature_days (account_key varchar, product varchar, feature varchar, day date, events bigint);
create table if not exists plain_state.core_days (account_key varchar, day date, events bigint);
create table if not exists plain_state.user_days (account_key varchar, user_key varchar, day date, events bigint, core_events bigint);
create table if not exists plain_state.days (account_key varchar, day date);
create table if not exists plain_state.accounts (account_key varchar, first_day date, last_day date, named bigint, events bigint);
set variable done = (select coalesce(max(load_number), -1) from plain_state.loads);
create or replace temp table arrivals as
select event_id, account_key, user_key, product, feature, occurred_at, occurred_at::date as day, recorded_at, load_number
from raw.usage_events where load_number > getvariable('done') and recorded_at < tomorrow() and occurred_at < tomorrow();
create or replace temp table repeated as select event_id from arrivals group by all having count(*) > 1;
set variable from_day = (select min(day) - 31 from arrivals);
create or replace temp table events as
with firsts as (
    select * from arrivals where event_id not in (from repeated)
    union all
    select * from arrivals where event_id in (from repeated) qualify row_number() over (partition by event_id order by load_number, recorded_at) = 1
)
select account_key, product, feature, user_key, day, count(*) as events
from firsts
where not exists (
    select 1 from raw.usage_events as earlier
    where earlier.event_id = firsts.event_id and earlier.load_number <= getvariable('done') and earlier.occurred_at >= getvariable('from_day')
        and abs(datediff('day', earlier.occurred_at, firsts.day)) <= 31
)
group by all;
drop table arrivals;
insert into plain_state.loads select max(load_number) from raw.usage_events where load_number > getvariable('done') having max(load_number) is not null;

create or replace temp table fresh_weeks as
with named as (
    select distinct account_key, product, user_key, date_trunc('week', day)::date as week_start from events where account_key is not null and user_key is not null
),
per_product as (select * from named anti join plain_state.user_weeks using (account_key, product, user_key, week_start)),
all_products as (select distinct account_key, user_key, week_start from named)
select * from per_product
union all
select account_key, null, user_key, week_start from all_products
where not exists (
    select 1 from plain_state.user_weeks as u
    where u.account_key = all_products.account_key and u.product is null and u.user_key = all_products.user_key and u.week_start = all_products.week_start
);
insert into plain_state.user_weeks select account_key, product, user_key, week_start from fresh_weeks order by week_start;
create or replace temp table week_changes as
with parts as (
    select account_key, product, week_start, count(*) as users, 0 as events from fresh_weeks group by all
    union all
    select account_key, null, date_trunc('week', day)::date, 0, sum(events) from events where account_key is not null group by all
)
select account_key, product, week_start, sum(users)::bigint as users, sum(events)::bigint as events from parts group by all;
merge into plain_state.week_counts as old using week_changes as new
    on old.account_key = new.account_key and old.product is not distinct from new.product and old.week_start = new.week_start
    when matched then update set users = old.users + new.users, events = old.events + new.events
    when not matched then insert values (new.account_key, new.product, new.week_start, new.users, new.events);
merge into plain_state.users as old
    using (select account_key, product, user_key, max(day) as last_day from events where account_key is not null and user_key is not null group by all) as new
    on old.account_key = new.account_key and old.product is not distinct from new.product and old.user_key = new.user_key
    when matched and new.last_day > old.last_day then update set last_day = new.last_day
    when not matched then insert values (new.account_key, new.product, new.user_key, new.last_day);
create or replace temp table value_events as
select e.* from events as e join base.product_features as f on e.product = f.product and e.feature = f.feature and f.is_value_feature where e.account_key is not null;
merge into plain_state.features as old
    using (select account_key, product, feature, min(day) as first_day, max(day) as last_day from value_events group by all) as new
    on old.account_key = new.account_key and old.product = new.product and old.feature = new.feature
    when matched then update set first_day = least(old.first_day, new.first_day), last_day = greatest(old.last_day, new.last_day)
    when not matched then insert values (new.account_key, new.product, new.feature, new.first_day, new.last_day);
merge into plain_state.feature_users as old
    using (select account_key, product, feature, user_key, max(day) as last_day from value_events where day > d() - 28 and user_key is not null group by all) as new
    on old.account_key = new.account_key and old.product = new.product and old.feature = new.feature and old.user_key = new.user_key
    when matched and new.last_day > old.last_day then update set last_day = new.last_day
    when not matched then insert values (new.account_key, new.product, new.feature, new.user_key, new.last_day);
delete from plain_state.feature_users where last_day < d() - 40;
insert into plain_state.feature_days select account_key, product, feature, day, sum(events) from value_events where day > d() - 28 group by all order by day;
delete from plain_state.feature_days where day < d() - 40;
insert into plain_state.user_days
select e.account_key, e.user_key, e.day, sum(e.events), coalesce(sum(e.events) filter (f.feature is not null), 0)
from events as e left join base.product_features as f on e.product = f.product and e.feature = f.feature and f.is_value_feature
where e.account_key is not null and e.user_key is not null and e.day > d() - 90 group by all order by e.day;
delete from plain_state.user_days where day < d() - 100;
insert into plain_state.core_days select account_key, day, sum(events) from value_events where day > d() - 100 group by all order by day;
delete from plain_state.core_days where day < d() - 110;
insert into plain_state.days select distinct account_key, day from events where account_key is not null order by day;
merge into plain_state.accounts as old
    using (select account_key, min(day) as first_day, max(day) as last_day, count(user_key) as named, sum(events)::bigint as events from events group by all) as new
    on old.account_key is not distinct from new.account_key
    when matched then update set first_day = least(old.first_day, new.first_day), last_day = greatest(old.last_day, new.last_day), named = old.named + new.named, events = old.events + new.events
    when not matched then insert values (new.account_key, new.first_day, new.last_day, new.named, new.events);

-- The three large versioned tables keep their latest versions as state; the small ones are cheap to rank anew.
create table if not exists plain_state.tickets as from raw.tickets limit 0;
create or replace temp table changed as
select * from raw.tickets where captured_at > coalesce((select max(captured_at) from plain_state.tickets), timestamp '1900-01-01') and known_at < tomorrow()
qualify row_number() over (partition by ticket_key order by known_at desc, captured_at desc, content_hash desc) = 1;
delete from plain_state.tickets where ticket_key in (select ticket_key from changed);
insert into plain_state.tickets select * from changed;
create table if not exists plain_state.ticket_events as from raw.ticket_events limit 0;
create or replace temp table changed as
select * from raw.ticket_events where captured_at > coalesce((select max(captured_at) from plain_state.ticket_events), timestamp '1900-01-01') and known_at < tomorrow()
qualify row_number() over (partition by ticket_event_key order by known_at desc, captured_at desc, content_hash desc) = 1;
delete from plain_state.ticket_events where ticket_event_key in (select ticket_event_key from changed);
insert into plain_state.ticket_events select * from changed;
create table if not exists plain_state.assignments as from raw.license_assignments limit 0;
create or replace temp table changed as
select * from raw.license_assignments where captured_at > coalesce((select max(captured_at) from plain_state.assignments), timestamp '1900-01-01') and known_at < tomorrow()
qualify row_number() over (partition by assignment_key order by known_at desc, captured_at desc, content_hash desc) = 1;
delete from plain_state.assignments where assignment_key in (select assignment_key from changed);
insert into plain_state.assignments select * from changed;
create or replace temp view tickets as from plain_state.tickets where not is_deleted;
create or replace temp table accounts as select * from (from raw.accounts where known_at < tomorrow() qualify row_number() over (partition by account_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table contract_lines as select * from (from raw.contract_lines where known_at < tomorrow() qualify row_number() over (partition by contract_line_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table opportunities as select * from (from raw.opportunities where known_at < tomorrow() qualify row_number() over (partition by opportunity_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table contacts as select * from (from raw.contacts where known_at < tomorrow() qualify row_number() over (partition by contact_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table milestones as select * from (from raw.milestones where known_at < tomorrow() qualify row_number() over (partition by milestone_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table fx_rates as select * from (from raw.fx_rates where known_at < tomorrow() qualify row_number() over (partition by fx_rate_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table documents as select * from (from raw.documents where known_at < tomorrow() qualify row_number() over (partition by document_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table meetings as select * from (from raw.meetings where known_at < tomorrow() qualify row_number() over (partition by meeting_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table tasks as select * from (from raw.tasks where known_at < tomorrow() qualify row_number() over (partition by task_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table survey_responses as select * from (from raw.survey_responses where known_at < tomorrow() qualify row_number() over (partition by survey_response_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table training_completions as select * from (from raw.training_completions where known_at < tomorrow() qualify row_number() over (partition by training_completion_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table ebrs as select * from (from raw.ebrs where known_at < tomorrow() qualify row_number() over (partition by ebr_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table campaigns as select * from (from raw.campaigns where known_at < tomorrow() qualify row_number() over (partition by campaign_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;
create or replace temp table customer_references as select * from (from raw.customer_references where known_at < tomorrow() qualify row_number() over (partition by reference_key order by known_at desc, captured_at desc, content_hash desc) = 1) where not is_deleted;

-- Contract lines with their rate and dates.
create or replace temp table lines as
with rates as (
    select upper(currency) as currency, rate, rate_date from fx_rates where rate_date <= d() and rate > 0
    qualify row_number() over (partition by upper(currency) order by rate_date desc, fx_rate_key) = 1
)
select
    l.* exclude (currency, notice_served_on, status), upper(l.currency) as currency, coalesce(l.status, 'active') as contract_status,
    case when upper(l.currency) = '{currency}' then 1 else r.rate end::decimal(18, 8) as fx_rate,
    case when upper(l.currency) = '{currency}' then d() else r.rate_date end as fx_rate_date,
    l.end_date - l.notice_days::integer as opt_out_date,
    case when l.notice_served_on <= d() then l.notice_served_on end as notice_served_on,
    case when l.start_date is null then 'start date missing' when l.end_date < l.start_date then 'end date before start date' when l.seats is null then 'seats missing'
         when l.seats < 0 then 'negative seats' when l.net_unit_price_annual < 0 then 'negative price' end as invalid_reason,
    invalid_reason is null and l.start_date <= d() and coalesce(l.end_date >= d(), true) and coalesce(l.status, 'active') not in ('draft', 'terminated') as is_active
from contract_lines as l left join rates as r on upper(l.currency) = r.currency;

-- What is known of each account's use.
create or replace temp table calendar as
select day, sum((days_ago < 90 and isodow(day) <= 5 and e.week_start is null)::integer) over (order by day) as business_days
from (select d() - n::integer as day, n as days_ago from range(0, 201) as t(n)) as days
left join (select distinct week_start::date as week_start from base.calendar_events) as e on date_trunc('week', day) = e.week_start;
create or replace temp table usage as
with feed as (select fed('usage_event') as is_fed, min(first_day) as started, max(last_day) as ended from plain_state.accounts),
first_lines as (
    select account_key, min(start_date) as first_contract_start from lines
    where invalid_reason is null and contract_status <> 'draft' and start_date <= d() group by all
),
active as (select account_key, count(distinct user_key) as active_users from plain_state.users where last_day > d() - 28 group by all),
joined as (
    select
        a.account_key, f.first_contract_start, u.first_day, u.last_day, feed.started, d() - f.first_contract_start as age, coalesce(active.active_users, 0) as active_users,
        case when not feed.is_fed then 'telemetry is not fed' when feed.ended is null then 'no telemetry yet' when u.named = 0 then 'events name no users' end as unknown_reason,
        d() - feed.ended >= 7 as is_stale,
        case when d() - f.first_contract_start < 30 then 'new contract' when d() - feed.started + 1 < 28 then 'telemetry is too young' end as insufficient_reason,
        least(f.first_contract_start, u.first_day) as account_started_on
    from accounts as a cross join feed left join first_lines as f using (account_key) left join plain_state.accounts as u using (account_key) left join active using (account_key)
),
edges as (select account_key, coalesce(greatest(d() - 90, account_started_on - 1), d() - 90) as opens from joined),
marks as (
    select account_key, opens as mark from edges
    union
    select account_key, day from plain_state.days join edges using (account_key) where day > d() - 90 and day > opens
    union
    select account_key, d() + 1 from edges
),
gaps as (
    select m.account_key, max(b.business_days - a.business_days) as gap_days
    from (select account_key, mark, lag(mark) over (partition by account_key order by mark) as before from marks) as m
    join calendar as b on m.mark - 1 = b.day join calendar as a on m.before = a.day group by all
)
select
    j.account_key, j.first_contract_start, j.age as contract_age_days, j.account_started_on, j.last_day as last_activity_date, j.started as feed_started_on,
    case when unknown_reason is not null then 'unknown' when is_stale then 'stale' when insufficient_reason is not null then 'insufficient' else 'ok' end as usage_status,
    coalesce(unknown_reason, case when is_stale then 'telemetry has stopped' end, insufficient_reason) as usage_reason,
    case when usage_status in ('ok', 'insufficient') then active_users end as active_users_28d,
    case when usage_status in ('ok', 'insufficient') then gap_days end as gap_days
from joined as j left join gaps using (account_key);

-- Series that the Python signals read.
create or replace temp table weeks as select last_week() - 7 * n::integer as week_start, n as ago from range(0, 28) as t(n);
create or replace temp table account_weeks as
select u.account_key, w.week_start, coalesce(c.users, 0) as active_users, coalesce(c.events, 0) as events, e.week_start is not null as is_known_event_week
from usage as u join weeks as w on u.account_started_on <= w.week_start and u.feed_started_on <= w.week_start and w.ago < 26
left join plain_state.week_counts as c on u.account_key = c.account_key and c.product is null and w.week_start = c.week_start
left join (select distinct week_start::date as week_start from base.calendar_events) as e on w.week_start = e.week_start
where u.usage_status in ('ok', 'insufficient');
create or replace temp table ticket_weeks as
with counted as (
    select account_key, date_trunc('week', opened_at)::date as week_start, count(*) as tickets_opened from tickets
    where opened_at >= last_week() - 7 * 27 and opened_at < tomorrow() and coalesce(status, 'open') <> 'deleted' group by all
),
first_tickets as (select account_key, min(opened_at)::date as first_ticket_on from tickets where opened_at < tomorrow() and coalesce(status, 'open') <> 'deleted' group by all)
select u.account_key, w.week_start, coalesce(c.tickets_opened, 0) as tickets_opened,
    coalesce(w.week_start >= u.account_started_on or w.week_start >= f.first_ticket_on, false) as is_covered
from usage as u cross join weeks as w left join counted as c using (account_key, week_start) left join first_tickets as f using (account_key) where fed('ticket');

-- Licences of one product: seats against use.
create or replace temp table positions as
with pools as (select account_key, product, sum(seats)::bigint as seats from lines where is_active group by all),
active as (select account_key, product, count(*) as users from plain_state.users where last_day > d() - 28 group by all),
terms as (
    select account_key, product, start_date,
        max(coalesce(end_date, date '9999-12-31')) over (
            partition by account_key, product order by start_date, contract_line_key rows between unbounded preceding and 1 preceding
        ) as covered_until
    from lines where invalid_reason is null and contract_status <> 'draft' and start_date <= d()
),
coverage as (select account_key, product, max(start_date) as started from terms where covered_until is null or start_date - covered_until > 31 group by all),
high_water as (
    select p.account_key, p.product, any_value(c.started) as started, count(*) filter (w.week_start >= c.started and w.week_start >= u.feed_started_on) as weeks,
        (quantile_cont(coalesce(n.users, 0)::double, .95) filter (w.week_start >= c.started and w.week_start >= u.feed_started_on))::decimal(18, 4) as p95
    from pools as p
    join usage as u on p.account_key = u.account_key and u.usage_status in ('ok', 'insufficient')
    join coverage as c on p.account_key = c.account_key and p.product = c.product
    join weeks as w on w.ago < 13
    left join plain_state.week_counts as n on p.account_key = n.account_key and p.product = n.product and w.week_start = n.week_start
    group by all
),
observable as (select distinct product from plain_state.week_counts where product is not null union select distinct product from base.product_features),
judged as (
    select p.*, coalesce(a.users, 0) as users, h.p95, h.weeks,
        case when u.account_key is null then 'account is not in the CRM' when u.usage_status in ('unknown', 'stale') then u.usage_reason
             when o.product is null then 'product is not in the telemetry' end as unknown_reason,
        case when d() - h.started < 30 then 'new contract' when u.usage_reason = 'telemetry is too young' then u.usage_reason when h.weeks < 4 then 'too few complete weeks' end
            as insufficient_reason,
        case when unknown_reason is not null then 'unknown' when insufficient_reason is not null then 'insufficient' else 'ok' end as status,
        least(h.p95, p.seats)::double / nullif(p.seats, 0) as share, nullif(p.seats::double, 0) as n
    from pools as p left join usage as u using (account_key) left join observable as o on p.product = o.product
    left join high_water as h on p.account_key = h.account_key and p.product = h.product
    left join active as a on p.account_key = a.account_key and p.product = a.product
),
bounded as (
    select *,
        (((share + 1.96 * 1.96 / (2 * n) - 1.96 * sqrt(share * (1 - share) / n + 1.96 * 1.96 / (4 * n * n))) / (1 + 1.96 * 1.96 / n)) * seats)::decimal(18, 4) as p95_low,
        (((share + 1.96 * 1.96 / (2 * n) + 1.96 * sqrt(share * (1 - share) / n + 1.96 * 1.96 / (4 * n * n))) / (1 + 1.96 * 1.96 / n)) * seats)::decimal(18, 4) as p95_high
    from judged
)
select account_key, product, seats, weeks, status, coalesce(unknown_reason, insufficient_reason) as status_reason,
    case when status <> 'unknown' then users end as active_users_28d,
    case when status = 'ok' then p95 end as p95_weekly_active,
    case when status <> 'unknown' then ratio(users, seats) end as utilization_28d,
    case when status <> 'unknown' then greatest(0, seats - users) end as unused,
    case when status = 'ok' then greatest(0, seats - stay(1.10, p95)) end as shelfware,
    case when status = 'ok' then case when p95 >= seats then 0 else greatest(0, seats - stay(1.25, p95_high)) end end as low,
    case when status = 'ok' then case when p95 >= seats then 0 else greatest(0, seats - stay(1.00, p95_low)) end end as high
from bounded;

-- Tickets of an account.
create or replace temp table ticket_load as
with feed as (select fed('ticket') as is_fed, max(greatest(known_at, opened_at))::date as ended from tickets where opened_at < tomorrow()),
open_or_new as (
    select t.*, d() - opened_at::date as age, w.weight, coalesce(solved_at >= tomorrow(), true) and (solved_at is not null or coalesce(t.status, 'open') not in ('solved', 'closed')) as is_open
    from tickets as t left join base.severity_weights as w on coalesce(t.priority, 'unset') = w.priority
    where opened_at < tomorrow() and coalesce(t.status, 'open') <> 'deleted'
        and (opened_at >= d() - 89 or solved_at >= tomorrow() or (solved_at is null and coalesce(t.status, 'open') not in ('solved', 'closed')))
),
summed as (
    select account_key, count(*) filter (age < 28) as tickets_28d, count(*) filter (age < 90) as tickets_90d, count(*) filter (is_open) as tickets_open,
        sum(weight) filter (is_open or age < 28) as weighted_load, max(age) filter (is_open) as oldest_open_days,
        count(*) filter (is_open and priority = 'P1') as open_p1, max(age) filter (is_open and priority = 'P1') as oldest_open_p1_days
    from open_or_new group by all
)
select a.account_key, case when not feed.is_fed then 'unknown' when d() - feed.ended >= 30 then 'stale' else 'ok' end as status,
    case when status = 'ok' then coalesce(tickets_28d, 0) end as tickets_28d, case when status = 'ok' then coalesce(tickets_90d, 0) end as tickets_90d,
    case when status = 'ok' then coalesce(tickets_open, 0) end as tickets_open, case when status = 'ok' then coalesce(weighted_load, 0) end as weighted_load,
    case when status = 'ok' then oldest_open_days end as oldest_open_days, case when status = 'ok' then coalesce(open_p1, 0) end as open_p1,
    case when status = 'ok' then oldest_open_p1_days end as oldest_open_p1_days
from accounts as a cross join feed left join summed using (account_key);

create or replace temp table ticket_quality as
with targets as (
    select ticket_key, metric, bool_or(event_type = 'apply_sla') as has_target, bool_or(event_type = 'breach') as is_breached, bool_or(event_type = 'fulfill') as is_fulfilled
    from plain_state.ticket_events where not is_deleted and occurred_at >= d() - 89 and occurred_at < tomorrow() group by all
),
levels as (
    select ticket_key, bool_or(is_breached) as is_breached, bool_or(is_breached) or bool_and(is_fulfilled) as is_decided from targets where has_target or is_breached group by all
),
counted as (
    select t.account_key, t.requester_key, t.reopen_count, t.is_escalated, d() - t.opened_at::date as age, case when solved_at < tomorrow() then solved_at::date end as solved_on,
        coalesce(solved_at >= tomorrow(), true) and (solved_at is not null or coalesce(t.status, 'open') not in ('solved', 'closed')) as is_open,
        coalesce(l.is_breached, false) as is_breached, coalesce(l.is_decided, false) as is_decided,
        solved_on > d() - 90 or (is_open and reopen_count > 0 and age < 90) as was_solved
    from tickets as t left join levels as l using (ticket_key)
    where t.opened_at < tomorrow() and coalesce(t.status, 'open') <> 'deleted' and (t.opened_at >= d() - 89 or t.solved_at >= last_week() - 91 or t.solved_at is null)
),
summed as (
    select account_key, count(*) filter (is_open and (age > 14 or is_breached)) as aged, count(*) filter (solved_on >= last_week() - 84 and solved_on < last_week() + 7) as closed_13w,
        count(*) filter (was_solved and reopen_count is not null) as solved, count(*) filter (was_solved and reopen_count > 0) as reopened,
        count(*) filter (age < 90 and is_escalated) as escalations, count(distinct requester_key) filter (age < 90) as reporters,
        count(*) filter (age < 90 and is_decided) as sla_tickets, count(*) filter (age < 90 and is_breached) as sla_breaches
    from counted group by all
),
covered as (select account_key, count(*) filter (is_covered) as weeks from ticket_weeks where week_start >= last_week() - 84 group by all),
feed as (select count(*) as n from levels)
select load.account_key, coalesce(weeks, 0) as weeks_covered, case when load.status = 'ok' then coalesce(closed_13w, 0) end as closed_13w,
    case when load.status <> 'ok' then null when not fed('ticket_event') then 'ticket history is not fed' when feed.n = 0 then 'no service level target in the ticket history' end as sla_reason,
    case when load.status = 'ok' then coalesce(aged, 0) end as aged_tickets, case when load.status = 'ok' then coalesce(solved, 0) end as solved_90d,
    case when load.status = 'ok' then coalesce(reopened, 0) end as reopened_90d, case when load.status = 'ok' then coalesce(escalations, 0) end as escalations_90d,
    case when load.status = 'ok' then coalesce(reporters, 0) end as distinct_reporters_90d,
    case when load.status <> 'ok' then load.status when not fed('ticket_event') or feed.n = 0 then 'unknown' else 'ok' end as sla_status,
    case when sla_status = 'ok' then coalesce(sla_tickets, 0) end as sla_tickets_90d, case when sla_status = 'ok' then coalesce(sla_breaches, 0) end as sla_breaches_90d,
    case when coalesce(weeks, 0) < 4 then null when load.tickets_open = 0 then 0 when load.status = 'ok' then ratio(load.tickets_open * weeks, coalesce(closed_13w, 0)) end as backlog_weeks,
    ratio(reopened_90d, solved_90d) as reopen_rate, ratio(sla_breaches_90d, sla_tickets_90d) as sla_breach_rate
from ticket_load as load cross join feed left join summed using (account_key) left join covered using (account_key);

-- One row per account.
create or replace temp table account as
with contracts as (
    select account_key, sum(seats) filter (is_active) as seats, count(*) filter (is_active) as lines_active, count(*) filter (invalid_reason is not null) as lines_invalid,
        min(end_date) filter (is_active) as next_renewal_date, min(opt_out_date) filter (is_active) as next_opt_out_date,
        min(notice_served_on) filter (is_active) as notice_active, max(notice_served_on) as notice_any,
        bool_or(invalid_reason is null and contract_status = 'active' and auto_renew and end_date < d()) as has_lapsed
    from lines group by all
),
licences as (
    select account_key, sum(unused) as unused, sum(shelfware) as shelfware, sum(least(active_users_28d, seats)) filter (active_users_28d is not null) as in_use,
        bool_or(status = 'unknown' and seats > 0) as has_unknown, bool_or(status = 'ok') as has_ok
    from positions group by all
)
select
    a.* replace (upper(a.currency) as currency, case when a.notice_received_on <= d() then a.notice_received_on end as notice_received_on),
    case when c.lines_active > 0 then c.notice_active else c.notice_any end as notice_served_on,
    case when not fed('contract_line') then 'unknown' when c.lines_active > 0 then 'ok' when c.lines_invalid > 0 then 'unknown'
         when c.has_lapsed and c.notice_any is null then 'stale' else 'ok' end as contract_status,
    contract_status = 'ok' and not coalesce(l.has_unknown, false) as is_measured,
    case when contract_status = 'ok' then coalesce(c.seats, 0) end as seats_contracted,
    case when is_measured then ratio(l.in_use, coalesce(c.seats, 0)) end as utilization_28d,
    case when is_measured then case when coalesce(c.seats, 0) = 0 then 0 else l.unused end end as unused_seats,
    case when is_measured then case when coalesce(c.seats, 0) = 0 then 0 when l.has_ok then l.shelfware end end as shelfware_seats,
    c.next_renewal_date, c.next_opt_out_date, c.next_opt_out_date - d() as days_to_opt_out, c.next_renewal_date - d() as days_to_renewal,
    case when is_measured then l.in_use end as seats_in_use_28d, coalesce(c.lines_active, 0) as lines_active,
    u.* exclude (account_key), t.status as ticket_status
from accounts as a left join contracts as c using (account_key) left join licences as l using (account_key) left join usage as u using (account_key)
left join ticket_load as t using (account_key);

create or replace temp view today as
select account_key, d() as as_of_date, account_name, domain, segment, tier, parent_account_key, owner_name, owner_email, csm_name, csm_email, director_email,
    arr_amount::decimal(18, 2) as arr_amount, currency, customer_since, first_contract_start, notice_received_on, notice_served_on
from account;
create table if not exists plain.dim_accounts as from today limit 0;
delete from plain.dim_accounts where account_key in (select account_key from account);
insert into plain.dim_accounts from today;

create or replace temp view today as
with queued as (
    select *, coalesce(sum(seats) over (
        partition by account_key, product order by coalesce(opt_out_date, end_date, date '9999-12-31'), end_date nulls last, contract_line_key
        rows between unbounded preceding and 1 preceding), 0) as before
    from lines where is_active
),
charged as (
    select q.account_key, q.contract_line_key, q.product, q.seats, p.active_users_28d, q.opt_out_date, q.end_date as renewal_date, q.currency, q.fx_rate, q.fx_rate_date,
        case when q.seats = 0 then 0 when p.unused is not null then least(q.seats, greatest(0, p.unused - q.before)) end as unused_seats,
        case when q.seats = 0 then 0 when p.shelfware is not null then least(q.seats, greatest(0, p.shelfware - q.before)) end as shelfware_seats,
        case when q.seats = 0 then 0 when p.low is not null then least(q.seats, greatest(0, p.low - q.before)) end as seats_low,
        case when q.seats = 0 then 0 when p.high is not null then least(q.seats, greatest(0, p.high - q.before)) end as seats_high,
        case when q.seats = 0 then coalesce(q.net_unit_price_annual, 0) else q.net_unit_price_annual end as price,
        case when q.seats = 0 then coalesce(q.fx_rate, 1) else q.fx_rate end as rate,
        case when q.seats = 0 then null when p.status = 'unknown' then p.status_reason when q.net_unit_price_annual is null then 'price missing'
             when q.fx_rate is null then 'no exchange rate' end as unknown_reason,
        case when q.seats > 0 and p.status = 'insufficient' then p.status_reason end as insufficient_reason
    from queued as q left join positions as p using (account_key, product)
)
select account_key, d() as as_of_date, contract_line_key, product, seats, active_users_28d, unused_seats::bigint as unused_seats, shelfware_seats::bigint as shelfware_seats,
    price::decimal(18, 4) as net_unit_price_annual, currency, cents(unused_seats * price) as unused_value_annual, cents(shelfware_seats * price) as waste_annual,
    cents(seats_low * price) as waste_low, cents(seats_high * price) as waste_high, fx_rate, fx_rate_date,
    cents(cents(unused_seats * price) * rate) as unused_value_annual_portfolio, cents(cents(shelfware_seats * price) * rate) as waste_annual_portfolio,
    '{currency}' as portfolio_currency, opt_out_date, renewal_date,
    case when unknown_reason is not null then 'unknown' when insufficient_reason is not null then 'insufficient' else 'ok' end as status,
    coalesce(unknown_reason, insufficient_reason) as status_reason,
    case when shelfware_seats is not null and unused_seats is not null then greatest(0, shelfware_seats - unused_seats) end::bigint as shelfware_in_use,
    cents((case when shelfware_seats is not null and unused_seats is not null then greatest(0, shelfware_seats - unused_seats) end) * price) as waste_in_use,
    cents(waste_in_use * rate) as waste_in_use_portfolio, cents(waste_low * rate) as waste_low_portfolio, cents(waste_high * rate) as waste_high_portfolio
from charged;
create table if not exists plain.fct_license_waste as from today limit 0;
delete from plain.fct_license_waste where as_of_date = d();
insert into plain.fct_license_waste by name from today;

create or replace temp view today as
select a.account_key, d() as as_of_date, a.account_name, v.* exclude (account_key, as_of_date, gap_days, status, rule_version), coalesce(v.gap_days, a.gap_days) as gap_days,
    coalesce(v.status, 'unknown') as status, v.rule_version
from account as a left join (from computed.adoption_variance where as_of_date = d()) as v using (account_key);
create table if not exists plain.fct_adoption_variance as from today limit 0;
delete from plain.fct_adoption_variance where as_of_date = d();
insert into plain.fct_adoption_variance by name from today;

create or replace temp view today as
select a.account_key, d() as as_of_date, a.account_name, t.* exclude (account_key, status), ratio(t.tickets_28d, a.seats_contracted) * 100 as ticket_rate,
    s.* exclude (account_key, as_of_date, status, rule_version) replace (s.baseline_sum::double as baseline_sum), coalesce(t.status, 'unknown') as status, s.rule_version,
    q.* exclude (account_key, sla_status, weeks_covered, closed_13w, sla_reason), coalesce(q.sla_status, 'unknown') as sla_status,
    case when t.tickets_90d > 0 or a.seats_contracted <= 20 then false when t.tickets_90d = 0 and a.seats_contracted > 20 then v.recent_median < v.prior_median end as is_silent
from account as a left join ticket_load as t using (account_key) left join (from computed.ticket_spikes where as_of_date = d()) as s using (account_key)
left join ticket_quality as q using (account_key) left join (from computed.adoption_variance where as_of_date = d()) as v using (account_key);
create table if not exists plain.fct_ticket_load as from today limit 0;
delete from plain.fct_ticket_load where as_of_date = d();
insert into plain.fct_ticket_load by name from today;

-- Who could log in, per product.
create or replace temp table provisioned as
with assigned as (
    select account_key, product, count(distinct user_key) filter (assigned_at < tomorrow() and coalesce(revoked_at >= tomorrow(), true)) as n
    from plain_state.assignments where not is_deleted group by all
),
known as (select distinct account_key from assigned)
select p.account_key, p.product, p.seats,
    case when not fed('license_assignment') then 'licence assignments are not fed' when k.account_key is null and u.active_users_28d > 0 then 'no assignment known, yet people work'
         when k.account_key is null and coalesce(u.usage_status not in ('ok', 'insufficient'), true) then 'no assignment known and use cannot be seen' end as reason,
    case when reason is null then coalesce(a.n, 0) end as n, case when reason is null then p.seats - coalesce(a.n, 0) end as gap,
    case when reason is null and p.active_users_28d is not null then least(p.active_users_28d, coalesce(a.n, 0)) end as in_use
from positions as p left join assigned as a using (account_key, product) left join known as k using (account_key) left join usage as u using (account_key);

-- How evenly core actions are spread.
create or replace temp table core_days as select account_key, day, sum(events)::bigint as events from plain_state.core_days where day >= last_week() - 84 and day <= d() group by all;
create or replace temp table rhythm as
with edges as (
    select account_key, greatest(d() - 90, account_started_on - 1) as opens from usage where usage_status in ('ok', 'insufficient') and account_started_on is not null
),
marks as (
    select account_key, opens as mark from edges union all select account_key, day from core_days join edges using (account_key) where day > opens
    union all select account_key, d() + 1 from edges
),
gaps as (
    select m.account_key, max(b.business_days - a.business_days) as core_gap_days
    from (select account_key, mark, lag(mark) over (partition by account_key order by mark) as before from marks) as m
    join calendar as b on m.mark - 1 = b.day join calendar as a on m.before = a.day group by all
),
weekly as (select account_key, date_trunc('week', day)::date as week_start, sum(events)::double as events from core_days group by all),
fano as (
    select w.account_key, count(*) as core_weeks, avg(coalesce(c.events, 0)) as core_weekly_mean, var_samp(coalesce(c.events, 0)) as core_weekly_variance
    from account_weeks as w left join weekly as c using (account_key, week_start) where w.week_start >= last_week() - 84 and not w.is_known_event_week group by all
),
steps as (select account_key, events, day - lag(day) over (partition by account_key order by day) as gap from core_days where day > d() - 90),
spans as (select account_key, sum(events)::bigint as n, count(*) as k, sum(gap) as span, sum(gap * gap) as squares from steps group by all),
ratios as (
    select *, case when n >= 10 and span > 0 then sqrt(greatest(0, (n - 1) * ratio(squares, span * span) - 1)) end as r_event,
        case when k >= 10 and span > 0 then sqrt(greatest(0, (k - 1) * ratio(squares, span * span) - 1)) end as r_day
    from spans
)
select e.account_key, g.core_gap_days, coalesce(f.core_weeks, 0) as core_weeks, f.core_weekly_mean, f.core_weekly_variance,
    case when f.core_weeks >= 8 then ratio(f.core_weekly_variance, f.core_weekly_mean) end as fano, coalesce(r.n, 0) as core_events_90d, coalesce(r.k, 0) as core_days_90d,
    ratio(sqrt(n::double) * r_event - sqrt(n - 2.0), (sqrt(n::double) - 2) * r_event + sqrt(n - 2.0)) as burstiness,
    ratio(sqrt(k::double) * r_day - sqrt(k - 2.0), (sqrt(k::double) - 2) * r_day + sqrt(k - 2.0)) as burstiness_days
from edges as e left join gaps as g using (account_key) left join fano as f using (account_key) left join ratios as r using (account_key);

-- How widely and by how many an account works: breadth, depth, concentration, stickiness.
create or replace temp table feature_status as
with users as (select account_key, product, feature, count(*) as n from plain_state.feature_users where last_day > d() - 28 group by all),
used as (select account_key, product, feature, sum(events)::bigint as n from plain_state.feature_days where day > d() - 28 group by all)
select p.account_key, d() as as_of_date, p.product, v.feature, p.status, p.status_reason,
    case when p.status <> 'unknown' then coalesce(users.n, 0) end as users_28d, case when p.status <> 'unknown' then coalesce(used.n, 0) end as events_28d,
    case when p.status <> 'unknown' then f.first_day end as first_used_on, case when p.status <> 'unknown' and f.last_day > d() - 90 then f.last_day end as last_used_on,
    case when p.status <> 'unknown' then f.first_day is null end as is_never_used, case when p.status <> 'unknown' then coalesce(used.n, 0) > 0 end as is_used_28d
from positions as p join base.product_features as v on p.product = v.product and v.is_value_feature
left join plain_state.features as f on p.account_key = f.account_key and p.product = f.product and v.feature = f.feature
left join users on p.account_key = users.account_key and p.product = users.product and v.feature = users.feature
left join used on p.account_key = used.account_key and p.product = used.product and v.feature = used.feature;
create or replace temp table adoption as
with users as (
    select account_key, user_key, count(distinct day) as days, count(distinct (d() - day) // 7) as weeks, sum(core_events) as core
    from plain_state.user_days where day > d() - 28 group by all
),
ranked as (select *, row_number() over (partition by account_key order by core desc, user_key) as place from users),
people as (
    select account_key, count(*) as n, sum(days) as days, sum(weeks) as weeks, sum(core)::bigint as core, sum(core * place)::double as weighted, max(core) as top,
        sum(core) filter (place <= 3) as top3, count(*) filter (core > 0) as core_users
    from ranked group by all
),
features as (
    select account_key, count(*) as entitled, count(*) filter (is_used_28d) as used, count(*) filter (is_never_used) as never, bool_or(status = 'unknown') as is_blind from feature_status group by all
),
seats as (
    select account_key, case when count(*) = count(n) then sum(n) end::bigint as provisioned, case when count(*) = count(n) then sum(gap) end::bigint as deployment_gap,
        case when count(*) = count(n) and count(*) = count(in_use) then sum(in_use) end::bigint as provisioned_in_use, max(reason) as provisioned_reason
    from provisioned group by all
),
joined as (
    select a.account_key, coalesce(a.segment, 'unknown') as segment, a.usage_status, a.usage_status in ('ok', 'insufficient') as is_seen, s.* exclude (account_key),
        case when a.contract_age_days is null then 'unknown' when a.contract_age_days < 180 then 'half' when a.contract_age_days < 365 then 'year' else 'older' end as age,
        case when a.usage_status in ('unknown', 'stale') then a.usage_status when f.entitled is null or f.is_blind then 'unknown' else a.usage_status end as core_status,
        case when a.usage_status in ('unknown', 'stale') then a.usage_reason when f.entitled is null then 'no value feature is listed for the contracted products'
             when f.is_blind then 'product is not in the telemetry' else a.usage_reason end as core_reason,
        core_status in ('ok', 'insufficient') as is_core, f.entitled, case when not f.is_blind then f.used end as used, case when not f.is_blind then f.never end as never,
        coalesce(p.n, 0) as n, coalesce(p.core, 0) as core, coalesce(p.core_users, 0) as core_users, coalesce(p.days, 0) as days, coalesce(p.weeks, 0) as weeks, p.weighted,
        coalesce(p.top, 0) as top, coalesce(p.top3, 0) as top3, case when a.seats_contracted is not null then greatest(a.seats_contracted, coalesce(p.n, 0)) end as chairs,
        case when is_core then ratio(coalesce(p.core, 0), coalesce(p.n, 0)) end as per_user, case when a.contract_status = 'ok' then s.provisioned end as seats_provisioned
    from account as a left join people as p using (account_key) left join features as f using (account_key) left join seats as s using (account_key)
),
peers as (select segment, age, count(per_user) as peer_accounts, median(per_user) as peer_per_user from joined where core_status = 'ok' group by all),
rhythms as (select segment, count(fano) as n, median(fano) as fano from joined join rhythm using (account_key) where core_status = 'ok' group by all)
select j.*, coalesce(p.peer_accounts, 0) as peers, p.peer_per_user, case when p.peer_accounts >= 5 then ratio(j.per_user, p.peer_per_user) end as depth, ratio(j.used, j.entitled) as breadth,
    case when core > 0 then ratio((chairs + 1) * core - 2 * weighted, chairs * core) end as gini, ratio(top, core) as top1, ratio(top3, core) as top3_share,
    ratio(days, 28 * j.n) as dau_mau, ratio(weeks, 4 * j.n) as wau_mau, r.* exclude (account_key), g.fano as segment_fano, case when g.n >= 5 then ratio(r.fano, g.fano) end as fano_vs_segment
from joined as j left join peers as p using (segment, age) left join rhythm as r using (account_key) left join rhythms as g using (segment);

create or replace temp view today as
with waste as (
    select account_key, sum(unused_value_annual_portfolio) as unused_value, sum(waste_annual_portfolio) as waste, bool_or(status = 'unknown') as has_unknown, bool_or(status = 'ok') as has_ok,
        sum(shelfware_in_use)::bigint as in_use, sum(waste_in_use_portfolio)::decimal(18, 2) as waste_in_use
    from plain.fct_license_waste where as_of_date = d() group by all
),
money as (
    select a.account_key,
        case when a.contract_status <> 'ok' then 'unknown' when w.account_key is null then 'ok' when w.has_unknown then 'unknown' when not w.has_ok then 'insufficient' else 'ok' end as money_status,
        case when money_status <> 'unknown' then case when w.account_key is null then 0 else w.unused_value end end::decimal(18, 2) as unused_value_annual,
        case when money_status <> 'unknown' then case when w.account_key is null then 0 else w.waste end end::decimal(18, 2) as waste_annual,
        case when a.seats_contracted = 0 then 0 when a.shelfware_seats is not null then w.in_use end as shelfware_in_use,
        case when money_status <> 'unknown' then case when w.account_key is null then 0 else w.waste_in_use end end::decimal(18, 2) as waste_in_use
    from account as a left join waste as w using (account_key)
)
select
    a.account_key, d() as as_of_date, a.account_name, a.segment, a.tier, a.csm_name, a.csm_email, a.arr_amount::decimal(18, 2) as arr_amount, a.currency,
    '{currency}' as portfolio_currency, a.seats_contracted, a.active_users_28d, a.utilization_28d, a.unused_seats, a.shelfware_seats, m.unused_value_annual, m.waste_annual, m.money_status,
    v.n_weeks, v.cv, v.cv_robust, v.dispersion_p, v.drop_ratio, v.drop_p, v.gap_days, v.is_spiky, v.is_gapped, v.is_dropping,
    t.tickets_28d, t.ticket_rate, t.weighted_load, t.tickets_open, t.p_value as spike_p_value, t.spike_level, t.muri_priority,
    a.next_renewal_date, a.next_opt_out_date, a.days_to_opt_out, a.days_to_renewal, s.muda_score, s.mura_score, s.muri_score, s.lean_risk, s.coverage,
    coalesce(s.risk_band, 'unknown') as risk_band, a.usage_status, a.ticket_status, a.contract_status,
    case when a.utilization_28d is null or a.usage_status <> 'ok' or b.green_above is null then null when a.utilization_28d > b.green_above then 'green'
         when a.utilization_28d < b.red_below or a.utilization_28d <= b.red_up_to then 'red' else 'yellow' end as utilization_band,
    m.shelfware_in_use, m.waste_in_use, o.seats_provisioned, case when o.is_core then o.breadth end as feature_breadth, case when o.is_core then o.depth end as feature_depth,
    case when o.is_core then o.gini end as concentration_gini, case when o.is_core then o.top1 end as top1_share, case when o.is_seen then o.dau_mau end as stickiness_dau_mau,
    case when o.is_seen then o.wau_mau end as stickiness_wau_mau,
    (select 'held: ' || string_agg(distinct h.reason, '; ' order by h.reason) from raw.held_accounts as h where h.as_of_date = d() and h.account_key = a.account_key) as hold_reason
from account as a
left join money as m using (account_key)
left join adoption as o using (account_key)
left join base.utilization_bands as b on a.contract_age_days between b.age_from_days and coalesce(b.age_to_days, 1000000)
left join (from plain.fct_adoption_variance where as_of_date = d()) as v using (account_key)
left join (from plain.fct_ticket_load where as_of_date = d()) as t using (account_key)
left join (from computed.account_scores where as_of_date = d()) as s using (account_key);
create table if not exists plain.fct_account_signals as from today limit 0;
delete from plain.fct_account_signals where as_of_date = d();
insert into plain.fct_account_signals by name from today;

create or replace temp view today as
select d() as as_of_date, '{currency}' as portfolio_currency, count(*) as accounts, count(*) filter (usage_status = 'ok') as accounts_usage_measured,
    count(*) filter (money_status = 'ok') as accounts_money_measured, count(*) filter (money_status = 'unknown') as accounts_money_unknown,
    sum(seats_contracted)::bigint as seats_contracted, sum(active_users_28d)::bigint as active_users_28d, sum(unused_seats)::bigint as unused_seats,
    sum(shelfware_seats)::bigint as shelfware_seats, sum(unused_value_annual)::decimal(18, 2) as unused_value_annual, sum(waste_annual)::decimal(18, 2) as waste_annual,
    count(*) filter (waste_annual > 0) as accounts_with_waste, sum(tickets_28d)::bigint as tickets_28d, sum(tickets_open)::bigint as tickets_open,
    count(*) filter (risk_band = 'green') as accounts_green, count(*) filter (risk_band = 'yellow') as accounts_yellow, count(*) filter (risk_band = 'red') as accounts_red,
    count(*) filter (risk_band = 'unknown') as accounts_unknown, count(*) filter (days_to_opt_out between 0 and 90) as accounts_opt_out_within_quarter
from plain.fct_account_signals where as_of_date = d() having count(*) > 0;
create table if not exists plain.fct_portfolio_daily as from today limit 0;
delete from plain.fct_portfolio_daily where as_of_date = d();
insert into plain.fct_portfolio_daily by name from today;

create or replace temp view today as
with renewals as (select account_key, count(*) as n from opportunities where opportunity_type = 'renewal' and not coalesce(is_closed, false) group by all)
select l.account_key, d() as as_of_date, l.contract_line_key, s.account_name, l.product, l.seats, l.currency, cents(l.seats * l.net_unit_price_annual) as line_value_annual,
    cents(cents(l.seats * l.net_unit_price_annual) * l.fx_rate) as line_value_annual_portfolio, '{currency}' as portfolio_currency, l.start_date, l.end_date as renewal_date,
    l.opt_out_date, l.end_date - d() as days_to_renewal, l.opt_out_date - d() as days_to_opt_out,
    case when l.end_date is null then 'open-ended' when l.opt_out_date is null then 'notice period unknown' when l.opt_out_date < d() then 'opt-out passed'
         when l.opt_out_date - d() <= 30 then '0-30 days' when l.opt_out_date - d() <= 90 then '31-90 days' when l.opt_out_date - d() <= 180 then '91-180 days'
         when l.opt_out_date - d() <= 365 then '181-365 days' else 'over 365 days' end as opt_out_window,
    l.auto_renew, l.notice_days, l.notice_served_on, case when fed('opportunity') then coalesce(r.n, 0) end as open_renewal_opportunities, s.lean_risk, s.risk_band
from lines as l left join (from plain.fct_account_signals where as_of_date = d()) as s using (account_key) left join renewals as r using (account_key) where l.is_active;
create table if not exists plain.fct_renewals as from today limit 0;
delete from plain.fct_renewals where as_of_date = d();
insert into plain.fct_renewals by name from today;

create or replace temp view today as
select r.account_key, r.as_of_date, a.account_name, r.* exclude (account_key, as_of_date) replace (
    coalesce(r.risk_status, 'open') as risk_status, coalesce(r.is_within_capacity, true) as is_within_capacity, coalesce(r.is_never_cut, false) as is_never_cut)
from (from computed.risks where as_of_date = d()) as r left join account as a using (account_key);
create table if not exists plain.fct_risks as from today limit 0;
delete from plain.fct_risks where as_of_date = d();
insert into plain.fct_risks by name from today;

create or replace temp view today as
with counted as (
    select 'account' as entity, count(*) as n, null::bigint as orphans, max(known_at)::date as newest from accounts
    union all select 'ticket_event', count(*), null, max(known_at)::date from plain_state.ticket_events where not is_deleted
    union all select 'fx_rate', count(*), null, max(known_at)::date from fx_rates
    union all select 'contact', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from contacts
    union all select 'contract_line', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from contract_lines
    union all select 'opportunity', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from opportunities
    union all select 'document', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from documents
    union all select 'meeting', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from meetings
    union all select 'task', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from tasks
    union all select 'survey_response', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from survey_responses
    union all select 'milestone', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from milestones
    union all select 'training_completion', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from training_completions
    union all select 'ebr', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from ebrs
    union all select 'campaign', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from campaigns
    union all select 'reference', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from customer_references
    union all select 'ticket', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from tickets
    union all select 'license_assignment', count(*), count(*) filter (not coalesce(account_key in (select account_key from accounts), false)), max(known_at)::date from plain_state.assignments where not is_deleted
    union all select 'usage_event', coalesce(sum(events), 0), coalesce(sum(events) filter (not coalesce(account_key in (select account_key from accounts), false)), 0), max(last_day)
        from plain_state.accounts
),
entities as (
    select c.*, coalesce(v.is_fed, false) as is_fed, v.history, d() - c.newest as age, c.entity not in ('account', 'ticket_event', 'fx_rate') as has_account
    from counted as c left join raw.entity_coverage as v using (entity)
),
loads as (select load_id, min(as_of_date) as as_of_date from raw.loads group by all),
measured as (
    select entity, 'is_fed' as metric, '' as detail, is_fed::integer::double as value, case when is_fed then 'ok' else 'unknown' end as status from entities
    union all
    select entity, 'rows', '', case when is_fed then n end, case when not is_fed then 'unknown' when n = 0 then 'warn' else 'ok' end from entities
    union all
    select entity, 'unattributed_share', 'rows whose account is not in the CRM', case when is_fed then ratio(orphans, n) end,
        case when not is_fed or n = 0 then 'unknown' when orphans > 0 then 'warn' else 'ok' end
    from entities where has_account
    union all
    select 'usage_event', 'unattributed_rows_share', 'events, each counted once a day', ratio(sum(rows_unattributed), sum(versions_added)),
        case when coalesce(sum(versions_added), 0) = 0 then 'unknown' else 'ok' end
    from raw.loads where entity = 'usage_event' and as_of_date <= d()
    union all
    select entity, 'freshness_days', 'days since the newest change', case when is_fed and coalesce(history, '') <> 'snapshot' then age end,
        case when not is_fed or newest is null or history = 'snapshot' then 'unknown' when entity = 'usage_event' and age >= 7 then 'stale' when entity = 'ticket' and age >= 30 then 'stale' else 'ok' end
    from entities
    union all
    select entity, 'as_of_assumed', 'the source keeps no versions: today''s rows stand for the past', (coalesce(history, '') = 'snapshot')::integer,
        case when history = 'snapshot' then 'warn' else 'ok' end
    from entities where is_fed
    union all
    select q.entity, 'quarantined', coalesce(q.reason, 'no reason given'), count(distinct coalesce(q.row_key, q.row_json)), 'warn'
    from raw.quarantine as q join loads as l using (load_id) where l.as_of_date <= d() group by q.entity, q.reason
    union all
    select entity, 'suppressed', 'rows read that name an erased person: left out, or kept with a token', sum(rows_suppressed), 'ok'
    from raw.loads where as_of_date = d() group by entity having sum(rows_suppressed) > 0
    union all
    select 'contract_line', 'invalid_lines', invalid_reason, count(*), 'warn' from lines where invalid_reason is not null group by invalid_reason
    union all
    select 'contract_line', 'money_unknown_lines', status_reason, count(*), 'warn' from plain.fct_license_waste where as_of_date = d() and status = 'unknown' group by status_reason
)
select d() as as_of_date, * from measured;
create table if not exists plain.fct_data_quality as from today limit 0;
delete from plain.fct_data_quality where as_of_date = d();
insert into plain.fct_data_quality by name from today;

create or replace temp view today as from feature_status;
create table if not exists plain.fct_feature_use as from today limit 0;
delete from plain.fct_feature_use where as_of_date = d();
insert into plain.fct_feature_use by name from today;

create or replace temp view today as
with queued as (
    select *, coalesce(sum(seats) over (
        partition by account_key, product order by coalesce(opt_out_date, end_date, date '9999-12-31'), end_date nulls last, contract_line_key
        rows between unbounded preceding and 1 preceding), 0) as before
    from lines where is_active
),
charged as (
    select w.*, h.headroom::decimal(18, 4) as headroom, case when w.seats = 0 then coalesce(w.fx_rate, 1) else w.fx_rate end as rate,
        case when w.seats = 0 then 0 when p.p95_weekly_active is not null then least(w.seats, greatest(0, greatest(0, p.seats - stay(1 + h.headroom, p.p95_weekly_active)) - q.before)) end as gap,
        cents(gap * (case when w.seats = 0 then coalesce(w.net_unit_price_annual, 0) else w.net_unit_price_annual end)) as waste
    from (from plain.fct_license_waste where as_of_date = d()) as w join queued as q using (contract_line_key)
    join positions as p on w.account_key = p.account_key and w.product = p.product cross join (values (0.00), (0.10), (0.25)) as h(headroom)
)
select account_key, as_of_date, contract_line_key, headroom, product, seats, gap::bigint as shelfware_seats, currency, waste as waste_annual, fx_rate, fx_rate_date,
    cents(waste * rate) as waste_annual_portfolio, portfolio_currency, status, status_reason
from charged;
create table if not exists plain.fct_waste_sensitivity as from today limit 0;
delete from plain.fct_waste_sensitivity where as_of_date = d();
insert into plain.fct_waste_sensitivity by name from today;

create or replace temp view today as
with small as (select account_key, account_name, seats_contracted from account where usage_status in ('ok', 'insufficient') and seats_contracted < 10),
seen as (
    select account_key, user_key, max(day) as last_day, count(distinct day) filter (day > d() - 28) as days, sum(events) filter (day > d() - 28) as events,
        sum(core_events) filter (day > d() - 28) as core_events
    from plain_state.user_days where account_key in (select account_key from small) and day > d() - 90 group by all
),
seated as (
    select distinct account_key, user_key from plain_state.assignments
    where not is_deleted and account_key in (select account_key from small) and assigned_at < tomorrow() and coalesce(revoked_at >= tomorrow(), true)
)
select account_key, d() as as_of_date, user_key, small.account_name, small.seats_contracted, case when fed('license_assignment') then seated.user_key is not null end as has_seat,
    seen.last_day as last_seen_on, d() - seen.last_day as days_since_seen, coalesce(seen.days, 0) as active_days_28d, coalesce(seen.events, 0)::bigint as events_28d,
    coalesce(seen.core_events, 0)::bigint as core_events_28d, seen.last_day is not null as is_seen_90d
from seen full join seated using (account_key, user_key) join small using (account_key);
create table if not exists plain.fct_user_last_seen as from today limit 0;
delete from plain.fct_user_last_seen where as_of_date = d();
insert into plain.fct_user_last_seen by name from today;

-- Revenue: a year ago against now, at today's rates.
create or replace temp table valued as
select *, case when seats = 0 then 0 else cents(cents(seats * net_unit_price_annual) * fx_rate) end as arr from lines where invalid_reason is null and contract_status <> 'draft';
create or replace temp table revenue as
with year_ago as (
    select v.account_key, case when v.seats = 0 then 0 else cents(cents(v.seats * v.net_unit_price_annual) * r.fx_rate) end as arr
    from (
        select * from raw.contract_lines where known_at < tomorrow() and contract_line_key in (select contract_line_key from valued)
        qualify row_number() over (
            partition by contract_line_key order by known_at::date > d() - 365, case when known_at::date <= d() - 365 then known_at end desc, known_at, captured_at desc, content_hash desc
        ) = 1
    ) as v left join (select currency, max(fx_rate) as fx_rate from lines group by all) as r on upper(v.currency) = r.currency
    where not v.is_deleted and v.start_date <= d() - 365 and coalesce(v.end_date >= d() - 365, true) and coalesce(v.status, 'active') <> 'draft'
        and (coalesce(v.status, 'active') <> 'terminated' or v.known_at::date > d() - 365)
),
before as (select account_key, sum(arr) as arr, count(*) - count(arr) as unpriced from year_ago group by all),
now as (select account_key, sum(arr) as arr, count(*) - count(arr) as unpriced from valued where is_active group by all),
expiring as (
    select account_key, product, end_date, sum(arr) as arr, count(*) - count(arr) as unpriced, bool_or(auto_renew and notice_served_on is null) as is_automatic
    from valued where end_date >= d() - 365 and end_date < d() group by all
),
successions as (
    select e.account_key, e.product, e.end_date, v.contract_line_key, v.arr from expiring as e
    join valued as v on e.account_key = v.account_key and e.product = v.product and coalesce(v.end_date > e.end_date, true)
    where v.start_date <= d() and v.start_date - e.end_date between -31 and 31
),
followed as (select account_key, product, end_date, sum(arr) as arr, count(*) - count(arr) as unpriced, true as has_follower from successions group by all),
capped as (select account_key, product, sum(arr) as arr from (select distinct account_key, product, contract_line_key, arr from successions) as each group by all),
decided as (
    select e.*, coalesce(f.arr, 0) as next_arr, f.has_follower is null and coalesce(e.is_automatic, false) as is_undecided, e.unpriced + coalesce(f.unpriced, 0) as unpriced_both
    from expiring as e left join followed as f using (account_key, product, end_date)
),
pools as (
    select account_key, product, sum(case when is_undecided then 0 else arr end) as available, sum(case when is_undecided then arr else 0 end) as undecided,
        sum(case when arr is not null then least(arr, next_arr) end) as renewed, count(*) filter (not is_undecided) as due, sum(unpriced_both) as unpriced
    from decided group by all
),
renewals as (
    select account_key, sum(available) as available, sum(undecided) as undecided, sum(case when p.renewed is not null then least(p.renewed, coalesce(c.arr, 0)) end) as renewed,
        sum(due)::bigint as due, sum(unpriced) as unpriced
    from pools as p left join capped as c using (account_key, product) group by all
)
select a.account_key, coalesce(a.segment, 'unknown') as segment,
    case when a.contract_status <> 'ok' then a.contract_status when coalesce(b.unpriced, 0) + coalesce(n.unpriced, 0) + coalesce(r.unpriced, 0) > 0 then 'unknown' else 'ok' end as status,
    case when a.contract_status <> 'ok' then 'contracts are not known' when status <> 'ok' then 'a line has no price or no exchange rate' end as reason,
    case when status = 'ok' then coalesce(b.arr, 0) end as arr_then, case when status = 'ok' then coalesce(n.arr, 0) end as arr_now,
    case when status = 'ok' then coalesce(r.available, 0) end as available, case when status = 'ok' then coalesce(r.undecided, 0) end as undecided,
    case when status = 'ok' then coalesce(r.renewed, 0) end as renewed, case when status = 'ok' then coalesce(r.due, 0) end as due
from account as a left join before as b using (account_key) left join now as n using (account_key) left join renewals as r using (account_key);

create or replace temp view today as
with totals as (
    select case when grouping(segment) = 1 then '*' else segment end as segment, count(*) filter (arr_then > 0) as accounts_in_cohort,
        count(*) filter (arr_then > 0 and arr_now = 0) as accounts_lost, count(*) filter (status <> 'ok') as accounts_unknown, bool_or(status = 'ok') as has_known,
        coalesce(sum(arr_then), 0) as arr_start, coalesce(sum(arr_now) filter (arr_then > 0), 0) as arr_end, coalesce(sum(least(arr_now, arr_then)) filter (arr_then > 0), 0) as arr_kept,
        coalesce(sum(available), 0) as available, coalesce(sum(renewed), 0) as renewed, coalesce(sum(undecided), 0) as undecided, coalesce(sum(due), 0)::bigint as renewals_due
    from revenue group by grouping sets ((segment), ()) having count(*) > 0
)
select segment, d() as as_of_date, d() - 365 as window_start, d() as window_end, 365::bigint as window_days, accounts_in_cohort, accounts_lost, accounts_unknown,
    '{currency}' as portfolio_currency, case when has_known then arr_start end::decimal(18, 2) as arr_start, case when has_known then arr_end end::decimal(18, 2) as arr_end,
    case when has_known then arr_kept end::decimal(18, 2) as arr_kept, case when has_known then available end::decimal(18, 2) as arr_available_to_renew,
    case when has_known then renewed end::decimal(18, 2) as arr_renewed, case when has_known then undecided end::decimal(18, 2) as arr_undecided,
    ratio(totals.arr_kept, totals.arr_start) as gross_retention, ratio(totals.arr_end, totals.arr_start) as net_retention,
    gross_retention as gross_retention_annualised, net_retention as net_retention_annualised, renewals_due, ratio(totals.renewed, totals.available) as renewal_rate,
    case when not has_known then 'unknown' when accounts_in_cohort = 0 then 'insufficient' else 'ok' end as status,
    case when not has_known then 'contracts are not known' when accounts_in_cohort = 0 then 'no account paid anything at the start of the window' end as status_reason
from totals;
create table if not exists plain.fct_revenue_retention as from today limit 0;
delete from plain.fct_revenue_retention where as_of_date = d();
insert into plain.fct_revenue_retention by name from today;

create or replace temp table first_values as
with started as (
    select * from lines where invalid_reason is null and contract_status <> 'draft' and start_date <= d()
),
won_back as (
    select s.account_key, max(s.start_date) as won_back_on from started as s
    join started as lost on s.account_key = lost.account_key and lost.start_date < s.start_date and (lost.contract_status = 'terminated' or lost.notice_served_on is not null)
    where s.contract_status = 'active' and not exists (
        select 1 from started as o where o.account_key = s.account_key and o.start_date < s.start_date and coalesce(o.end_date >= s.start_date - 1, true))
    group by all
),
cycles as (
    select a.account_key, coalesce(a.segment, 'unknown') as segment, coalesce(w.won_back_on, a.first_contract_start) as started_on, w.won_back_on - 60 as evidence_from
    from account as a left join won_back as w using (account_key)
),
ends as (
    select account_key, count(*) filter (is_active and start_date <= d()) as lines_active, max(end_date) as last_end from valued group by all
),
firsts as (
    select m.account_key, min(m.reached_on) filter (m.reached_on <= d()) as reached_on
    from milestones as m join cycles as c using (account_key)
    where m.milestone_kind = 'fttv' and (c.evidence_from is null or coalesce(m.reached_on, m.due_date, c.evidence_from) >= c.evidence_from) group by all
)
select c.account_key, c.segment,
    case when not fed('milestone') then 'milestones are not fed' when f.account_key is null then 'no value milestone is defined' when c.started_on is null then 'no contract has begun' end as reason,
    reason is null as is_known,
    case when is_known then greatest(0, coalesce(f.reached_on, case when coalesce(e.lines_active, 0) = 0 and e.last_end < d() then e.last_end end, d()) - c.started_on) end as days,
    case when is_known then f.reached_on is not null end as is_reached, d() - c.started_on as age
from cycles as c left join ends as e using (account_key) left join firsts as f using (account_key);
create or replace temp view today as
with both_ways as (from first_values union all select * replace ('*' as segment) from first_values),
totals as (
    select segment, count(*) filter (is_known) as accounts, count(*) filter (is_known and is_reached) as accounts_reached, count(*) filter (not is_known) as accounts_unknown,
        count(*) filter (is_known and is_reached and days <= 90 and age >= 90) as accounts_activated, count(*) filter (is_known and age >= 90) as activation_cohort
    from both_ways group by all
),
by_day as (select segment, days, count(*) filter (is_reached) as reached, count(*) as observed from both_ways where is_known group by all),
at_risk as (select *, sum(observed) over (partition by segment order by days desc) as exposed from by_day),
survival as (select segment, days, round(product(1 - reached / exposed) over (partition by segment order by days), 12) as share from at_risk),
crossings as (select segment, min(days) filter (share <= .5) as median_days, min(days) filter (share <= .1) as p90_days, min(share) as share_not_reached from survival group by all)
select segment, d() as as_of_date, accounts, accounts_reached, accounts - accounts_reached as accounts_censored, accounts_unknown, median_days, p90_days, share_not_reached,
    90::bigint as activation_days, activation_cohort, accounts_activated, ratio(accounts_activated, activation_cohort) as activation_rate,
    case when accounts = 0 then 'unknown' when median_days is null then 'insufficient' else 'ok' end as status,
    case when accounts = 0 then 'no customer has a value milestone' when median_days is null then 'fewer than half have reached it' end as status_reason
from totals left join crossings using (segment);
create table if not exists plain.fct_time_to_value as from today limit 0;
delete from plain.fct_time_to_value where as_of_date = d();
insert into plain.fct_time_to_value by name from today;

-- Every measure of every account as a row of its own.
create or replace temp table wide as
with sums as (
    select account_key, sum(waste_low_portfolio) as waste_low, sum(waste_high_portfolio) as waste_high, sum(waste_in_use_portfolio) as waste_in_use, max(status_reason) as money_reason
    from plain.fct_license_waste where as_of_date = d() group by all
),
pools as (
    select account_key, sum(greatest(0, shelfware - unused)) filter (shelfware is not null and unused is not null) as in_use, min(weeks) as weeks,
        max(status_reason) filter (status = 'unknown') as blind, max(status_reason) as reason
    from positions where seats > 0 group by all
),
kept as (select account_key, count(*) filter (auto_renew) as renewing, count(auto_renew) as saying from lines where is_active group by all),
contracts as (select account_key, max(known_at) as ts from contract_lines group by all),
goals as (select account_key, max(known_at) as ts from milestones group by all),
feeds as (select (select max(last_day) from plain_state.accounts)::timestamp as usage_ts, (select max(known_at) from tickets) as ticket_ts,
    (select max(known_at) from plain_state.assignments where not is_deleted) as assignment_ts)
select a.account_key, a.seats_contracted as seats, a.lines_active, a.active_users_28d as active, a.utilization_28d, a.seats_in_use_28d, a.unused_seats as unused, a.shelfware_seats as shelfware,
    case when a.seats_contracted = 0 then 0 when a.shelfware_seats is not null then p.in_use end as shelfware_in_use, p.weeks as pool_weeks, m.unused_value_annual, m.waste_annual,
    case when a.lines_active = 0 then 0 else w.waste_low end as waste_low, case when a.lines_active = 0 then 0 else w.waste_high end as waste_high,
    case when a.lines_active = 0 then 0 else w.waste_in_use end as waste_in_use, a.gap_days, a.days_to_opt_out, a.days_to_renewal,
    d() - coalesce(a.notice_served_on, a.notice_received_on) as days_since_notice, k.renewing, ratio(k.renewing, k.saying) as auto_renew_share,
    o.* exclude (account_key, segment, usage_status, seats_provisioned), f.days as value_days, f.is_reached::integer as is_reached, (not f.is_reached)::integer as is_censored,
    v.n_weeks, v.mean_active, v.slope_per_week, v.cv, v.cv_robust, v.dispersion_index, v.dispersion_p, v.recent_median, v.prior_median, v.drop_ratio, v.drop_p, v.decline_ratio, v.decline_p,
    t.* exclude (account_key, as_of_date, account_name, status, rule_version, phi, spike_level, week_start, sla_status, is_silent, oldest_open_days, oldest_open_p1_days, open_p1),
    t.is_silent::integer as is_silent, q.weeks_covered as ticket_weeks, ratio(q.closed_13w, q.weeks_covered) as closed_per_week,
    r.arr_then, r.arr_now, r.renewed, r.available, r.due, least(r.arr_now, r.arr_then) as arr_kept,
    a.contract_status, case when a.contract_status <> 'ok' then 'contracts are not fed, invalid or not kept' end as contract_reason, c.ts as contract_ts,
    a.usage_status, a.usage_reason, feeds.usage_ts, case when a.usage_status in ('ok', 'insufficient', 'stale', 'unknown') then feeds.usage_ts end as seen_ts,
    case when a.contract_status <> 'ok' then a.contract_status when a.seats_contracted = 0 then 'ok' when a.usage_status in ('unknown', 'stale') then a.usage_status
         when p.blind is not null then 'unknown' else a.usage_status end as license_status,
    case when contract_reason is not null then contract_reason when a.seats_contracted = 0 then null else coalesce(p.blind, a.usage_reason, p.reason) end as license_reason,
    case when a.contract_status <> 'ok' then a.contract_status when o.provisioned_reason is not null then 'unknown' else 'ok' end as seat_status,
    coalesce(contract_reason, o.provisioned_reason) as seat_reason, feeds.assignment_ts,
    case when a.contract_status <> 'ok' then a.contract_status when o.provisioned_reason is not null or p.blind is not null then 'unknown' else a.usage_status end as engagement_status,
    coalesce(contract_reason, o.provisioned_reason, p.blind, a.usage_reason) as engagement_reason, m.money_status,
    case when m.money_status <> 'ok' then coalesce(w.money_reason, 'contracts are not fed, invalid or not kept') end as money_reason,
    case when o.is_core and a.contract_status <> 'ok' then a.contract_status else o.core_status end as chair_status,
    case when o.is_core and a.contract_status <> 'ok' then contract_reason else o.core_reason end as chair_reason, v.status as variance_status,
    case when a.usage_status <> 'ok' then a.usage_reason when v.status <> 'ok' then 'too few weeks or seats for a verdict' end as variance_reason,
    t.status as ticket_status, case t.status when 'unknown' then 'tickets are not fed' when 'stale' then 'the ticket feed has stopped' end as ticket_reason, feeds.ticket_ts,
    case when t.status = 'ok' then a.contract_status else t.status end as rate_status, coalesce(ticket_reason, contract_reason) as rate_reason, t.sla_status, q.sla_reason,
    case when t.is_silent is not null then 'ok' when t.status <> 'ok' then t.status when a.contract_status <> 'ok' then a.contract_status
         when a.usage_status in ('unknown', 'stale') then a.usage_status else 'insufficient' end as silence_status,
    case when t.is_silent is null then 'tickets, seats or the course of use are not known' end as silence_reason, coalesce(s.status, 'unknown') as spike_status,
    case when f.reason is null then 'ok' else 'unknown' end as value_status, f.reason as value_reason, g.ts as goal_ts, r.status as revenue_status, r.reason as revenue_reason
from account as a cross join feeds
left join (from plain.fct_account_signals where as_of_date = d()) as m using (account_key) left join pools as p using (account_key) left join sums as w using (account_key)
left join adoption as o using (account_key) left join (from plain.fct_adoption_variance where as_of_date = d()) as v using (account_key)
left join (from plain.fct_ticket_load where as_of_date = d()) as t using (account_key) left join ticket_quality as q using (account_key)
left join (from computed.ticket_spikes where as_of_date = d()) as s using (account_key) left join revenue as r using (account_key) left join first_values as f using (account_key)
left join kept as k using (account_key) left join contracts as c using (account_key) left join goals as g using (account_key);
create or replace temp table wide_product as
with sums as (
    select account_key, product, count(*) as lines, case when count(*) = count(unused_value_annual_portfolio) then sum(unused_value_annual_portfolio) end as unused_value,
        case when count(*) = count(waste_annual_portfolio) then sum(waste_annual_portfolio) end as waste, case when count(*) = count(waste_low_portfolio) then sum(waste_low_portfolio) end as low,
        case when count(*) = count(waste_high_portfolio) then sum(waste_high_portfolio) end as high, case when count(*) = count(waste_in_use_portfolio) then sum(waste_in_use_portfolio) end as in_use,
        case when bool_or(status = 'unknown') then 'unknown' when bool_or(status = 'insufficient') then 'insufficient' else 'ok' end as money_status, max(status_reason) as money_reason
    from plain.fct_license_waste where as_of_date = d() group by all
),
features as (select account_key, product, count(*) as entitled, count(*) filter (is_used_28d) as used, count(*) filter (is_never_used) as never from feature_status group by all)
select p.*, case when p.shelfware is not null and p.unused is not null then greatest(0, p.shelfware - p.unused) end as gap_in_use, s.lines, s.unused_value, s.waste, s.low as waste_low,
    s.high as waste_high, s.in_use as waste_in_use, s.money_status, s.money_reason, v.n as provisioned, v.gap as deployment_gap, v.in_use as provisioned_in_use,
    f.entitled, f.used, f.never, case when v.reason is null then 'ok' else 'unknown' end as seat_status, v.reason as seat_reason,
    case when v.reason is not null then 'unknown' else p.status end as engagement_status, coalesce(v.reason, p.status_reason) as engagement_reason,
    case when p.status <> 'unknown' and f.entitled is null then 'unknown' else p.status end as core_status,
    case when p.status <> 'unknown' and f.entitled is null then 'no value feature is listed for the product' else p.status_reason end as core_reason,
    w.contract_ts, w.usage_ts, w.assignment_ts
from positions as p join wide as w using (account_key) left join sums as s using (account_key, product) left join provisioned as v using (account_key, product)
left join features as f using (account_key, product);
drop type if exists measure_row;
create temp type measure_row as struct(measure varchar, measure_family varchar, value double, unit varchar, numerator double, denominator double, window_start date, window_end date,
    n_obs bigint, source_max_ts timestamp, group_status varchar, group_reason varchar, missing varchar);

create or replace temp view today as select * exclude (is_blind) from (
with measured as (
select account_key, '*' as product, unnest([
    row('seats_contracted', 'muda', seats, 'seats', null, null, d(), d(), lines_active, contract_ts, contract_status, contract_reason, 'no contract line')::measure_row,
    row('seats_provisioned', 'muda', provisioned, 'seats', null, null, d(), d(), provisioned, assignment_ts, seat_status, seat_reason, 'no contracted product')::measure_row,
    row('deployment_gap', 'muda', deployment_gap, 'seats', seats, provisioned, d(), d(), provisioned, assignment_ts, seat_status, seat_reason, 'no contracted product')::measure_row,
    row('active_users_28d', 'muda', active, 'users', null, null, d() - 27, d(), active, usage_ts, usage_status, usage_reason, 'not measured')::measure_row,
    row('utilization_28d', 'muda', utilization_28d, 'ratio', seats_in_use_28d, seats, d() - 27, d(), seats, usage_ts, license_status, license_reason, 'no contracted seats')::measure_row,
    row('user_engagement', 'muda', ratio(provisioned_in_use, provisioned), 'ratio', provisioned_in_use, provisioned, d() - 27, d(), provisioned, usage_ts, engagement_status, engagement_reason, 'nobody is provisioned')::measure_row,
    row('unused_now', 'muda', unused, 'seats', seats_in_use_28d, seats, d() - 27, d(), seats, usage_ts, license_status, license_reason, 'not measured')::measure_row,
    row('unused_value_annual', 'muda', unused_value_annual, '{currency}', unused, null, d() - 27, d(), lines_active, usage_ts, money_status, money_reason, 'not measured')::measure_row,
    row('shelfware_seats', 'muda', shelfware, 'seats', null, seats, last_week() - 84, last_week() + 6, pool_weeks, usage_ts, license_status, license_reason, 'too few complete weeks')::measure_row,
    row('shelfware_in_use', 'muda', shelfware_in_use, 'seats', shelfware, unused, last_week() - 84, last_week() + 6, pool_weeks, usage_ts, license_status, license_reason, 'too few complete weeks')::measure_row,
    row('waste_annual', 'muda', waste_annual, '{currency}', shelfware, null, last_week() - 84, last_week() + 6, pool_weeks, usage_ts, money_status, money_reason, 'too few complete weeks')::measure_row,
    row('waste_low', 'muda', waste_low, '{currency}', null, null, last_week() - 84, last_week() + 6, pool_weeks, usage_ts, money_status, money_reason, 'too few complete weeks')::measure_row,
    row('waste_high', 'muda', waste_high, '{currency}', null, null, last_week() - 84, last_week() + 6, pool_weeks, usage_ts, money_status, money_reason, 'too few complete weeks')::measure_row,
    row('waste_in_use', 'muda', waste_in_use, '{currency}', shelfware_in_use, null, last_week() - 84, last_week() + 6, pool_weeks, usage_ts, money_status, money_reason, 'too few complete weeks')::measure_row,
    row('feature_shelfware', 'muda', never, 'features', never, entitled, null, d(), entitled, usage_ts, core_status, core_reason, 'not measured')::measure_row,
    row('feature_breadth', 'adoption', breadth, 'ratio', used, entitled, d() - 27, d(), entitled, usage_ts, core_status, core_reason, 'not measured')::measure_row,
    row('feature_depth', 'adoption', depth, 'index', per_user, peer_per_user, d() - 27, d(), peers, usage_ts, core_status, core_reason, 'nobody active, or too few peers')::measure_row,
    row('concentration_gini', 'adoption', gini, 'ratio', null, null, d() - 27, d(), chairs, usage_ts, chair_status, chair_reason, 'no core action')::measure_row,
    row('top1_share', 'adoption', top1, 'ratio', top, core, d() - 27, d(), core_users, usage_ts, core_status, core_reason, 'no core action')::measure_row,
    row('top3_share', 'adoption', top3_share, 'ratio', top3, core, d() - 27, d(), core_users, usage_ts, core_status, core_reason, 'no core action')::measure_row,
    row('core_actions_28d', 'adoption', core, 'events', null, null, d() - 27, d(), core_users, usage_ts, core_status, core_reason, 'not measured')::measure_row,
    row('stickiness_dau_mau', 'adoption', dau_mau, 'ratio', days / 28.0, n, d() - 27, d(), n, usage_ts, usage_status, usage_reason, 'nobody active')::measure_row,
    row('stickiness_wau_mau', 'adoption', wau_mau, 'ratio', weeks / 4.0, n, d() - 27, d(), n, usage_ts, usage_status, usage_reason, 'nobody active')::measure_row,
    row('gap_days', 'adoption', gap_days, 'days', null, null, d() - 89, d(), null, usage_ts, usage_status, usage_reason, 'not a customer yet')::measure_row,
    row('core_gap_days', 'adoption', core_gap_days, 'days', null, null, d() - 89, d(), core_days_90d, usage_ts, core_status, core_reason, 'not a customer yet')::measure_row,
    row('time_to_value_days', 'adoption', value_days, 'days', null, null, null, d(), is_reached, goal_ts, value_status, value_reason, 'not measured')::measure_row,
    row('time_to_value_is_censored', 'adoption', is_censored, 'flag', null, null, null, d(), is_reached, goal_ts, value_status, value_reason, 'not measured')::measure_row,
    row('weekly_active_mean', 'mura', mean_active, 'users', null, null, last_week() - 175, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('weekly_active_slope', 'mura', slope_per_week, 'users per week', null, null, last_week() - 175, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('weekly_active_recent', 'mura', recent_median, 'users', null, null, last_week() - 21, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('weekly_active_prior', 'mura', prior_median, 'users', null, null, last_week() - 77, last_week() - 22, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('cv', 'mura', cv, 'ratio', null, null, last_week() - 175, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('cv_robust', 'mura', cv_robust, 'ratio', null, null, last_week() - 175, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('dispersion_index', 'mura', dispersion_index, 'ratio', null, null, last_week() - 175, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few weeks or seats')::measure_row,
    row('dispersion_p', 'mura', dispersion_p, 'probability', null, null, last_week() - 175, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few weeks or seats')::measure_row,
    row('drop_ratio', 'mura', drop_ratio, 'ratio', recent_median, prior_median, last_week() - 77, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('drop_p', 'mura', drop_p, 'probability', null, null, last_week() - 77, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('decline_ratio', 'mura', decline_ratio, 'ratio', null, null, last_week() - 175, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('decline_p', 'mura', decline_p, 'probability', null, null, last_week() - 175, last_week() + 6, n_weeks, usage_ts, variance_status, variance_reason, 'too few complete weeks')::measure_row,
    row('fano', 'mura', fano, 'ratio', core_weekly_variance, core_weekly_mean, last_week() - 84, last_week() + 6, core_weeks, usage_ts, core_status, core_reason, 'too few weeks, or no core action')::measure_row,
    row('fano_vs_segment', 'mura', fano_vs_segment, 'index', fano, segment_fano, last_week() - 84, last_week() + 6, core_weeks, usage_ts, core_status, core_reason, 'too few weeks, core actions or peers')::measure_row,
    row('burstiness', 'mura', burstiness, 'index', null, null, d() - 89, d(), core_events_90d, usage_ts, core_status, core_reason, 'too few core actions')::measure_row,
    row('burstiness_days', 'mura', burstiness_days, 'index', null, null, d() - 89, d(), core_days_90d, usage_ts, core_status, core_reason, 'too few days with core actions')::measure_row,
    row('tickets_28d', 'muri', tickets_28d, 'tickets', null, null, d() - 27, d(), tickets_28d, ticket_ts, ticket_status, ticket_reason, 'not measured')::measure_row,
    row('ticket_rate', 'muri', ticket_rate, 'tickets per 100 seats', tickets_28d, seats, d() - 27, d(), tickets_28d, ticket_ts, rate_status, rate_reason, 'no contracted seats')::measure_row,
    row('tickets_open', 'muri', tickets_open, 'tickets', null, null, d(), d(), tickets_open, ticket_ts, ticket_status, ticket_reason, 'not measured')::measure_row,
    row('weighted_load', 'muri', weighted_load, 'points', null, null, d() - 27, d(), tickets_28d, ticket_ts, ticket_status, ticket_reason, 'not measured')::measure_row,
    row('backlog_weeks', 'muri', backlog_weeks, 'weeks', tickets_open, closed_per_week, last_week() - 84, last_week() + 6, ticket_weeks, ticket_ts, ticket_status, ticket_reason, 'too few weeks, or nothing was closed')::measure_row,
    row('aged_tickets', 'muri', aged_tickets, 'tickets', aged_tickets, tickets_open, d(), d(), tickets_open, ticket_ts, ticket_status, ticket_reason, 'not measured')::measure_row,
    row('sla_breach_rate', 'muri', sla_breach_rate, 'ratio', sla_breaches_90d, sla_tickets_90d, d() - 89, d(), sla_tickets_90d, ticket_ts, sla_status, sla_reason, 'no ticket with a decided target')::measure_row,
    row('reopen_rate', 'muri', reopen_rate, 'ratio', reopened_90d, solved_90d, d() - 89, d(), solved_90d, ticket_ts, ticket_status, ticket_reason, 'no ticket was solved')::measure_row,
    row('escalations_90d', 'muri', escalations_90d, 'tickets', escalations_90d, tickets_90d, d() - 89, d(), tickets_90d, ticket_ts, ticket_status, ticket_reason, 'not measured')::measure_row,
    row('distinct_reporters_90d', 'muri', distinct_reporters_90d, 'users', null, null, d() - 89, d(), tickets_90d, ticket_ts, ticket_status, ticket_reason, 'not measured')::measure_row,
    row('silence', 'muri', is_silent, 'flag', tickets_90d, seats, d() - 89, d(), tickets_90d, ticket_ts, silence_status, silence_reason, 'not measured')::measure_row,
    row('tickets_4w', 'muri', tickets_4w, 'tickets', null, null, last_week() - 21, last_week() + 6, tickets_4w, ticket_ts, spike_status, ticket_reason, 'too few complete weeks')::measure_row,
    row('spike_p', 'muri', p_value, 'probability', tickets_4w, baseline_sum, last_week() - 189, last_week() + 6, tickets_4w, ticket_ts, spike_status, ticket_reason, 'too few complete weeks')::measure_row,
    row('muri_priority', 'muri', muri_priority, 'index', severity, proximity, d(), d(), tickets_4w, ticket_ts, spike_status, ticket_reason, 'no severity or no deadline')::measure_row,
    row('arr_contracted', 'revenue', arr_now, '{currency}', null, null, d(), d(), lines_active, contract_ts, revenue_status, revenue_reason, 'not measured')::measure_row,
    row('arr_12m_ago', 'revenue', arr_then, '{currency}', null, null, d() - 365, d(), null, contract_ts, revenue_status, revenue_reason, 'not measured')::measure_row,
    row('gross_retention', 'revenue', ratio(arr_kept, arr_then), 'ratio', arr_kept, arr_then, d() - 365, d(), null, contract_ts, revenue_status, revenue_reason, 'no revenue at the start')::measure_row,
    row('net_retention', 'revenue', ratio(arr_now, arr_then), 'ratio', arr_now, arr_then, d() - 365, d(), null, contract_ts, revenue_status, revenue_reason, 'no revenue at the start')::measure_row,
    row('renewal_rate', 'revenue', ratio(renewed, available), 'ratio', renewed, available, d() - 365, d(), due, contract_ts, revenue_status, revenue_reason, 'nothing was up for renewal')::measure_row,
    row('days_to_opt_out', 'renewal', days_to_opt_out, 'days', null, null, d(), d(), lines_active, contract_ts, contract_status, contract_reason, 'no line with an end date and a notice period')::measure_row,
    row('days_to_renewal', 'renewal', days_to_renewal, 'days', null, null, d(), d(), lines_active, contract_ts, contract_status, contract_reason, 'no line with an end date')::measure_row,
    row('days_since_notice', 'renewal', days_since_notice, 'days', null, null, d(), d(), lines_active, contract_ts, contract_status, contract_reason, 'no notice was served')::measure_row,
    row('auto_renew_share', 'renewal', auto_renew_share, 'ratio', renewing, lines_active, d(), d(), lines_active, contract_ts, contract_status, contract_reason, 'no active line says how it renews')::measure_row,
    row('renewal_proximity', 'renewal', proximity, 'index', null, null, d(), d(), lines_active, contract_ts, contract_status, contract_reason, 'no line with an end date and a notice period')::measure_row
]) as m from wide
union all
select account_key, product as product, unnest([
    row('seats_contracted', 'muda', seats, 'seats', null, null, d(), d(), lines, contract_ts, 'ok', null, 'no contract line')::measure_row,
    row('seats_provisioned', 'muda', provisioned, 'seats', null, null, d(), d(), provisioned, assignment_ts, seat_status, seat_reason, 'no assignment')::measure_row,
    row('deployment_gap', 'muda', deployment_gap, 'seats', seats, provisioned, d(), d(), provisioned, assignment_ts, seat_status, seat_reason, 'no assignment')::measure_row,
    row('active_users_28d', 'muda', active_users_28d, 'users', null, null, d() - 27, d(), active_users_28d, usage_ts, status, status_reason, 'not measured')::measure_row,
    row('utilization_28d', 'muda', utilization_28d, 'ratio', active_users_28d, seats, d() - 27, d(), seats, usage_ts, status, status_reason, 'no contracted seats')::measure_row,
    row('user_engagement', 'muda', ratio(provisioned_in_use, provisioned), 'ratio', provisioned_in_use, provisioned, d() - 27, d(), provisioned, usage_ts, engagement_status, engagement_reason, 'nobody is provisioned')::measure_row,
    row('unused_now', 'muda', unused, 'seats', active_users_28d, seats, d() - 27, d(), seats, usage_ts, status, status_reason, 'not measured')::measure_row,
    row('unused_value_annual', 'muda', unused_value, '{currency}', unused, null, d() - 27, d(), lines, usage_ts, money_status, money_reason, 'not measured')::measure_row,
    row('p95_weekly_active', 'muda', p95_weekly_active, 'users', null, null, last_week() - 84, last_week() + 6, weeks, usage_ts, status, status_reason, 'too few complete weeks')::measure_row,
    row('shelfware_seats', 'muda', shelfware, 'seats', p95_weekly_active, seats, last_week() - 84, last_week() + 6, weeks, usage_ts, status, status_reason, 'too few complete weeks')::measure_row,
    row('shelfware_in_use', 'muda', gap_in_use, 'seats', shelfware, unused, last_week() - 84, last_week() + 6, weeks, usage_ts, status, status_reason, 'too few complete weeks')::measure_row,
    row('waste_annual', 'muda', waste, '{currency}', shelfware, null, last_week() - 84, last_week() + 6, weeks, usage_ts, money_status, money_reason, 'too few complete weeks')::measure_row,
    row('waste_low', 'muda', waste_low, '{currency}', null, null, last_week() - 84, last_week() + 6, weeks, usage_ts, money_status, money_reason, 'too few complete weeks')::measure_row,
    row('waste_high', 'muda', waste_high, '{currency}', null, null, last_week() - 84, last_week() + 6, weeks, usage_ts, money_status, money_reason, 'too few complete weeks')::measure_row,
    row('waste_in_use', 'muda', waste_in_use, '{currency}', gap_in_use, null, last_week() - 84, last_week() + 6, weeks, usage_ts, money_status, money_reason, 'too few complete weeks')::measure_row,
    row('feature_breadth', 'adoption', ratio(used, entitled), 'ratio', used, entitled, d() - 27, d(), entitled, usage_ts, core_status, core_reason, 'no value feature is listed')::measure_row,
    row('feature_shelfware', 'muda', never, 'features', never, entitled, null, d(), entitled, usage_ts, core_status, core_reason, 'no value feature is listed')::measure_row
]) as m from wide_product)
select account_key, d() as as_of_date, m.measure, product, m.measure_family, coalesce(m.group_status, 'unknown') in ('unknown', 'stale') as is_blind, case when not is_blind then m.value end as value, m.unit,
    case when not is_blind then m.numerator end as numerator, case when not is_blind then m.denominator end as denominator, m.window_start, m.window_end, case when not is_blind then m.n_obs end as n_obs,
    m.source_max_ts, case when is_blind then coalesce(m.group_status, 'unknown') when m.value is null then 'insufficient' else m.group_status end as status,
    case when is_blind then coalesce(m.group_reason, 'not measured') when m.value is null or m.group_status = 'insufficient' then coalesce(m.group_reason, m.missing) end as status_reason
from measured);
create table if not exists plain.fct_account_measures as from today limit 0;
delete from plain.fct_account_measures where as_of_date = d();
insert into plain.fct_account_measures by name from today;

create or replace temp view today as
select s.account_key, s.as_of_date, a.account_name, s.* exclude (account_key, as_of_date, held_band, asked_band, scored_on) replace (coalesce(s.raw_band, s.risk_band) as raw_band),
    coalesce(s.raw_band <> s.risk_band and s.risk_band <> 'unknown', false) as is_band_held
from (from computed.account_scores where as_of_date = d()) as s left join account as a using (account_key);
create table if not exists plain.fct_health_scores as from today limit 0;
delete from plain.fct_health_scores where as_of_date = d();
insert into plain.fct_health_scores by name from today;

create or replace temp view today as
select c.account_key, c.as_of_date, a.account_name, c.* exclude (account_key, as_of_date), s.previous_as_of_date, s.score_version
from (from computed.health_contributions where as_of_date = d()) as c left join account as a using (account_key)
left join (from computed.account_scores where as_of_date = d()) as s using (account_key);
create table if not exists plain.fct_health_contributions as from today limit 0;
delete from plain.fct_health_contributions where as_of_date = d();
insert into plain.fct_health_contributions by name from today;

-- Every number and name that a draft may use.
create or replace temp table fact_products as
with w as (
    select account_key, product, min(currency) = max(currency) as is_one, case when is_one then min(currency) else '{currency}' end as currency,
        case when is_one then sum(unused_value_annual) else sum(unused_value_annual_portfolio) end as unused_value_annual, case when is_one then sum(waste_annual) else sum(waste_annual_portfolio) end as waste_annual,
        case when is_one then sum(waste_low) end as waste_low, case when is_one then sum(waste_high) end as waste_high,
        case when is_one and min(net_unit_price_annual) = max(net_unit_price_annual) and count(*) = count(net_unit_price_annual) then min(net_unit_price_annual) end as net_unit_price_annual,
        min(renewal_date) as renewal_date, min(opt_out_date) as opt_out_date, count(*) as line_count, count(*) = count(unused_value_annual) as has_value, count(*) = count(waste_annual) as has_waste,
        case when bool_or(status = 'unknown') then 'unknown' when bool_or(status = 'insufficient') then 'insufficient' else 'ok' end as money_status
    from plain.fct_license_waste where as_of_date = d() group by all
),
v as (
    select account_key, product, count(*) as entitled, count(*) filter (is_used_28d) as used, string_agg(feature, ', ' order by feature) filter (not is_used_28d) as names
    from feature_status group by all
)
select p.account_key, p.product, p.seats as seats_contracted, p.active_users_28d, p.unused as unused_now, p.utilization_28d, p.p95_weekly_active, p.shelfware as shelfware_seats,
    case when w.has_value then w.unused_value_annual end as unused_value_annual, case when w.has_waste then w.waste_annual end as waste_annual,
    case when w.has_waste then w.waste_low end as waste_low, case when w.has_waste then w.waste_high end as waste_high, w.net_unit_price_annual, w.renewal_date, w.opt_out_date, w.currency,
    w.line_count, case when p.status <> 'unknown' then v.entitled end as entitled_features, case when p.status <> 'unknown' then v.used end as used_features,
    case when p.status <> 'unknown' then case when v.used = v.entitled then 'none' else v.names end end as unused_feature_names, p.status as usage_status, w.money_status
from positions as p left join w using (account_key, product) left join v using (account_key, product);
create or replace temp table fact_lines as
select l.*, l.status as line_status from plain.fct_license_waste as l join fact_products as p using (account_key, product) where l.as_of_date = d() and p.line_count > 1;
create or replace temp table fact_accounts as
select s.* replace (case when s.days_to_opt_out >= 0 then s.days_to_opt_out end as days_to_opt_out), v.recent_median, v.prior_median, v.status as variance_status, a.last_activity_date,
    t.phase, t.phase_name, t.blocking_requirement_id, case when (select count(is_escalated) from tickets) > 0 then q.escalations_90d end as escalations_90d, q.sla_breaches_90d, q.sla_status
from (from plain.fct_account_signals where as_of_date = d()) as s join account as a using (account_key)
left join (from plain.fct_adoption_variance where as_of_date = d()) as v using (account_key) left join (from computed.account_state where as_of_date = d()) as t using (account_key)
left join (from plain.fct_ticket_load where as_of_date = d()) as q using (account_key);
-- People, goals, meetings, the handoff and the queue: the evidence of the lifecycle and what Python folds of it are given, as below.
create or replace temp table fact_further as
with roles as (
    select account_key, max(full_name) filter (role = 'champion') as champion_name, max(full_name) filter (role = 'sponsor') as sponsor_name,
        max(full_name) filter (role = 'economic_buyer') as economic_buyer_name, max(contact_key) filter (role = 'champion') as champion_key,
        max(contact_key) filter (role = 'sponsor') as sponsor_key, max(contact_key) filter (role = 'economic_buyer') as economic_buyer_key,
        bool_or(role = 'champion' and status in ('left', 'nobody')) as has_no_champion, bool_or(role = 'sponsor' and status in ('left', 'nobody')) as has_no_sponsor,
        bool_or(role = 'economic_buyer' and status in ('left', 'nobody')) as has_no_economic_buyer
    from base.int_stakeholders group by all
),
people as (select account_key, count(*) as contacts_active from contacts where coalesce(is_active, true) and coalesce(left_on > d(), true) group by all),
addressees as (select account_key, lower(email) as email, min(full_name) as full_name from contacts where email is not null and full_name is not null group by all),
colleagues as (
    select email, min(full_name) as full_name from (select lower(csm_email) as email, csm_name as full_name from account union all select lower(owner_email), owner_name from account)
    where email is not null and full_name is not null group by all
),
audited as (
    select account_key, string_agg(label, ', ' order by label) filter (status = 'missing') as missing, string_agg(label, ', ' order by label) filter (status in ('conflicting', 'invalid')) as conflicting,
        count(*) filter (status = 'missing') as missing_count
    from computed.handoff_fields where as_of_date = d() and is_mandatory group by all
),
seated as (
    select s.account_key, count(*) filter (t.user_key is null) as untrained, count(t.user_key) as matched
    from (select distinct account_key, user_key from base.stg_product__license_assignments where coalesce(assigned_at < tomorrow(), true) and coalesce(revoked_at >= tomorrow(), true)) as s
    left join (select distinct account_key, user_key from base.stg_crm__training_completions where completed_at < tomorrow()) as t using (account_key, user_key) group by all
),
earlier as (select account_key, count(*) as n from tickets where coalesce(status, 'open') <> 'deleted' and d() - opened_at::date between 28 and 55 group by all),
queue as (select account_key, requirement_id, action, why, due_on from computed.next_best_actions where as_of_date = d() and account_rank = 1),
feeds as (
    select (select count(*) from queue) > 0 as is_queue_made, (select count(next_touchpoint_on) from base.int_evidence_overlays) > 0 as is_calendar_fed,
        (select count(ebr_planned_on) from base.int_evidence_realization) > 0 as is_ebr_plan_fed, (select count(*) from contacts where role = 'economic_buyer') > 0 as is_economic_buyer_fed,
        (select coalesce(sum(matched), 0) from seated) > 0 as is_training_matched, (select d() - min(opened_at)::date from tickets) >= 56 as is_ticket_history_fed
)
select s.account_key, r.champion_name, r.champion_key, r.has_no_champion, r.sponsor_name, r.sponsor_key, r.has_no_sponsor, r.economic_buyer_name, r.economic_buyer_key,
    r.has_no_economic_buyer and f.is_economic_buyer_fed as has_no_economic_buyer, a.owner_name, case when e.is_contact_fed then coalesce(p.contacts_active, 0) end as contacts_active,
    g.pain_key, replace(trim(g.pain_metric), '_', ' ') as pain_metric, g.pain_status = 'nobody' as has_no_pain_metric, case when trim(g.pain_metric) <> '' then g.pain_baseline end as pain_baseline,
    case when trim(g.pain_metric) <> '' then g.pain_target end as pain_target, g.pain_due_on, g.pain_status <> 'unknown' as has_no_pain_date, coalesce(c.full_name, k.full_name) as pain_owner,
    g.pain_status <> 'unknown' and g.pain_owner is null as has_no_pain_owner,
    case when g.sponsor_status <> 'unknown' or g.pain_status <> 'unknown' or g.red_flags_seen > 0 then
        case g.verdict when 'risk_mitigation_plan' then 'a Risk Mitigation Plan' when 'success_plan' then 'a Success Plan' else 'blocked' end || ', because ' || replace(g.reason, '; ', ', ')
    end as psp_verdict,
    h.handoff_fields_expected is not null as is_handoff_audited, case when is_handoff_audited then x.missing end as handoff_missing,
    case when is_handoff_audited then x.missing_count end as handoff_missing_count, case when is_handoff_audited then x.conflicting end as handoff_conflicting, h.handoff_rounds,
    e.fttv_milestone_key, e.fttv_due_on, e.is_fttv_fed as has_no_fttv_date, e.fttv_reached_on, e.is_fttv_fed, e.kickoff_meeting_key, e.kickoff_meeting_held_on as kickoff_held_on,
    e.is_kickoff_meeting_fed, o.last_touchpoint_on, o.last_touchpoint_key, o.is_touchpoint_fed, o.next_touchpoint_on, f.is_calendar_fed,
    case when e.is_training_completion_fed then e.users_trained end as users_trained,
    case when e.is_training_completion_fed and e.is_license_assignment_fed and f.is_training_matched then
        case when e.users_assigned > 0 then u.untrained when e.active_users_28d = 0 then 0 end end as users_untrained,
    v.outcome_key, replace(trim(v.outcome_metric_name), '_', ' ') as outcome_metric, v.is_outcome_fed and v.outcome_key is null as has_no_outcome,
    case when trim(v.outcome_metric_name) <> '' then v.outcome_baseline end as outcome_baseline, case when trim(v.outcome_metric_name) <> '' then v.outcome_measured end as outcome_measured,
    case when trim(v.outcome_metric_name) <> '' then v.outcome_target end as outcome_target, v.outcome_measured_on, v.ebr_key, v.ebr_held_on, v.is_ebr_fed, v.ebr_planned_on, f.is_ebr_plan_fed,
    w.renewal_open_key, w.renewal_open_amount, case when w.renewal_open_amount is not null then upper(deals.currency) end as currency, w.renewal_open_close_on, w.is_renewal_fed,
    case when y.notice_is_open then y.notice_on end as notice_on, n.lost_on, s.contract_status = 'ok' as is_contract_known, n.reference_consent_key, n.reference_consent_on, n.is_reference_consent_fed,
    case when s.ticket_status = 'ok' and f.is_ticket_history_fed and a.contract_age_days >= 56 then coalesce(l.n, 0) end as tickets_28d_before,
    case when s.ticket_status = 'ok' then 'insufficient' else s.ticket_status end as tickets_before_status, q.requirement_id as next_action_key, q.action as next_action, q.why as next_action_why,
    q.due_on as next_action_due_on, f.is_queue_made
from (from plain.fct_account_signals where as_of_date = d() and hold_reason is null) as s cross join feeds as f left join account as a using (account_key)
left join base.int_contract_cycles as y using (account_key) left join base.int_lifecycle_evidence as e using (account_key) left join base.int_evidence_overlays as o using (account_key)
left join base.int_evidence_realization as v using (account_key) left join base.int_evidence_growth as w using (account_key) left join base.int_evidence_advocacy_churn as n using (account_key)
left join base.int_psp_diagnostic as g using (account_key) left join roles as r using (account_key) left join people as p using (account_key)
left join addressees as c on s.account_key = c.account_key and lower(g.pain_owner) = c.email left join colleagues as k on lower(g.pain_owner) = k.email
left join (from computed.handoff_audits where as_of_date = d()) as h using (account_key) left join audited as x using (account_key) left join seated as u using (account_key)
left join earlier as l using (account_key) left join queue as q using (account_key) left join base.stg_crm__opportunities as deals on w.renewal_open_key = deals.opportunity_key;
drop type if exists fact_row;
create temp type fact_row as struct(metric varchar, label varchar, value_number decimal(18, 4), value_text varchar, unit varchar, currency varchar, window_label varchar, is_known boolean, group_status varchar,
    sensitivity varchar, fact_class varchar, source_table varchar);
drop type if exists further_row;
create temp type further_row as struct(metric varchar, label varchar, value_number decimal(18, 4), value_text varchar, unit varchar, currency varchar, window_label varchar, is_known boolean,
    group_status varchar, sensitivity varchar, fact_class varchar, source_table varchar, source_key varchar);

create or replace temp view today as
with facts as (
select account_key, product as scope, account_key || ':' || product as source_key, unnest([
    row('seats_contracted', 'contracted seats', seats_contracted, null, 'seats', null, 'today', seats_contracted is not null, 'unknown', 'shareable', 'contracted', 'base.int_license_position')::fact_row,
    row('active_users_28d', 'active users in the last four weeks', active_users_28d, null, 'users', null, 'last four weeks', active_users_28d is not null, usage_status, 'shareable', 'computed', 'base.int_license_position')::fact_row,
    row('unused_seats', 'seats nobody used in the last four weeks', unused_now, null, 'seats', null, 'last four weeks', unused_now is not null, usage_status, 'shareable', 'computed', 'base.int_license_position')::fact_row,
    row('utilization_28d', 'share of contracted seats in use', utilization_28d, null, 'ratio', null, 'last four weeks', utilization_28d is not null, usage_status, 'shareable', 'computed', 'base.int_license_position')::fact_row,
    row('p95_weekly_active', 'high-water mark of weekly active users', p95_weekly_active, null, 'users', null, 'last thirteen complete weeks', p95_weekly_active is not null, usage_status, 'shareable', 'computed', 'base.int_license_position')::fact_row,
    row('shelfware_seats', 'seats above the high-water mark with headroom', shelfware_seats, null, 'seats', null, 'last thirteen complete weeks', shelfware_seats is not null, usage_status, 'internal', 'computed', 'base.int_license_position')::fact_row,
    row('unused_value_annual', 'yearly value of seats nobody uses now', unused_value_annual, null, 'money', currency, 'last four weeks', unused_value_annual is not null, money_status, 'internal', 'computed', 'marts.fct_license_waste')::fact_row,
    row('waste_annual', 'yearly waste beyond the right-size gap', waste_annual, null, 'money', currency, 'last thirteen complete weeks', waste_annual is not null, money_status, 'internal', 'computed', 'marts.fct_license_waste')::fact_row,
    row('waste_low', 'low end of the yearly waste', waste_low, null, 'money', currency, 'last thirteen complete weeks', waste_low is not null, money_status, 'internal', 'computed', 'marts.fct_license_waste')::fact_row,
    row('waste_high', 'high end of the yearly waste', waste_high, null, 'money', currency, 'last thirteen complete weeks', waste_high is not null, money_status, 'internal', 'computed', 'marts.fct_license_waste')::fact_row,
    row('net_unit_price_annual', 'net price per seat and year', net_unit_price_annual, null, 'money', currency, 'today', net_unit_price_annual is not null, 'unknown', 'shareable', 'contracted', 'base.int_contract_lines')::fact_row,
    row('renewal_date', 'renewal date', null, strftime(renewal_date, '%Y-%m-%d'), 'date', null, 'today', renewal_date is not null, 'unknown', 'shareable', 'contracted', 'base.int_contract_lines')::fact_row,
    row('opt_out_date', 'opt-out deadline', null, strftime(opt_out_date, '%Y-%m-%d'), 'date', null, 'today', opt_out_date is not null, 'unknown', 'shareable', 'contracted', 'base.int_contract_lines')::fact_row,
    row('entitled_features', 'value features in the contract', entitled_features, null, 'count', null, 'today', entitled_features is not null, usage_status, 'shareable', 'computed', 'base.product_features')::fact_row,
    row('used_features', 'value features used in the last four weeks', used_features, null, 'count', null, 'last four weeks', used_features is not null, usage_status, 'shareable', 'computed', 'base.int_usage_daily')::fact_row,
    row('unused_feature_names', 'value features nobody used in the last four weeks', null, unused_feature_names, 'text', null, 'last four weeks', unused_feature_names is not null, usage_status, 'shareable', 'computed', 'base.int_usage_daily')::fact_row
]) as f from fact_products
union all
select account_key, contract_line_key as scope, contract_line_key as source_key, unnest([
    row('seats_contracted', 'contracted seats of the line', seats, null, 'seats', null, 'today', seats is not null, line_status, 'shareable', 'contracted', 'base.int_contract_lines')::fact_row,
    row('net_unit_price_annual', 'net price per seat and year of the line', net_unit_price_annual, null, 'money', currency, 'today', net_unit_price_annual is not null, line_status, 'shareable', 'contracted', 'base.int_contract_lines')::fact_row,
    row('shelfware_seats', 'seats above the high-water mark with headroom, charged to the line', shelfware_seats, null, 'seats', null, 'last thirteen complete weeks', shelfware_seats is not null, line_status, 'internal', 'computed', 'marts.fct_license_waste')::fact_row,
    row('waste_annual', 'yearly waste charged to the line', waste_annual, null, 'money', currency, 'last thirteen complete weeks', waste_annual is not null, line_status, 'internal', 'computed', 'marts.fct_license_waste')::fact_row,
    row('renewal_date', 'renewal date of the line', null, strftime(renewal_date, '%Y-%m-%d'), 'date', null, 'today', renewal_date is not null, line_status, 'shareable', 'contracted', 'base.int_contract_lines')::fact_row,
    row('opt_out_date', 'opt-out deadline of the line', null, strftime(opt_out_date, '%Y-%m-%d'), 'date', null, 'today', opt_out_date is not null, line_status, 'shareable', 'contracted', 'base.int_contract_lines')::fact_row
]) as f from fact_lines
union all
select account_key, 'account' as scope, account_key as source_key, unnest([
    row('seats_contracted', 'contracted seats over all products', seats_contracted, null, 'seats', null, 'today', seats_contracted is not null, contract_status, 'shareable', 'contracted', 'marts.fct_account_signals')::fact_row,
    row('active_users_28d', 'active users in the last four weeks', active_users_28d, null, 'users', null, 'last four weeks', active_users_28d is not null, usage_status, 'shareable', 'computed', 'marts.fct_account_signals')::fact_row,
    row('unused_seats', 'seats nobody used in the last four weeks', unused_seats, null, 'seats', null, 'last four weeks', unused_seats is not null, usage_status, 'shareable', 'computed', 'marts.fct_account_signals')::fact_row,
    row('shelfware_seats', 'seats above the high-water mark with headroom', shelfware_seats, null, 'seats', null, 'last thirteen complete weeks', shelfware_seats is not null, usage_status, 'internal', 'computed', 'marts.fct_account_signals')::fact_row,
    row('utilization_28d', 'share of contracted seats in use', utilization_28d, null, 'ratio', null, 'last four weeks', utilization_28d is not null, usage_status, 'shareable', 'computed', 'marts.fct_account_signals')::fact_row,
    row('unused_value_annual', 'yearly value of seats nobody uses now', unused_value_annual, null, 'money', '{currency}', 'last four weeks', unused_value_annual is not null, money_status, 'internal', 'computed', 'marts.fct_account_signals')::fact_row,
    row('waste_annual', 'yearly waste beyond the right-size gap', waste_annual, null, 'money', '{currency}', 'last thirteen complete weeks', waste_annual is not null, money_status, 'internal', 'computed', 'marts.fct_account_signals')::fact_row,
    row('arr_amount', 'annual recurring revenue', arr_amount, null, 'money', currency, 'today', arr_amount is not null, 'unknown', 'shareable', 'contracted', 'marts.fct_account_signals')::fact_row,
    row('renewal_date', 'next renewal date', null, strftime(next_renewal_date, '%Y-%m-%d'), 'date', null, 'today', next_renewal_date is not null, contract_status, 'shareable', 'contracted', 'marts.fct_account_signals')::fact_row,
    row('opt_out_date', 'next opt-out deadline', null, strftime(next_opt_out_date, '%Y-%m-%d'), 'date', null, 'today', next_opt_out_date is not null, contract_status, 'shareable', 'contracted', 'marts.fct_account_signals')::fact_row,
    row('days_to_opt_out', 'days to the next opt-out deadline', days_to_opt_out, null, 'days', null, 'today', days_to_opt_out is not null, contract_status, 'internal', 'computed', 'marts.fct_account_signals')::fact_row,
    row('days_to_renewal', 'days to the next renewal', days_to_renewal, null, 'days', null, 'today', days_to_renewal is not null, contract_status, 'shareable', 'computed', 'marts.fct_account_signals')::fact_row,
    row('weekly_active_recent', 'weekly active users lately', recent_median, null, 'users', null, 'last four complete weeks', recent_median is not null, variance_status, 'shareable', 'computed', 'marts.fct_adoption_variance')::fact_row,
    row('weekly_active_prior', 'weekly active users before', prior_median, null, 'users', null, 'the eight weeks before', prior_median is not null, variance_status, 'shareable', 'computed', 'marts.fct_adoption_variance')::fact_row,
    row('drop_ratio', 'change of weekly active users', drop_ratio, null, 'ratio', null, 'last four weeks against the eight before', drop_ratio is not null, variance_status, 'internal', 'computed', 'marts.fct_adoption_variance')::fact_row,
    row('cv_robust', 'robust variation of weekly active users', cv_robust, null, 'ratio', null, 'last half year', cv_robust is not null, variance_status, 'internal', 'computed', 'marts.fct_adoption_variance')::fact_row,
    row('gap_days', 'longest run of business days without activity', gap_days, null, 'days', null, 'last quarter', gap_days is not null, usage_status, 'shareable', 'computed', 'marts.fct_adoption_variance')::fact_row,
    row('last_activity_date', 'day of the last activity', null, strftime(last_activity_date, '%Y-%m-%d'), 'date', null, 'today', last_activity_date is not null, usage_status, 'shareable', 'computed', 'base.int_accounts')::fact_row,
    row('tickets_28d', 'tickets opened in the last four weeks', tickets_28d, null, 'tickets', null, 'last four weeks', tickets_28d is not null, ticket_status, 'shareable', 'computed', 'marts.fct_ticket_load')::fact_row,
    row('tickets_open', 'tickets open now', tickets_open, null, 'tickets', null, 'today', tickets_open is not null, ticket_status, 'shareable', 'computed', 'marts.fct_ticket_load')::fact_row,
    row('ticket_rate', 'tickets per hundred seats in the last four weeks', ticket_rate, null, 'ratio', null, 'last four weeks', ticket_rate is not null, ticket_status, 'internal', 'computed', 'marts.fct_ticket_load')::fact_row,
    row('weighted_load', 'ticket load weighted by severity', weighted_load, null, 'count', null, 'last four weeks', weighted_load is not null, ticket_status, 'internal', 'computed', 'marts.fct_ticket_load')::fact_row,
    row('spike_p_value', 'probability of so many tickets at the usual rate', spike_p_value, null, 'probability', null, 'last four weeks', spike_p_value is not null, ticket_status, 'internal', 'computed', 'marts.fct_ticket_load')::fact_row,
    row('risk_score', 'lean risk score', lean_risk, null, 'ratio', null, 'today', lean_risk is not null, 'unknown', 'internal', 'computed', 'computed.account_scores')::fact_row,
    row('phase', 'lifecycle phase', phase, null, 'count', null, 'today', phase is not null, 'unknown', 'internal', 'computed', 'computed.account_state')::fact_row,
    row('phase_name', 'name of the lifecycle phase', null, phase_name, 'text', null, 'today', phase_name is not null, 'unknown', 'internal', 'computed', 'computed.account_state')::fact_row,
    row('blocking_requirement', 'requirement that blocks the next phase', null, blocking_requirement_id, 'text', null, 'today', blocking_requirement_id is not null, 'unknown', 'internal', 'computed', 'computed.account_state')::fact_row,
    row('csm_name', 'customer success manager', null, csm_name, 'text', null, 'today', csm_name is not null, 'unknown', 'shareable', 'computed', 'marts.fct_account_signals')::fact_row,
    row('tier', 'tier of the account', null, tier, 'text', null, 'today', tier is not null, 'unknown', 'internal', 'computed', 'marts.fct_account_signals')::fact_row,
    row('segment', 'segment of the account', null, segment, 'text', null, 'today', segment is not null, 'unknown', 'internal', 'computed', 'marts.fct_account_signals')::fact_row,
    row('weekly_active_change', 'change of weekly active users, up or down', abs(drop_ratio), null, 'ratio', null, 'last four weeks against the eight before', drop_ratio is not null, variance_status, 'shareable', 'computed', 'marts.fct_adoption_variance')::fact_row,
    row('escalations_90d', 'escalated tickets in the quarter', escalations_90d, null, 'tickets a quarter', null, 'last quarter', escalations_90d is not null, ticket_status, 'internal', 'computed', 'marts.fct_ticket_load')::fact_row,
    row('sla_breaches_90d', 'tickets answered too late in the quarter', sla_breaches_90d, null, 'tickets a quarter', null, 'last quarter', sla_breaches_90d is not null, sla_status, 'internal', 'computed', 'marts.fct_ticket_load')::fact_row
]) as f from fact_accounts
),
further as (
select account_key, unnest([
    row('champion_name', 'champion at the customer', null, coalesce(champion_name, case when has_no_champion then 'none' end), 'text', null, 'today', champion_name is not null or coalesce(has_no_champion, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__contacts', coalesce(champion_key, account_key))::further_row,
    row('sponsor_name', 'sponsor at the customer', null, coalesce(sponsor_name, case when has_no_sponsor then 'none' end), 'text', null, 'today', sponsor_name is not null or coalesce(has_no_sponsor, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__contacts', coalesce(sponsor_key, account_key))::further_row,
    row('economic_buyer_name', 'economic buyer at the customer', null, coalesce(economic_buyer_name, case when has_no_economic_buyer then 'none' end), 'text', null, 'today', economic_buyer_name is not null or coalesce(has_no_economic_buyer, false), 'unknown', 'internal', 'computed', 'base.stg_crm__contacts', coalesce(economic_buyer_key, account_key))::further_row,
    row('account_executive_name', 'account executive who sold', null, owner_name, 'text', null, 'today', owner_name is not null, 'unknown', 'shareable', 'computed', 'base.int_accounts', account_key)::further_row,
    row('contacts_active', 'people at the customer whom we know', contacts_active, null, 'people', null, 'today', contacts_active is not null, 'unknown', 'internal', 'computed', 'base.stg_crm__contacts', account_key)::further_row,
    row('pain_metric', 'metric of the goal that the customer named', null, coalesce(pain_metric, case when has_no_pain_metric then 'none' end), 'text', null, 'today', pain_metric is not null or coalesce(has_no_pain_metric, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(pain_key, account_key))::further_row,
    row('pain_baseline', 'baseline of the metric of the goal', pain_baseline, null, coalesce('value of ' || pain_metric, 'value'), null, 'today', pain_baseline is not null, 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(pain_key, account_key))::further_row,
    row('pain_target', 'target of the metric of the goal', pain_target, null, coalesce('value of ' || pain_metric, 'value'), null, 'today', pain_target is not null, 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(pain_key, account_key))::further_row,
    row('pain_due_on', 'day by which the goal is due', null, coalesce(strftime(pain_due_on, '%Y-%m-%d'), case when has_no_pain_date then 'none' end), 'date', null, 'today', pain_due_on is not null or coalesce(has_no_pain_date, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(pain_key, account_key))::further_row,
    row('pain_owner', 'person who answers for the goal', null, coalesce(pain_owner, case when has_no_pain_owner then 'none' end), 'text', null, 'today', pain_owner is not null or coalesce(has_no_pain_owner, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(pain_key, account_key))::further_row,
    row('psp_verdict', 'verdict of the psp diagnostic, and why', null, psp_verdict, 'text', null, 'today', psp_verdict is not null, 'unknown', 'internal', 'computed', 'base.int_psp_diagnostic', account_key)::further_row,
    row('handoff_missing', 'mandatory handoff fields that are missing', null, coalesce(handoff_missing, case when is_handoff_audited then 'none' end), 'text', null, 'today', handoff_missing is not null or coalesce(is_handoff_audited, false), 'unknown', 'internal', 'computed', 'computed.handoff_fields', account_key)::further_row,
    row('handoff_missing_count', 'count of mandatory handoff fields that are missing', handoff_missing_count, null, 'fields', null, 'today', handoff_missing_count is not null, 'unknown', 'internal', 'computed', 'computed.handoff_fields', account_key)::further_row,
    row('handoff_conflicting', 'mandatory handoff fields on which crm and papers differ, or the crm contradicts itself', null, coalesce(handoff_conflicting, case when is_handoff_audited then 'none' end), 'text', null, 'today', handoff_conflicting is not null or coalesce(is_handoff_audited, false), 'unknown', 'internal', 'computed', 'computed.handoff_fields', account_key)::further_row,
    row('handoff_rounds', 'requests for the handoff already sent', handoff_rounds, null, 'requests', null, 'today', handoff_rounds is not null, 'unknown', 'internal', 'computed', 'computed.handoff_audits', account_key)::further_row,
    row('fttv_due_on', 'day by which first value is due', null, coalesce(strftime(fttv_due_on, '%Y-%m-%d'), case when has_no_fttv_date then 'none' end), 'date', null, 'today', fttv_due_on is not null or coalesce(has_no_fttv_date, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(fttv_milestone_key, account_key))::further_row,
    row('fttv_reached_on', 'day of the first value milestone', null, coalesce(strftime(fttv_reached_on, '%Y-%m-%d'), case when is_fttv_fed then 'none' end), 'date', null, 'today', fttv_reached_on is not null or coalesce(is_fttv_fed, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(fttv_milestone_key, account_key))::further_row,
    row('kickoff_held_on', 'day of the kickoff', null, coalesce(strftime(kickoff_held_on, '%Y-%m-%d'), case when is_kickoff_meeting_fed then 'none' end), 'date', null, 'today', kickoff_held_on is not null or coalesce(is_kickoff_meeting_fed, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__meetings', coalesce(kickoff_meeting_key, account_key))::further_row,
    row('last_touchpoint_on', 'day of the last meeting with the customer', null, coalesce(strftime(last_touchpoint_on, '%Y-%m-%d'), case when is_touchpoint_fed then 'none' end), 'date', null, 'today', last_touchpoint_on is not null or coalesce(is_touchpoint_fed, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__meetings', coalesce(last_touchpoint_key, account_key))::further_row,
    row('next_touchpoint_on', 'day of the next meeting with the customer', null, coalesce(strftime(next_touchpoint_on, '%Y-%m-%d'), case when is_calendar_fed then 'none' end), 'date', null, 'today', next_touchpoint_on is not null or coalesce(is_calendar_fed, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__meetings', account_key)::further_row,
    row('users_trained', 'users who completed a training', users_trained, null, 'users', null, 'so far', users_trained is not null, 'unknown', 'shareable', 'computed', 'base.stg_crm__training_completions', account_key)::further_row,
    row('users_untrained', 'users with a seat and without a training', users_untrained, null, 'users', null, 'today', users_untrained is not null, 'unknown', 'shareable', 'computed', 'base.stg_product__license_assignments', account_key)::further_row,
    row('outcome_metric', 'metric of the last outcome that was measured', null, coalesce(outcome_metric, case when has_no_outcome then 'none' end), 'text', null, 'today', outcome_metric is not null or coalesce(has_no_outcome, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(outcome_key, account_key))::further_row,
    row('outcome_baseline', 'value of the outcome at the start', outcome_baseline, null, coalesce('value of ' || outcome_metric, 'value'), null, 'today', outcome_baseline is not null, 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(outcome_key, account_key))::further_row,
    row('outcome_measured', 'value of the outcome as measured', outcome_measured, null, coalesce('value of ' || outcome_metric, 'value'), null, 'today', outcome_measured is not null, 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(outcome_key, account_key))::further_row,
    row('outcome_target', 'target of the outcome', outcome_target, null, coalesce('value of ' || outcome_metric, 'value'), null, 'today', outcome_target is not null, 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(outcome_key, account_key))::further_row,
    row('outcome_measured_on', 'day of the last measurement', null, coalesce(strftime(outcome_measured_on, '%Y-%m-%d'), case when has_no_outcome then 'none' end), 'date', null, 'today', outcome_measured_on is not null or coalesce(has_no_outcome, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__milestones', coalesce(outcome_key, account_key))::further_row,
    row('ebr_held_on', 'day of the last executive business review', null, coalesce(strftime(ebr_held_on, '%Y-%m-%d'), case when is_ebr_fed then 'none' end), 'date', null, 'today', ebr_held_on is not null or coalesce(is_ebr_fed, false), 'unknown', 'shareable', 'computed', 'base.int_evidence_realization', coalesce(ebr_key, account_key))::further_row,
    row('ebr_planned_on', 'day of the next executive business review', null, coalesce(strftime(ebr_planned_on, '%Y-%m-%d'), case when is_ebr_plan_fed then 'none' end), 'date', null, 'today', ebr_planned_on is not null or coalesce(is_ebr_plan_fed, false), 'unknown', 'shareable', 'computed', 'base.int_evidence_realization', account_key)::further_row,
    row('renewal_open_amount', 'amount of the open renewal', renewal_open_amount, null, 'money', currency, 'today', renewal_open_amount is not null, 'unknown', 'internal', 'computed', 'base.stg_crm__opportunities', coalesce(renewal_open_key, account_key))::further_row,
    row('renewal_open_close_on', 'close date of the open renewal', null, coalesce(strftime(renewal_open_close_on, '%Y-%m-%d'), case when is_renewal_fed then 'none' end), 'date', null, 'today', renewal_open_close_on is not null or coalesce(is_renewal_fed, false), 'unknown', 'internal', 'computed', 'base.stg_crm__opportunities', coalesce(renewal_open_key, account_key))::further_row,
    row('notice_on', 'day on which notice was served', null, coalesce(strftime(notice_on, '%Y-%m-%d'), case when is_contract_known then 'none' end), 'date', null, 'today', notice_on is not null or coalesce(is_contract_known, false), 'unknown', 'shareable', 'computed', 'base.int_contract_cycles', account_key)::further_row,
    row('lost_on', 'day on which the account was lost', null, coalesce(strftime(lost_on, '%Y-%m-%d'), case when is_contract_known then 'none' end), 'date', null, 'today', lost_on is not null or coalesce(is_contract_known, false), 'unknown', 'internal', 'computed', 'base.int_contract_lines', account_key)::further_row,
    row('reference_consent_on', 'day on which the reference was agreed to', null, coalesce(strftime(reference_consent_on, '%Y-%m-%d'), case when is_reference_consent_fed then 'none' end), 'date', null, 'today', reference_consent_on is not null or coalesce(is_reference_consent_fed, false), 'unknown', 'shareable', 'computed', 'base.stg_crm__customer_references', coalesce(reference_consent_key, account_key))::further_row,
    row('tickets_28d_before', 'tickets opened in the four weeks before', tickets_28d_before, null, 'tickets', null, 'the four weeks before', tickets_28d_before is not null, tickets_before_status, 'shareable', 'computed', 'base.stg_support__tickets', account_key)::further_row,
    row('next_action', 'next best action', null, coalesce(next_action, case when is_queue_made then 'none' end), 'text', null, 'today', next_action is not null or coalesce(is_queue_made, false), 'unknown', 'internal', 'computed', 'computed.next_best_actions', coalesce(next_action_key, account_key))::further_row,
    row('next_action_due_on', 'day by which the next best action is due', null, coalesce(strftime(next_action_due_on, '%Y-%m-%d'), case when is_queue_made then 'none' end), 'date', null, 'today', next_action_due_on is not null or coalesce(is_queue_made, false), 'unknown', 'internal', 'computed', 'computed.next_best_actions', coalesce(next_action_key, account_key))::further_row,
    row('next_action_why', 'why it is the next best action', null, coalesce(next_action_why, case when is_queue_made then 'none' end), 'text', null, 'today', next_action_why is not null or coalesce(is_queue_made, false), 'unknown', 'internal', 'computed', 'computed.next_best_actions', coalesce(next_action_key, account_key))::further_row
]) as f from fact_further
),
every as (
select account_key, scope, source_key, f.metric, f.label, f.value_number, f.value_text, f.unit, f.currency, f.window_label, f.is_known, f.group_status, f.sensitivity, f.fact_class, f.source_table from facts
union all
select account_key, 'account', f.source_key, f.metric, f.label, f.value_number, f.value_text, f.unit, f.currency, f.window_label, f.is_known, f.group_status, f.sensitivity, f.fact_class, f.source_table from further
)
select account_key, d() as as_of_date, metric, scope, label, value_number, value_text, unit, currency, window_label,
    case when is_known then 'ok' when group_status in ('insufficient', 'stale') then group_status else 'unknown' end as status, sensitivity, fact_class, source_table, source_key
from every;
create table if not exists plain.fct_account_facts as from today limit 0;
delete from plain.fct_account_facts where as_of_date = d();
insert into plain.fct_account_facts by name from today;

-- The lifecycle's facts: evidence and states are folded in Python; both sides take them as given.
create or replace temp view today as
select r.account_key, d() as as_of_date, a.account_name, r.phase::bigint as phase, r.requirement_id, r.title, r.status, r.is_mandatory, r.who_is_chased, r.action, r.evidence, r.evidence_rows, r.rule_version
from computed.requirements as r left join accounts as a on r.account_key = a.account_key where r.as_of_date = d();
create table if not exists plain.fct_requirements as from today limit 0;
delete from plain.fct_requirements where as_of_date = d();
insert into plain.fct_requirements by name from today;
create or replace temp view today as
select s.account_key, d() as as_of_date, a.account_name, s.phase::bigint as phase, s.phase_name, s.entered_on, d() - s.entered_on as days_in_phase, s.blocking_requirement_id,
    r.title as blocking_requirement, r.status as blocking_status, r.who_is_chased, r.action, s.spine_phase::bigint as spine_phase, s.exception_phase::bigint as exception_phase, s.open_overlays, s.snoozed_until, s.disputed_facts, s.rule_version
from computed.account_state as s left join accounts as a on s.account_key = a.account_key
left join computed.requirements as r on r.as_of_date = d() and s.account_key = r.account_key and s.blocking_requirement_id = r.requirement_id
where s.as_of_date = d();
create table if not exists plain.fct_account_state as from today limit 0;
delete from plain.fct_account_state where as_of_date = d();
insert into plain.fct_account_state by name from today;
create or replace temp view today as
select t.account_key, d() as as_of_date, a.account_name, t.region, t.change, t.from_phase::bigint as from_phase, t.to_phase::bigint as to_phase, t.reason, t.evidence, t.rule_version
from computed.phase_transitions as t left join accounts as a on t.account_key = a.account_key where t.as_of_date = d();
create table if not exists plain.fct_phase_transitions as from today limit 0;
delete from plain.fct_phase_transitions where as_of_date = d();
insert into plain.fct_phase_transitions by name from today;
