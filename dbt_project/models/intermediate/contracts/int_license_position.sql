with lines as (

    select * from {{ ref('int_contract_lines') }}
    where is_active

),

pools as (

    select
        account_key,
        product,
        cast(sum(seats) as bigint) as seats_contracted
    from lines
    group by account_key, product

),

account_usage as (

    select * from {{ ref('int_account_usage') }}

),

active as (

    select
        account_key,
        product,
        count(distinct user_key) as active_users
    from {{ ref('int_usage_daily') }}
    where
        account_key is not null
        and known_date <= {{ as_of_date() }}
        and activity_date <= {{ as_of_date() }}
        and activity_date > {{ days_after(as_of_date(), '-' ~ threshold('active_days')) }}
    group by account_key, product

),

observable_products as (

    select product from {{ ref('int_usage_products') }}
    where counts_from <= {{ as_of_date() }}

    union

    select distinct product from {{ ref('product_features') }}

),

high_water as (

    select
        account_key,
        product,
        max(coverage_started_on) as coverage_started_on,
        cast(sum(case when is_covered then 1 else 0 end) as bigint) as weeks_covered,
        cast({{ percentile('case when is_covered then active_users end', 0.95) }} as decimal(18, 4)) as p95_weekly_active
    from {{ ref('int_product_weeks') }}
    group by account_key, product

),

joined as (

    select
        pools.account_key,
        pools.product,
        pools.seats_contracted,
        case
            when account_usage.usage_status is null then 'account is not in the CRM'
            when account_usage.usage_status in ('unknown', 'stale') then account_usage.usage_reason
            when observable_products.product is null then 'product is not in the telemetry'
        end as unknown_reason,
        {{ days_between('high_water.coverage_started_on', as_of_date()) }} as contract_age_days,
        case
            when {{ days_between('high_water.coverage_started_on', as_of_date()) }} < {{ threshold('new_account_days') }} then 'new contract'
            when account_usage.usage_reason = 'telemetry is too young' then account_usage.usage_reason
            when high_water.weeks_covered < {{ threshold('usage_weeks_min') }} then 'too few complete weeks'
        end as insufficient_reason,
        cast(coalesce(active.active_users, 0) as bigint) as active_users_28d,
        high_water.weeks_covered,
        high_water.p95_weekly_active
    from pools
    left join account_usage on pools.account_key = account_usage.account_key
    left join observable_products on pools.product = observable_products.product
    left join high_water on pools.account_key = high_water.account_key and pools.product = high_water.product
    left join active on pools.account_key = active.account_key and pools.product = active.product

),

-- A pool without seats has nothing to waste, whether or not its use can be seen.
judged as (

    select
        joined.*,
        case
            when joined.unknown_reason is not null then 'unknown'
            when joined.insufficient_reason is not null then 'insufficient'
            else 'ok'
        end as status,
        coalesce(joined.unknown_reason, joined.insufficient_reason) as status_reason
    from joined

),

wilson as (

    select
        judged.*,
        cast(
            {{ wilson_bound(lesser('judged.p95_weekly_active', 'judged.seats_contracted'), 'judged.seats_contracted', '-') }}
            * judged.seats_contracted as decimal(18, 4)
        ) as p95_low,
        cast(
            {{ wilson_bound(lesser('judged.p95_weekly_active', 'judged.seats_contracted'), 'judged.seats_contracted', '+') }}
            * judged.seats_contracted as decimal(18, 4)
        ) as p95_high
    from judged

),

final as (

    select
        wilson.account_key,
        wilson.product,
        wilson.seats_contracted,
        case when wilson.status <> 'unknown' then wilson.active_users_28d end as active_users_28d,
        case when wilson.status = 'ok' then wilson.p95_weekly_active end as p95_weekly_active,
        case when wilson.status <> 'unknown' then {{ safe_divide('wilson.active_users_28d', 'wilson.seats_contracted') }} end as utilization_28d,
        case
            when wilson.status <> 'unknown' then {{ at_least_zero('wilson.seats_contracted - wilson.active_users_28d') }}
        end as unused_now,
        case
            when wilson.status = 'ok'
                then {{ at_least_zero('wilson.seats_contracted - ' ~ exact_ceil('(1 + ' ~ threshold('headroom') ~ ')', 'wilson.p95_weekly_active')) }}
        end as shelfware_seats,
        case
            when wilson.status = 'ok' and wilson.p95_weekly_active >= wilson.seats_contracted then 0
            when wilson.status = 'ok'
                then {{ at_least_zero('wilson.seats_contracted - ' ~ exact_ceil('(1 + ' ~ threshold('headroom_high') ~ ')', 'wilson.p95_high')) }}
        end as shelfware_low,
        case
            when wilson.status = 'ok' and wilson.p95_weekly_active >= wilson.seats_contracted then 0
            when wilson.status = 'ok'
                then {{ at_least_zero('wilson.seats_contracted - ' ~ exact_ceil('(1 + ' ~ threshold('headroom_low') ~ ')', 'wilson.p95_low')) }}
        end as shelfware_high,
        wilson.weeks_covered,
        wilson.contract_age_days,
        wilson.status,
        wilson.status_reason
    from wilson

)

select * from final
