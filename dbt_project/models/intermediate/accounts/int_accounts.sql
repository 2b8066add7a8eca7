with accounts as (

    select * from {{ ref('stg_crm__accounts') }}

),

lines as (

    select * from {{ ref('int_contract_lines') }}

),

account_usage as (

    select * from {{ ref('int_account_usage') }}

),

tickets as (

    select
        account_key,
        status as ticket_status
    from {{ ref('int_ticket_load') }}

),

contracts as (

    select
        account_key,
        cast(sum(case when is_active then seats else 0 end) as bigint) as seats_contracted,
        cast(sum(case when is_active then 1 else 0 end) as bigint) as lines_active,
        cast(sum(case when line_status = 'invalid' then 1 else 0 end) as bigint) as lines_invalid,
        min(case when is_active then end_date end) as next_renewal_date,
        min(case when is_active then opt_out_date end) as next_opt_out_date,
        min(case when is_active then notice_served_on end) as notice_served_on_active,
        max(notice_served_on) as notice_served_on_any,
        max(case when line_status = 'ok' and contract_status = 'active' and start_date <= {{ as_of_date() }} then end_date end) as last_end_date,
        {{ any_true("line_status = 'ok' and contract_status = 'active' and auto_renew and end_date < " ~ as_of_date()) }} as has_lapsed_auto_renewal
    from lines
    group by account_key

),

licenses as (

    select
        account_key,
        cast(sum(unused_now) as bigint) as unused_now,
        cast(sum(shelfware_seats) as bigint) as shelfware_seats,
        cast(sum({{ lesser('active_users_28d', 'seats_contracted') }}) as bigint) as seats_in_use_28d,
        {{ any_true("status = 'unknown' and seats_contracted > 0") }} as has_unknown,
        {{ any_true("status = 'ok'") }} as has_ok
    from {{ ref('int_license_position') }}
    group by account_key

),

joined as (

    select
        accounts.account_key,
        accounts.account_name,
        accounts.segment,
        accounts.tier,
        -- A CRM that knows managers by address alone has managers: without this every account would be nobody's.
        coalesce(accounts.csm_name, accounts.csm_email) as csm_name,
        accounts.csm_email,
        accounts.owner_name,
        accounts.owner_email,
        accounts.director_email,
        accounts.arr_amount,
        upper(accounts.currency) as currency,
        accounts.customer_since,
        case when accounts.notice_received_on <= {{ as_of_date() }} then accounts.notice_received_on end as notice_received_on,
        case
            when contracts.lines_active > 0 then contracts.notice_served_on_active
            else contracts.notice_served_on_any
        end as notice_served_on,
        accounts.hold_reason,
        case
            when accounts.hold_reason is not null then 'unknown'
            when not {{ is_fed('contract_line') }} then 'unknown'
            when contracts.lines_active > 0 then 'ok'
            when contracts.lines_invalid > 0 then 'unknown'
            when contracts.has_lapsed_auto_renewal and contracts.notice_served_on_any is null then 'stale'
            else 'ok'
        end as contract_status,
        coalesce(contracts.seats_contracted, 0) as seats_contracted,
        coalesce(contracts.lines_active, 0) as lines_active,
        coalesce(contracts.lines_invalid, 0) as lines_invalid,
        account_usage.active_users_28d,
        licenses.unused_now,
        licenses.shelfware_seats,
        licenses.seats_in_use_28d,
        coalesce(licenses.has_unknown, false) as has_unknown,
        coalesce(licenses.has_ok, false) as has_ok,
        account_usage.first_contract_start,
        account_usage.contract_age_days,
        contracts.next_renewal_date,
        contracts.next_opt_out_date,
        {{ days_between(as_of_date(), 'contracts.next_opt_out_date') }} as days_to_opt_out,
        {{ days_between(as_of_date(), 'contracts.next_renewal_date') }} as days_to_renewal,
        account_usage.gap_days,
        account_usage.last_activity_date,
        account_usage.usage_status,
        account_usage.usage_reason,
        tickets.ticket_status
    from accounts
    left join account_usage on accounts.account_key = account_usage.account_key
    left join contracts on accounts.account_key = contracts.account_key
    left join licenses on accounts.account_key = licenses.account_key
    left join tickets on accounts.account_key = tickets.account_key

),

final as (

    select
        joined.account_key,
        joined.account_name,
        joined.segment,
        joined.tier,
        joined.csm_name,
        joined.csm_email,
        joined.owner_name,
        joined.owner_email,
        joined.director_email,
        joined.arr_amount,
        joined.currency,
        joined.customer_since,
        joined.notice_received_on,
        joined.notice_served_on,
        case when joined.contract_status = 'ok' then joined.seats_contracted end as seats_contracted,
        joined.active_users_28d,
        case
            when joined.contract_status = 'ok' and not joined.has_unknown
                then {{ safe_divide('joined.seats_in_use_28d', 'joined.seats_contracted') }}
        end as utilization_28d,
        case
            when joined.contract_status <> 'ok' or joined.has_unknown then null
            when joined.seats_contracted = 0 then 0
            else joined.unused_now
        end as unused_now,
        case
            when joined.contract_status <> 'ok' or joined.has_unknown then null
            when joined.seats_contracted = 0 then 0
            when joined.has_ok then joined.shelfware_seats
        end as shelfware_seats,
        case
            when joined.contract_status = 'ok' and not joined.has_unknown then joined.seats_in_use_28d
        end as seats_in_use_28d,
        joined.lines_active,
        joined.lines_invalid,
        joined.first_contract_start,
        joined.contract_age_days,
        joined.next_renewal_date,
        joined.next_opt_out_date,
        joined.days_to_opt_out,
        joined.days_to_renewal,
        joined.gap_days,
        joined.last_activity_date,
        joined.usage_status,
        joined.usage_reason,
        joined.ticket_status,
        joined.contract_status,
        joined.hold_reason
    from joined

)

select * from final
