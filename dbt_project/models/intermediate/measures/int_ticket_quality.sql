{#-
    How support goes, per account: backlog, age, service level, reopened, escalated, who reports. A ticket without a service level target is
    not "met": it does not enter the rate. Only events of the window are read.
-#}
with load as (

    select * from {{ ref('int_ticket_load') }}

),

tickets as (

    select
        tickets.ticket_key,
        tickets.account_key,
        tickets.requester_key,
        tickets.reopen_count,
        tickets.is_escalated,
        {{ days_between('tickets.opened_at', as_of_date()) }} as age_days,
        case when tickets.solved_at < {{ as_of_end() }} then cast(tickets.solved_at as date) end as solved_on,
        coalesce(tickets.solved_at >= {{ as_of_end() }}, true)
        and (tickets.solved_at is not null or coalesce(tickets.status, 'open') not in ('solved', 'closed')) as is_open
    from {{ ref('stg_support__tickets') }} as tickets
    where tickets.opened_at < {{ as_of_end() }} and coalesce(tickets.status, 'open') <> 'deleted'

),

target_events as (

    select
        ticket_event_key,
        ticket_key,
        metric,
        event_type,
        occurred_at
    from {{ ref('stg_support__ticket_events') }}
    where
        occurred_at < {{ as_of_end() }}
        and cast(occurred_at as date) > {{ days_after(as_of_date(), '-' ~ threshold('ticket_window_days')) }}

),

targets as (

    select
        ticket_key,
        metric,
        max(case when event_type = 'apply_sla' then 1 else 0 end) as has_target,
        max(case when event_type = 'breach' then 1 else 0 end) as is_breached,
        max(case when event_type = 'fulfill' then 1 else 0 end) as is_fulfilled
    from target_events
    group by ticket_key, metric

),

service_levels as (

    select
        ticket_key,
        max(is_breached) as is_breached,
        -- A target that is neither met nor missed yet says nothing.
        case when max(is_breached) = 1 or min(is_fulfilled) = 1 then 1 else 0 end as is_decided
    from targets
    where has_target = 1 or is_breached = 1
    group by ticket_key

),

sla_feed as (

    select count(*) as tickets_with_target from service_levels

),

by_account as (

    select
        tickets.account_key,
        sum(case when tickets.age_days < {{ threshold('ticket_window_days') }} then 1 else 0 end) as tickets_in_window,
        sum(case
            when tickets.is_open and (tickets.age_days > {{ threshold('ticket_aged_days') }} or service_levels.is_breached = 1) then 1
            else 0
        end) as aged_tickets,
        sum(case
            when tickets.solved_on >= {{ last_complete_week(-12) }} and tickets.solved_on < {{ last_complete_week(1) }} then 1
            else 0
        end) as closed_13w,
        {%- set was_solved = "(tickets.solved_on > " ~ days_after(as_of_date(), '-' ~ threshold('ticket_window_days'))
            ~ " or (tickets.is_open and tickets.reopen_count > 0 and tickets.age_days < " ~ threshold('ticket_window_days') ~ "))" %}
        sum(case when {{ was_solved }} and tickets.reopen_count is not null then 1 else 0 end) as solved_90d,
        sum(case when {{ was_solved }} and tickets.reopen_count > 0 then 1 else 0 end) as reopened_90d,
        sum(case when tickets.age_days < {{ threshold('ticket_window_days') }} and tickets.is_escalated then 1 else 0 end) as escalations_90d,
        count(distinct case when tickets.age_days < {{ threshold('ticket_window_days') }} then tickets.requester_key end) as distinct_reporters_90d,
        sum(case when tickets.age_days < {{ threshold('ticket_window_days') }} and service_levels.is_decided = 1 then 1 else 0 end) as sla_tickets_90d,
        sum(case when tickets.age_days < {{ threshold('ticket_window_days') }} and service_levels.is_breached = 1 then 1 else 0 end) as sla_breaches_90d
    from tickets
    left join service_levels on tickets.ticket_key = service_levels.ticket_key
    group by tickets.account_key

),

covered as (

    select
        account_key,
        cast(sum(case when is_covered then 1 else 0 end) as bigint) as weeks_covered
    from {{ ref('int_ticket_weeks') }}
    where week_start >= {{ last_complete_week(-12) }}
    group by account_key

),

counted as (

    select
        load.account_key,
        load.status,
        load.tickets_open,
        coalesce(covered.weeks_covered, 0) as ticket_weeks_covered,
        {%- for measure in ['tickets_in_window', 'aged_tickets', 'closed_13w', 'solved_90d', 'reopened_90d', 'escalations_90d',
                            'distinct_reporters_90d', 'sla_tickets_90d', 'sla_breaches_90d'] %}
        case when load.status = 'ok' then cast(coalesce(by_account.{{ measure }}, 0) as bigint) end as {{ measure }},
        {%- endfor %}
        case
            when load.status <> 'ok' then load.status
            when not {{ is_fed('ticket_event') }} or sla_feed.tickets_with_target = 0 then 'unknown'
            else 'ok'
        end as sla_status,
        case
            when load.status <> 'ok' then null
            when not {{ is_fed('ticket_event') }} then 'ticket history is not fed'
            when sla_feed.tickets_with_target = 0 then 'no service level target in the ticket history'
        end as sla_reason
    from load
    cross join sla_feed
    left join by_account on load.account_key = by_account.account_key
    left join covered on load.account_key = covered.account_key

),

final as (

    select
        counted.account_key,
        counted.ticket_weeks_covered,
        counted.aged_tickets,
        counted.closed_13w,
        case
            when counted.ticket_weeks_covered < {{ threshold('usage_weeks_min') }} then null
            when counted.tickets_open = 0 then 0
            else {{ safe_divide('counted.tickets_open * counted.ticket_weeks_covered', 'counted.closed_13w') }}
        end as backlog_weeks,
        counted.solved_90d,
        counted.reopened_90d,
        {{ safe_divide('counted.reopened_90d', 'counted.solved_90d') }} as reopen_rate,
        counted.escalations_90d,
        counted.distinct_reporters_90d,
        case when counted.sla_status = 'ok' then counted.sla_tickets_90d end as sla_tickets_90d,
        case when counted.sla_status = 'ok' then counted.sla_breaches_90d end as sla_breaches_90d,
        case when counted.sla_status = 'ok' then {{ safe_divide('counted.sla_breaches_90d', 'counted.sla_tickets_90d') }} end as sla_breach_rate,
        counted.sla_status,
        counted.sla_reason,
        counted.status
    from counted

)

select * from final
