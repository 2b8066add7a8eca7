{#-
    What is known of each account's use, and whether it can be believed: the one place that tells "nobody works with it" from "we
    cannot see". Every other model takes the status from here.
-#}
with accounts as (

    select
        account_key,
        hold_reason
    from {{ ref('stg_crm__accounts') }}

),

known_days as (

    select *
    from {{ ref('int_usage_days') }}
    where known_date <= {{ as_of_date() }} and activity_date <= {{ as_of_date() }}

),

feed as (

    select
        {{ is_fed('usage_event') }} as is_fed,
        min(activity_date) as feed_started_on,
        max(activity_date) as feed_ended_on
    from known_days

),

first_contracts as (

    select
        account_key,
        min(start_date) as first_contract_start
    from {{ ref('int_contract_lines') }}
    where line_status = 'ok' and contract_status <> 'draft' and start_date <= {{ as_of_date() }}
    group by account_key

),

usage_by_account as (

    select
        account_key,
        min(activity_date) as first_activity_date,
        max(activity_date) as last_activity_date,
        cast(sum(named_rows) as bigint) as named_rows
    from known_days
    where account_key is not null
    group by account_key

),

active as (

    select
        account_key,
        cast(count(*) as bigint) as active_users_28d
    from {{ ref('int_user_activity') }}
    group by account_key

),

joined as (

    select
        accounts.account_key,
        first_contracts.first_contract_start,
        usage_by_account.first_activity_date,
        usage_by_account.last_activity_date,
        {{ days_between('first_contracts.first_contract_start', as_of_date()) }} as contract_age_days,
        feed.feed_started_on,
        feed.feed_ended_on,
        coalesce(active.active_users_28d, 0) as active_users_28d,
        case
            when accounts.hold_reason is not null then accounts.hold_reason
            when not feed.is_fed then 'telemetry is not fed'
            when feed.feed_ended_on is null then 'no telemetry yet'
            when usage_by_account.named_rows = 0 then 'events name no users'
        end as unknown_reason,
        {{ days_between('feed.feed_ended_on', as_of_date()) }} >= {{ threshold('usage_stale_days') }} as is_stale,
        case
            when {{ days_between('first_contracts.first_contract_start', as_of_date()) }} < {{ threshold('new_account_days') }} then 'new contract'
            when {{ days_between('feed.feed_started_on', as_of_date()) }} + 1 < {{ threshold('active_days') }} then 'telemetry is too young'
        end as insufficient_reason
    from accounts
    cross join feed
    left join first_contracts on accounts.account_key = first_contracts.account_key
    left join usage_by_account on accounts.account_key = usage_by_account.account_key
    left join active on accounts.account_key = active.account_key

),

judged as (

    select
        joined.*,
        case
            when joined.unknown_reason is not null then 'unknown'
            when joined.is_stale then 'stale'
            when joined.insufficient_reason is not null then 'insufficient'
            else 'ok'
        end as usage_status,
        case
            when joined.unknown_reason is not null then joined.unknown_reason
            when joined.is_stale then 'telemetry has stopped'
            else joined.insufficient_reason
        end as usage_reason,
        case
            when joined.first_contract_start is null then joined.first_activity_date
            when joined.first_activity_date is null then joined.first_contract_start
            when joined.first_activity_date < joined.first_contract_start then joined.first_activity_date
            else joined.first_contract_start
        end as account_started_on
    from joined

),

recent_days as (

    {{ recent_days(200) }}

),

calendar as (

    select
        recent_days.calendar_date,
        cast(sum(case
            when recent_days.days_ago >= {{ threshold('gap_window_days') }} then 0
            when {{ iso_weekday('recent_days.calendar_date') }} > 5 then 0
            when calendar_events.week_start is not null then 0
            else 1
        end) over (order by recent_days.calendar_date rows between unbounded preceding and current row) as bigint) as business_days
    from recent_days
    left join {{ ref('calendar_events') }} as calendar_events
        on {{ iso_week_start('recent_days.calendar_date') }} = calendar_events.week_start

),

window_edges as (

    select
        judged.account_key,
        case
            when judged.account_started_on > {{ days_after(as_of_date(), '-' ~ threshold('gap_window_days')) }}
                then {{ days_after('judged.account_started_on', -1) }}
            else {{ days_after(as_of_date(), '-' ~ threshold('gap_window_days')) }}
        end as window_opens_after
    from judged

),

marks as (

    select
        account_key,
        window_opens_after as mark_date
    from window_edges

    union

    select
        known_days.account_key,
        known_days.activity_date as mark_date
    from known_days
    inner join window_edges on known_days.account_key = window_edges.account_key
    where
        known_days.activity_date > window_edges.window_opens_after
        and known_days.activity_date > {{ days_after(as_of_date(), '-' ~ threshold('gap_window_days')) }}

    union

    select
        account_key,
        {{ as_of_date(1) }} as mark_date
    from window_edges

),

runs as (

    select
        marks.account_key,
        marks.mark_date,
        lag(marks.mark_date) over (partition by marks.account_key order by marks.mark_date) as previous_mark
    from marks

),

gaps as (

    select
        runs.account_key,
        max(last_silent_day.business_days - last_active_day.business_days) as gap_days
    from runs
    inner join calendar as last_silent_day on {{ days_after('runs.mark_date', -1) }} = last_silent_day.calendar_date
    inner join calendar as last_active_day on runs.previous_mark = last_active_day.calendar_date
    group by runs.account_key

),

final as (

    select
        judged.account_key,
        judged.first_contract_start,
        judged.contract_age_days,
        judged.account_started_on,
        judged.first_activity_date,
        judged.last_activity_date,
        judged.feed_started_on,
        judged.feed_ended_on,
        case when judged.usage_status in ('ok', 'insufficient') then judged.active_users_28d end as active_users_28d,
        case when judged.usage_status in ('ok', 'insufficient') then gaps.gap_days end as gap_days,
        judged.usage_status,
        judged.usage_reason
    from judged
    left join gaps on judged.account_key = gaps.account_key

)

select * from final
