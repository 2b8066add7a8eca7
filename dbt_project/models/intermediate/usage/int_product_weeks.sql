with pools as (

    select distinct
        account_key,
        product
    from {{ ref('int_contract_lines') }}
    where is_active

),

accounts as (

    select * from {{ ref('int_account_usage') }}
    where usage_status in ('ok', 'insufficient')

),

weeks as (

    select * from ({{ complete_weeks(53) }}) as complete_weeks
    where weeks_ago <= {{ threshold('usage_weeks') }}

),

weekly as (

    select
        usage_weeks.account_key,
        usage_weeks.product,
        usage_weeks.week_start,
        sum(usage_weeks.users_delta) as active_users
    from {{ ref('int_usage_weeks') }} as usage_weeks
    inner join weeks on usage_weeks.week_start = weeks.week_start
    where usage_weeks.scope = 'product' and usage_weeks.counts_from <= {{ as_of_date() }}
    group by usage_weeks.account_key, usage_weeks.product, usage_weeks.week_start

),

line_terms as (

    select
        account_key,
        product,
        contract_line_key,
        start_date,
        max(coalesce(end_date, cast('9999-12-31' as date))) over (
            partition by account_key, product
            order by start_date, contract_line_key
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from {{ ref('int_contract_lines') }}
    where line_status = 'ok' and contract_status <> 'draft' and start_date <= {{ as_of_date() }}

),

coverage as (

    select
        account_key,
        product,
        max(start_date) as coverage_started_on
    from line_terms
    where covered_until is null or {{ days_between('covered_until', 'start_date') }} > {{ threshold('coverage_break_days') }}
    group by account_key, product

),

final as (

    select
        pools.account_key,
        pools.product,
        weeks.week_start,
        cast(coalesce(weekly.active_users, 0) as bigint) as active_users,
        weeks.week_start >= coverage.coverage_started_on and weeks.week_start >= accounts.feed_started_on as is_covered,
        coverage.coverage_started_on
    from pools
    inner join accounts on pools.account_key = accounts.account_key
    inner join coverage on pools.account_key = coverage.account_key and pools.product = coverage.product
    cross join weeks
    left join weekly
        on
            pools.account_key = weekly.account_key
            and pools.product = weekly.product
            and weeks.week_start = weekly.week_start

)

select * from final
