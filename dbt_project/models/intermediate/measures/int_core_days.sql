{#-
    Core actions (events of value features) per account and day since the Monday of the thirteenth complete week: what the core gap, the
    Fano factor and burstiness are counted from. A day without a row had no event at all.
-#}
with value_features as (

    select
        product,
        feature
    from {{ ref('product_features') }}
    where is_value_feature

),

final as (

    select
        usage_daily.account_key,
        usage_daily.activity_date,
        cast(sum(usage_daily.events) as bigint) as core_events
    from {{ ref('int_usage_daily') }} as usage_daily
    inner join value_features
        on usage_daily.product = value_features.product and usage_daily.feature = value_features.feature
    where
        usage_daily.known_date <= {{ as_of_date() }}
        and usage_daily.activity_date <= {{ as_of_date() }}
        and usage_daily.activity_date >= {{ last_complete_week(-12) }}
        and usage_daily.account_key is not null
    group by usage_daily.account_key, usage_daily.activity_date

)

select * from final
