with accounts as (

    select * from {{ ref('int_account_usage') }}
    where usage_status in ('ok', 'insufficient') and account_started_on is not null

),

weeks as (

    {{ complete_weeks(53) }}

),

weekly as (

    select
        account_key,
        {{ iso_week_start('activity_date') }} as week_start,
        count(distinct user_key) as active_users,
        sum(events) as events
    from {{ ref('int_usage_daily') }}
    where
        known_date <= {{ as_of_date() }}
        and activity_date <= {{ as_of_date() }}
        and activity_date >= {{ last_complete_week(-52) }}
        and account_key is not null
    group by account_key, {{ iso_week_start('activity_date') }}

),

calendar_events as (

    select distinct week_start from {{ ref('calendar_events') }}

),

final as (

    select
        accounts.account_key,
        weeks.week_start,
        cast(coalesce(weekly.active_users, 0) as bigint) as active_users,
        cast(coalesce(weekly.events, 0) as bigint) as events,
        calendar_events.week_start is not null as is_known_event_week
    from accounts
    inner join weeks
        on
            accounts.account_started_on <= weeks.week_start
            and accounts.feed_started_on <= weeks.week_start
    left join weekly
        on accounts.account_key = weekly.account_key and weeks.week_start = weekly.week_start
    left join calendar_events on weeks.week_start = calendar_events.week_start
    where weeks.weeks_ago <= {{ threshold('account_weeks') }}

)

select * from final
