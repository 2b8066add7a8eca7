{#-
    How evenly core actions are spread over days and weeks. Core gap: as gap_days, but a day counts only if a value feature was used.
    Burstiness: Kim and Jo, Physical Review E 94, 032311, A_m(r) with m inter-event times and r = their standard deviation over their mean.
    Times are known to the day: events of one day are 0 days apart. With N events on k days, span s and gaps g between active days,
    r^2 = (N - 1) * sum(g^2) / s^2 - 1, so no event has to be read one by one.
-#}
with accounts as (

    select * from {{ ref('int_account_usage') }}
    where usage_status in ('ok', 'insufficient') and account_started_on is not null

),

core_days as (

    select * from {{ ref('int_core_days') }}

),

calendar_events as (

    select distinct week_start from {{ ref('calendar_events') }}

),

recent_days as (

    {{ recent_days(199) }}

),

calendar as (

    select
        recent_days.calendar_date,
        cast(sum(case
            when {{ iso_weekday('recent_days.calendar_date') }} > 5 then 0
            when calendar_events.week_start is not null then 0
            else 1
        end) over (order by recent_days.calendar_date rows between unbounded preceding and current row) as bigint) as business_days
    from recent_days
    left join calendar_events on {{ iso_week_start('recent_days.calendar_date') }} = calendar_events.week_start

),

window_edges as (

    select
        account_key,
        case
            when account_started_on > {{ days_after(as_of_date(), '-' ~ threshold('gap_window_days')) }} then {{ days_after('account_started_on', -1) }}
            else {{ days_after(as_of_date(), '-' ~ threshold('gap_window_days')) }}
        end as window_opens_after
    from accounts

),

marks as (

    select
        account_key,
        window_opens_after as mark_date
    from window_edges

    union all

    select
        core_days.account_key,
        core_days.activity_date as mark_date
    from core_days
    inner join window_edges on core_days.account_key = window_edges.account_key
    where core_days.activity_date > window_edges.window_opens_after

    union all

    select
        account_key,
        {{ as_of_date(1) }} as mark_date
    from window_edges

),

silences as (

    select
        account_key,
        mark_date,
        lag(mark_date) over (partition by account_key order by mark_date) as previous_mark
    from marks

),

gaps as (

    select
        silences.account_key,
        max(last_silent_day.business_days - last_active_day.business_days) as core_gap_days
    from silences
    inner join calendar as last_silent_day on {{ days_after('silences.mark_date', -1) }} = last_silent_day.calendar_date
    inner join calendar as last_active_day on silences.previous_mark = last_active_day.calendar_date
    group by silences.account_key

),

weekly_core as (

    select
        account_key,
        {{ iso_week_start('activity_date') }} as week_start,
        sum(core_events) as core_events
    from core_days
    group by account_key, {{ iso_week_start('activity_date') }}

),

fano as (

    select
        account_weeks.account_key,
        cast(count(*) as bigint) as core_weeks,
        avg(cast(coalesce(weekly_core.core_events, 0) as double)) as core_weekly_mean,
        var_samp(cast(coalesce(weekly_core.core_events, 0) as double)) as core_weekly_variance
    from {{ ref('int_account_weeks') }} as account_weeks
    left join weekly_core
        on account_weeks.account_key = weekly_core.account_key and account_weeks.week_start = weekly_core.week_start
    where
        account_weeks.week_start >= {{ last_complete_week(-12) }}
        and not account_weeks.is_known_event_week
    group by account_weeks.account_key

),

steps as (

    select
        account_key,
        activity_date,
        core_events,
        {{ days_between('lag(activity_date) over (partition by account_key order by activity_date)', 'activity_date') }} as days_since_last
    from core_days
    where activity_date > {{ days_after(as_of_date(), '-' ~ threshold('gap_window_days')) }}

),

intervals as (

    select
        account_key,
        cast(sum(core_events) as bigint) as core_events_90d,
        cast(count(*) as bigint) as core_days_90d,
        cast(sum(days_since_last) as bigint) as span_days,
        cast(sum(days_since_last * days_since_last) as bigint) as sum_of_squares
    from steps
    group by account_key

),

ratios as (

    select
        intervals.*,
        {%- for name, count in [('event', 'core_events_90d'), ('day', 'core_days_90d')] %}
        case
            when {{ count }} >= {{ threshold('burstiness_events_min') }} and span_days > 0
                then sqrt({{ at_least_zero(
                    '(' ~ count ~ ' - 1) * ' ~ safe_divide('sum_of_squares', 'span_days * span_days') ~ ' - 1'
                ) }})
        end as {{ name }}_ratio
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from intervals

),

bursts as (

    select
        ratios.account_key,
        ratios.core_events_90d,
        ratios.core_days_90d,
        -- m inter-event times between m + 1 events.
        {{ kim_jo_burstiness('ratios.event_ratio', 'ratios.core_events_90d - 1') }} as burstiness,
        {{ kim_jo_burstiness('ratios.day_ratio', 'ratios.core_days_90d - 1') }} as burstiness_days
    from ratios

),

final as (

    select
        accounts.account_key,
        cast(gaps.core_gap_days as bigint) as core_gap_days,
        coalesce(fano.core_weeks, 0) as core_weeks,
        fano.core_weekly_mean,
        fano.core_weekly_variance,
        case
            when fano.core_weeks >= {{ threshold('fano_weeks_min') }}
                then {{ safe_divide('fano.core_weekly_variance', 'fano.core_weekly_mean') }}
        end as fano,
        coalesce(bursts.core_events_90d, 0) as core_events_90d,
        coalesce(bursts.core_days_90d, 0) as core_days_90d,
        bursts.burstiness,
        bursts.burstiness_days
    from accounts
    left join gaps on accounts.account_key = gaps.account_key
    left join fano on accounts.account_key = fano.account_key
    left join bursts on accounts.account_key = bursts.account_key

)

select * from final
