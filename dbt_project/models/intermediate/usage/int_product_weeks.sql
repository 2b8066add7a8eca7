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

    {{ complete_weeks(53) }}

),

weekly as (

    select
        account_key,
        product,
        {{ iso_week_start('activity_date') }} as week_start,
        count(distinct user_key) as active_users
    from {{ ref('int_usage_daily') }}
    where
        known_date <= {{ as_of_date() }}
        and activity_date <= {{ as_of_date() }}
        and activity_date >= {{ last_complete_week(-52) }}
        and account_key is not null
    group by account_key, product, {{ iso_week_start('activity_date') }}

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
    where weeks.weeks_ago <= {{ threshold('usage_weeks') }}

)

select * from final
