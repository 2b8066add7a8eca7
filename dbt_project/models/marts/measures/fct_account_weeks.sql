{{ config(materialized='table') }}
{#-
    The weeks behind the verdicts, for charts: active users and opened tickets of each complete week. A week without a measurement is
    empty, never 0. Of the date audited last only, made anew each night: 26 rows an account and night would be most of what is kept.
-#}
with usage_weeks as (

    select * from {{ ref('int_account_weeks') }}

),

ticket_weeks as (

    select * from {{ ref('int_ticket_weeks') }}
    where is_covered

),

final as (

    select
        coalesce(usage_weeks.account_key, ticket_weeks.account_key) as account_key,
        {{ as_of_date() }} as as_of_date,
        coalesce(usage_weeks.week_start, ticket_weeks.week_start) as week_start,
        usage_weeks.active_users,
        ticket_weeks.tickets_opened,
        usage_weeks.is_known_event_week
    from usage_weeks
    full outer join ticket_weeks
        on usage_weeks.account_key = ticket_weeks.account_key and usage_weeks.week_start = ticket_weeks.week_start

)

select * from final
