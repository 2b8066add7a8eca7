with accounts as (

    select * from {{ ref('int_accounts') }}

),

tickets as (

    select * from {{ ref('int_ticket_load') }}

),

spikes as (

    select * from {{ source('computed', 'ticket_spikes') }}
    where as_of_date = {{ as_of_date() }}

),

quality as (

    select * from {{ ref('int_ticket_quality') }}

),

variance as (

    select
        account_key,
        recent_median,
        prior_median
    from {{ source('computed', 'adoption_variance') }}
    where as_of_date = {{ as_of_date() }}

),

final as (

    select
        accounts.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        cast(tickets.tickets_28d as bigint) as tickets_28d,
        cast(tickets.tickets_90d as bigint) as tickets_90d,
        cast(tickets.tickets_open as bigint) as tickets_open,
        {{ safe_divide('tickets.tickets_28d', 'accounts.seats_contracted') }} * 100 as ticket_rate,
        cast(tickets.weighted_load as bigint) as weighted_load,
        cast(tickets.oldest_open_days as bigint) as oldest_open_days,
        cast(tickets.open_p1 as bigint) as open_p1,
        cast(tickets.oldest_open_p1_days as bigint) as oldest_open_p1_days,
        spikes.week_start,
        cast(spikes.tickets_4w as bigint) as tickets_4w,
        {%- for measure in ['baseline_sum', 'phi', 'p_value'] %}
        cast(spikes.{{ measure }} as double) as {{ measure }},
        {%- endfor %}
        spikes.spike_level,
        cast(spikes.severity as double) as severity,
        cast(spikes.proximity as double) as proximity,
        cast(spikes.muri_priority as double) as muri_priority,
        coalesce(tickets.status, 'unknown') as status,
        spikes.rule_version,
        {%- for measure in ['aged_tickets', 'solved_90d', 'reopened_90d', 'escalations_90d', 'distinct_reporters_90d', 'sla_tickets_90d', 'sla_breaches_90d'] %}
        cast(quality.{{ measure }} as bigint) as {{ measure }},
        {%- endfor %}
        {%- for measure in ['backlog_weeks', 'reopen_rate', 'sla_breach_rate'] %}
        cast(quality.{{ measure }} as double) as {{ measure }},
        {%- endfor %}
        coalesce(quality.sla_status, 'unknown') as sla_status,
        -- Nobody asks and use falls: zero is not green. One ticket, or few seats, settles it without knowing the use.
        case
            when tickets.tickets_90d > 0 or accounts.seats_contracted <= {{ threshold('silence_seats') }} then false
            when tickets.tickets_90d = 0 and accounts.seats_contracted > {{ threshold('silence_seats') }}
                then variance.recent_median < variance.prior_median
        end as is_silent
    from accounts
    left join tickets on accounts.account_key = tickets.account_key
    left join spikes on accounts.account_key = spikes.account_key
    left join quality on accounts.account_key = quality.account_key
    left join variance on accounts.account_key = variance.account_key

)

select * from final
