with accounts as (

    select
        accounts.account_key,
        account_usage.account_started_on
    from {{ ref('stg_crm__accounts') }} as accounts
    left join {{ ref('int_account_usage') }} as account_usage on accounts.account_key = account_usage.account_key
    where {{ is_fed('ticket') }}

),

weeks as (

    {{ complete_weeks(53) }}

),

tickets as (

    select
        account_key,
        cast(opened_at as date) as opened_on
    from {{ ref('stg_support__tickets') }}
    where opened_at < {{ as_of_end() }} and coalesce(status, 'open') <> 'deleted'

),

weekly as (

    select
        account_key,
        {{ iso_week_start('opened_on') }} as week_start,
        count(*) as tickets_opened
    from tickets
    group by account_key, {{ iso_week_start('opened_on') }}

),

first_tickets as (

    select
        account_key,
        min(opened_on) as first_ticket_on
    from tickets
    group by account_key

),

final as (

    select
        accounts.account_key,
        weeks.week_start,
        cast(coalesce(weekly.tickets_opened, 0) as bigint) as tickets_opened,
        coalesce(
            weeks.week_start >= accounts.account_started_on or weeks.week_start >= first_tickets.first_ticket_on,
            false
        ) as is_covered
    from accounts
    cross join weeks
    left join weekly
        on accounts.account_key = weekly.account_key and weeks.week_start = weekly.week_start
    left join first_tickets on accounts.account_key = first_tickets.account_key
    where weeks.weeks_ago <= {{ threshold('ticket_weeks') }}

)

select * from final
