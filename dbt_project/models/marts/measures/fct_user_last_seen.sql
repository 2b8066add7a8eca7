{#-
    Accounts too small for a verdict on their rhythm: who has a seat, and when each was last seen (METRICS.md section 3.7). Only these
    accounts' telemetry of the last 90 days is read.
-#}
with accounts as (

    select
        account_key,
        account_name,
        seats_contracted
    from {{ ref('int_accounts') }}
    where usage_status in ('ok', 'insufficient') and seats_contracted < {{ threshold('small_account_seats') }}

),

seen as (

    select
        usage_daily.account_key,
        usage_daily.user_key,
        max(usage_daily.activity_date) as last_seen_on
    from {{ ref('int_usage_daily') }} as usage_daily
    inner join accounts on usage_daily.account_key = accounts.account_key
    where
        usage_daily.known_date <= {{ as_of_date() }}
        and usage_daily.activity_date <= {{ as_of_date() }}
        and usage_daily.activity_date > {{ days_after(as_of_date(), '-' ~ threshold('gap_window_days')) }}
        and usage_daily.user_key is not null
    group by usage_daily.account_key, usage_daily.user_key

),

seated as (

    select distinct
        assignments.account_key,
        assignments.user_key
    from {{ ref('stg_product__license_assignments') }} as assignments
    inner join accounts on assignments.account_key = accounts.account_key
    where assignments.assigned_at < {{ as_of_end() }} and coalesce(assignments.revoked_at >= {{ as_of_end() }}, true)

),

users as (

    select
        account_key,
        user_key
    from seen

    union

    select
        account_key,
        user_key
    from seated

),

recent as (

    select * from {{ ref('int_user_activity') }}

),

final as (

    select
        users.account_key,
        {{ as_of_date() }} as as_of_date,
        users.user_key,
        accounts.account_name,
        accounts.seats_contracted,
        case when {{ is_fed('license_assignment') }} then seated.user_key is not null end as has_seat,
        seen.last_seen_on,
        {{ days_between('seen.last_seen_on', as_of_date()) }} as days_since_seen,
        coalesce(recent.active_days, 0) as active_days_28d,
        coalesce(recent.events, 0) as events_28d,
        coalesce(recent.core_events, 0) as core_events_28d,
        seen.last_seen_on is not null as is_seen_90d
    from users
    inner join accounts on users.account_key = accounts.account_key
    left join seen on users.account_key = seen.account_key and users.user_key = seen.user_key
    left join seated on users.account_key = seated.account_key and users.user_key = seated.user_key
    left join recent on users.account_key = recent.account_key and users.user_key = recent.user_key

)

select * from final
