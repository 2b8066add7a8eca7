with accounts as (

    select
        account_key,
        hold_reason
    from {{ ref('stg_crm__accounts') }}

),

tickets as (

    select
        tickets.*,
        cast(tickets.opened_at as date) as opened_on,
        {{ days_between('tickets.opened_at', as_of_date()) }} as age_days,
        coalesce(tickets.solved_at >= {{ as_of_end() }}, true)
        and (tickets.solved_at is not null or coalesce(tickets.status, 'open') not in ('solved', 'closed')) as is_open
    from {{ ref('stg_support__tickets') }} as tickets
    where tickets.opened_at < {{ as_of_end() }} and coalesce(tickets.status, 'open') <> 'deleted'

),

feed as (

    select
        {{ is_fed('ticket') }} as is_fed,
        max(case when known_at > opened_at then cast(known_at as date) else cast(opened_at as date) end) as feed_ended_on
    from {{ ref('stg_support__tickets') }}
    where opened_at < {{ as_of_end() }}

),

weights as (

    select * from {{ ref('severity_weights') }}

),

load_by_account as (

    select
        tickets.account_key,
        sum(case when tickets.age_days < {{ threshold('active_days') }} then 1 else 0 end) as tickets_28d,
        sum(case when tickets.is_open then 1 else 0 end) as tickets_open,
        sum(case when tickets.is_open or tickets.age_days < {{ threshold('active_days') }} then weights.weight else 0 end) as weighted_load,
        max(case when tickets.is_open then tickets.age_days end) as oldest_open_days,
        sum(case when tickets.is_open and tickets.priority = 'P1' then 1 else 0 end) as open_p1,
        max(case when tickets.is_open and tickets.priority = 'P1' then tickets.age_days end) as oldest_open_p1_days,
        sum(case when tickets.age_days < 90 then 1 else 0 end) as tickets_90d
    from tickets
    left join weights on coalesce(tickets.priority, 'unset') = weights.priority
    group by tickets.account_key

),

judged as (

    select
        accounts.account_key,
        case
            when accounts.hold_reason is not null then 'unknown'
            when not feed.is_fed then 'unknown'
            when {{ days_between('feed.feed_ended_on', as_of_date()) }} >= {{ threshold('ticket_stale_days') }} then 'stale'
            else 'ok'
        end as status
    from accounts
    cross join feed

),

final as (

    select
        judged.account_key,
        {%- for measure in ['tickets_28d', 'tickets_open', 'weighted_load'] %}
        case when judged.status = 'ok' then cast(coalesce(load_by_account.{{ measure }}, 0) as bigint) end as {{ measure }},
        {%- endfor %}
        case when judged.status = 'ok' then load_by_account.oldest_open_days end as oldest_open_days,
        case when judged.status = 'ok' then cast(coalesce(load_by_account.open_p1, 0) as bigint) end as open_p1,
        case when judged.status = 'ok' then load_by_account.oldest_open_p1_days end as oldest_open_p1_days,
        case when judged.status = 'ok' then cast(coalesce(load_by_account.tickets_90d, 0) as bigint) end as tickets_90d,
        judged.status
    from judged
    left join load_by_account on judged.account_key = load_by_account.account_key

)

select * from final
