-- What the night must at least compute, as plain DuckDB SQL over the sandbox's Parquet files: no versions, no gates, no contracts, no tests,
-- no facts, no drafts. Same definitions as METRICS.md; benchmarks/nightly.py checks that the seats and the money equal the marts'.
create temp table usage_daily as
with first_arrival as (
    select event_id, account_key, user_key, product, feature, occurred_at
    from read_parquet('{telemetry}')
    where recorded_at < date '{as_of}' + 1 and occurred_at < date '{as_of}' + 1 and occurred_at <= recorded_at + interval 1 day
    qualify row_number() over (partition by event_id order by recorded_at) = 1
)
select account_key, user_key, product, feature, occurred_at::date as activity_date, count(*) as events from first_arrival group by all;

create temp table lines as
with versions as (
    select * from read_parquet('{source}/contract_lines.parquet') where modified_at < date '{as_of}' + 1
    qualify row_number() over (partition by contract_line_key order by modified_at desc) = 1
)
select *, end_date - coalesce(notice_days, 0)::integer as opt_out_date from versions
where start_date <= date '{as_of}' and (end_date is null or end_date >= date '{as_of}') and coalesce(status, 'active') = 'active' and (end_date is null or end_date >= start_date);

create temp table weeks as
select date '{as_of}' - (dayofweek(date '{as_of}') + 6)::integer % 7 - 7 * n::integer as week_start from range(0, 27) as t(n)
where date '{as_of}' - (dayofweek(date '{as_of}') + 6)::integer % 7 - 7 * n::integer + 6 <= date '{as_of}';

create temp table product_weeks as
select pools.account_key, pools.product, weeks.week_start, count(distinct usage_daily.user_key) as active_users
from (select account_key, product, min(start_date) as started from lines group by all) as pools
cross join (select week_start from weeks order by week_start desc limit 13) as weeks
left join usage_daily on usage_daily.account_key = pools.account_key and usage_daily.product = pools.product
    and usage_daily.activity_date between weeks.week_start and weeks.week_start + 6
where weeks.week_start >= pools.started
group by all;

create temp table positions as
with active as (
    select account_key, product, count(distinct user_key) as active_28d from usage_daily
    where activity_date > date '{as_of}' - 28 and account_key is not null group by all
),
p95 as (select account_key, product, count(*) as n_weeks, quantile_cont(active_users, 0.95) as p95 from product_weeks group by all),
pools as (select account_key, product, sum(seats) as seats from lines group by all)
select pools.*, coalesce(active.active_28d, 0) as active_28d, p95.p95, p95.n_weeks,
    greatest(0, seats - coalesce(active.active_28d, 0)) as unused,
    case when p95.n_weeks >= 4 then greatest(0, seats - ceil(round((p95.p95 * 1.1)::decimal(18, 6), 6))) end as shelfware
from pools left join active using (account_key, product) left join p95 using (account_key, product);

create temp table waste as
with charged as (
    select lines.*, positions.unused, positions.shelfware,
        sum(lines.seats) over (partition by lines.account_key, lines.product order by opt_out_date nulls last, contract_line_key) - lines.seats as before
    from lines join positions using (account_key, product)
)
select account_key, contract_line_key, least(seats, greatest(0, unused - before)) as unused_seats, least(seats, greatest(0, shelfware - before)) as shelfware_seats,
    least(seats, greatest(0, unused - before)) * net_unit_price_annual as unused_value, least(seats, greatest(0, shelfware - before)) * net_unit_price_annual as waste_annual
from charged;

create temp table account_weeks as
select accounts.account_key, weeks.week_start, datediff('week', date '2000-01-03', weeks.week_start) as x, count(distinct usage_daily.user_key) as y
from (select distinct account_key from lines) as accounts cross join weeks
left join usage_daily on usage_daily.account_key = accounts.account_key and usage_daily.activity_date between weeks.week_start and weeks.week_start + 6
group by all;

create temp table mura as
with slopes as (
    select a.account_key, median((b.y - a.y) / (b.x - a.x)) as slope from account_weeks as a join account_weeks as b on a.account_key = b.account_key and a.x < b.x group by all
),
detrended as (select account_weeks.account_key, y, y - slope * (x - avg(x) over (partition by account_key)) as r from account_weeks join slopes using (account_key)),
medians as (select account_key, median(r) as middle from detrended group by all)
select detrended.account_key, stddev_samp(r) / nullif(avg(r), 0) as cv, 1.4826 * median(abs(r - middle)) / greatest(any_value(middle), 1) as cv_robust, var_samp(r) as variance
from detrended join medians using (account_key) group by all;

create temp table muri as
with versions as (
    select * from read_parquet('{source}/tickets.parquet') where modified_at < date '{as_of}' + 1
    qualify row_number() over (partition by ticket_key order by modified_at desc) = 1
)
select account_key, count(*) filter (opened_at >= date '{as_of}' - 27) as tickets_28d, count(*) filter (opened_at >= date '{as_of}' - 195 and opened_at < date '{as_of}' - 27) as baseline,
    count(*) filter (status not in ('solved', 'closed', 'deleted')) as tickets_open
from versions where status <> 'deleted' group by all;

select (select sum(unused_seats) from waste) as unused_seats, (select sum(shelfware_seats) from waste) as shelfware_seats, (select count(*) from mura) as mura_rows,
    (select count(*) from muri) as muri_rows, (select sum(events) from usage_daily) as events;
