{#-
    How widely, how often and by how many an account uses what it pays for. Concentration is over contracted seats with the empty ones as
    zeros; with more users than seats, over the users. Gini of N values that are x_1 >= x_2 >= .. : ((N + 1) S - 2 sum(r x_r)) / (N S).
-#}
with accounts as (

    select * from {{ ref('int_accounts') }}

),

user_activity as (

    select * from {{ ref('int_user_activity') }}

),

ranked as (

    select
        user_activity.*,
        row_number() over (partition by user_activity.account_key order by user_activity.core_events desc nulls last, user_activity.user_key) as user_rank
    from user_activity

),

by_account as (

    select
        account_key,
        cast(count(*) as bigint) as active_users,
        cast(sum(active_days) as bigint) as user_days,
        cast(sum(active_weeks) as bigint) as user_weeks,
        cast(sum(core_events) as bigint) as core_events,
        cast(sum(case when core_events > 0 then 1 else 0 end) as bigint) as core_users,
        cast(sum(core_events * user_rank) as double) as ranked_core_events,
        cast(sum(case when user_rank = 1 then core_events else 0 end) as bigint) as top1_core_events,
        cast(sum(case when user_rank <= 3 then core_events else 0 end) as bigint) as top3_core_events
    from ranked
    group by account_key

),

features as (

    select
        account_key,
        cast(count(*) as bigint) as entitled_features,
        cast(sum(case when is_used_28d then 1 else 0 end) as bigint) as used_features,
        cast(sum(case when is_never_used then 1 else 0 end) as bigint) as never_used_features,
        {{ any_true("status = 'unknown'") }} as has_unknown
    from {{ ref('int_feature_use') }}
    group by account_key

),

joined as (

    select
        accounts.account_key,
        coalesce(accounts.segment, 'unknown') as segment,
        case
            when accounts.contract_age_days is null then 'unknown'
            when accounts.contract_age_days < 180 then 'under 6 months'
            when accounts.contract_age_days < 365 then '6 to 12 months'
            else 'over a year'
        end as age_cohort,
        accounts.seats_contracted,
        case
            when accounts.usage_status in ('unknown', 'stale') then accounts.usage_status
            when features.entitled_features is null or features.has_unknown then 'unknown'
            else accounts.usage_status
        end as core_status,
        case
            when accounts.usage_status in ('unknown', 'stale') then accounts.usage_reason
            when features.entitled_features is null then 'no value feature is listed for the contracted products'
            when features.has_unknown then 'product is not in the telemetry'
            else accounts.usage_reason
        end as core_reason,
        accounts.usage_status,
        coalesce(by_account.active_users, 0) as active_users,
        coalesce(by_account.user_days, 0) as user_days,
        coalesce(by_account.user_weeks, 0) as user_weeks,
        coalesce(by_account.core_events, 0) as core_events,
        coalesce(by_account.core_users, 0) as core_users,
        coalesce(by_account.ranked_core_events, 0) as ranked_core_events,
        coalesce(by_account.top1_core_events, 0) as top1_core_events,
        coalesce(by_account.top3_core_events, 0) as top3_core_events,
        features.entitled_features,
        case when not features.has_unknown then features.used_features end as used_features,
        case when not features.has_unknown then features.never_used_features end as never_used_features
    from accounts
    left join by_account on accounts.account_key = by_account.account_key
    left join features on accounts.account_key = features.account_key

),

counted as (

    select
        joined.*,
        case when joined.core_status in ('ok', 'insufficient') then {{ safe_divide('joined.core_events', 'joined.active_users') }} end as core_events_per_user,
        case
            when joined.seats_contracted is null then null
            when joined.seats_contracted < joined.active_users then joined.active_users
            else joined.seats_contracted
        end as concentration_seats
    from joined

),

peers as (

    select
        segment,
        age_cohort,
        cast(count(core_events_per_user) as bigint) as peer_accounts,
        {{ percentile('core_events_per_user', 0.5) }} as peer_core_events_per_user
    from counted
    where core_status = 'ok'
    group by segment, age_cohort

),

rhythm as (

    select * from {{ ref('int_account_rhythm') }}

),

-- The fano factor of an account says something only beside that of its segment.
segment_rhythm as (

    select
        counted.segment,
        cast(count(rhythm.fano) as bigint) as fano_accounts,
        {{ percentile('rhythm.fano', 0.5) }} as segment_fano
    from counted
    inner join rhythm on counted.account_key = rhythm.account_key
    where counted.core_status = 'ok'
    group by counted.segment

),

final as (

    select
        counted.account_key,
        counted.segment,
        counted.age_cohort,
        counted.core_status,
        counted.core_reason,
        counted.active_users,
        counted.user_days,
        counted.user_weeks,
        counted.core_events,
        counted.core_users,
        counted.top1_core_events,
        counted.top3_core_events,
        counted.concentration_seats,
        counted.entitled_features,
        counted.used_features,
        counted.never_used_features,
        {{ safe_divide('counted.used_features', 'counted.entitled_features') }} as feature_breadth,
        {{ safe_divide('counted.user_days', threshold('active_days') ~ ' * counted.active_users') }} as stickiness_dau_mau,
        {{ safe_divide('counted.user_weeks', threshold('active_days') ~ ' / 7 * counted.active_users') }} as stickiness_wau_mau,
        case
            when counted.core_events > 0
                then {{ safe_divide(
                    '(counted.concentration_seats + 1) * counted.core_events - 2 * counted.ranked_core_events',
                    'counted.concentration_seats * counted.core_events'
                ) }}
        end as concentration_gini,
        {{ safe_divide('counted.top1_core_events', 'counted.core_events') }} as top1_share,
        {{ safe_divide('counted.top3_core_events', 'counted.core_events') }} as top3_share,
        counted.core_events_per_user,
        coalesce(peers.peer_accounts, 0) as peer_accounts,
        peers.peer_core_events_per_user,
        case
            when peers.peer_accounts >= {{ threshold('peer_accounts_min') }}
                then {{ safe_divide('counted.core_events_per_user', 'peers.peer_core_events_per_user') }}
        end as feature_depth,
        rhythm.core_gap_days,
        coalesce(rhythm.core_weeks, 0) as core_weeks,
        rhythm.core_weekly_mean,
        rhythm.core_weekly_variance,
        rhythm.fano,
        segment_rhythm.segment_fano,
        case
            when segment_rhythm.fano_accounts >= {{ threshold('peer_accounts_min') }}
                then {{ safe_divide('rhythm.fano', 'segment_rhythm.segment_fano') }}
        end as fano_vs_segment,
        coalesce(rhythm.core_events_90d, 0) as core_events_90d,
        coalesce(rhythm.core_days_90d, 0) as core_days_90d,
        rhythm.burstiness,
        rhythm.burstiness_days
    from counted
    left join peers on counted.segment = peers.segment and counted.age_cohort = peers.age_cohort
    left join rhythm on counted.account_key = rhythm.account_key
    left join segment_rhythm on counted.segment = segment_rhythm.segment

)

select * from final
