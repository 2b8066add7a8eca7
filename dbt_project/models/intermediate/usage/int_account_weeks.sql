with accounts as (

    select * from {{ ref('int_account_usage') }}
    where usage_status in ('ok', 'insufficient') and account_started_on is not null

),

weeks as (

    select * from ({{ complete_weeks(53) }}) as complete_weeks
    where weeks_ago <= {{ threshold('account_weeks') }}

),

weekly as (

    select
        usage_weeks.account_key,
        usage_weeks.week_start,
        sum(usage_weeks.users_delta) as active_users,
        sum(usage_weeks.events) as events
    from {{ ref('int_usage_weeks') }} as usage_weeks
    inner join weeks on usage_weeks.week_start = weeks.week_start
    where usage_weeks.scope = 'account' and usage_weeks.counts_from <= {{ as_of_date() }}
    group by usage_weeks.account_key, usage_weeks.week_start

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

)

select * from final
