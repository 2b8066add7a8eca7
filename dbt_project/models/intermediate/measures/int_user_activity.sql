{#-
    Who worked in the last 28 days, how often and with what: the one pass over the telemetry of the window that stickiness,
    concentration and depth share. A day counts once per person, whatever the number of products and features.
-#}
with value_features as (

    select
        product,
        feature
    from {{ ref('product_features') }}
    where is_value_feature

),

days as (

    select
        usage_daily.account_key,
        usage_daily.user_key,
        {{ days_between('usage_daily.activity_date', as_of_date()) }} as days_ago,
        sum(usage_daily.events) as events,
        sum(case when value_features.feature is not null then usage_daily.events else 0 end) as core_events
    from {{ ref('int_usage_daily') }} as usage_daily
    left join value_features
        on usage_daily.product = value_features.product and usage_daily.feature = value_features.feature
    where
        usage_daily.known_date <= {{ as_of_date() }}
        and usage_daily.activity_date <= {{ as_of_date() }}
        and usage_daily.activity_date > {{ days_after(as_of_date(), '-' ~ threshold('active_days')) }}
        and usage_daily.account_key is not null
        and usage_daily.user_key is not null
    group by usage_daily.account_key, usage_daily.user_key, usage_daily.activity_date

),

final as (

    select
        account_key,
        user_key,
        cast(count(*) as bigint) as active_days,
        cast(
            max(case when days_ago between 0 and 6 then 1 else 0 end)
            + max(case when days_ago between 7 and 13 then 1 else 0 end)
            + max(case when days_ago between 14 and 20 then 1 else 0 end)
            + max(case when days_ago between 21 and 27 then 1 else 0 end)
        as bigint) as active_weeks,
        cast(sum(events) as bigint) as events,
        cast(sum(core_events) as bigint) as core_events,
        {{ days_after(as_of_date(), '-min(days_ago)') }} as last_active_on
    from days
    group by account_key, user_key

)

select * from final
