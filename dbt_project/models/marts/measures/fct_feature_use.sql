with feature_use as (

    select * from {{ ref('int_feature_use') }}

),

final as (

    select
        feature_use.account_key,
        {{ as_of_date() }} as as_of_date,
        feature_use.product,
        feature_use.feature,
        feature_use.users_28d,
        feature_use.events_28d,
        feature_use.first_used_on,
        feature_use.last_used_on,
        feature_use.is_used_28d,
        feature_use.is_never_used,
        feature_use.status,
        feature_use.status_reason
    from feature_use

)

select * from final
