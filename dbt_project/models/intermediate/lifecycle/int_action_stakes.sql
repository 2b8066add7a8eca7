with accounts as (

    select * from {{ ref('int_accounts') }}

),

lines as (

    select * from {{ ref('int_contract_lines') }}
    where is_active

),

positions as (

    select * from {{ ref('int_license_position') }}

),

-- The surplus of a pool is charged to its lines as in fct_license_waste, which is built too late for the queue; a test compares the two.
queued as (

    select
        lines.*,
        coalesce(sum(lines.seats) over (
            partition by lines.account_key, lines.product
            order by {{ charging_order('lines') }}
            rows between unbounded preceding and 1 preceding
        ), 0) as seats_before
    from lines

),

valued as (

    select
        queued.account_key,
        queued.opt_out_date,
        queued.end_date,
        case
            when queued.seats = 0 then 0
            else {{ money('queued.seats * queued.net_unit_price_annual * queued.fx_rate') }}
        end as stake_annual,
        case
            when queued.seats = 0 then 0
            else
                {{ money(money(
                    lesser('queued.seats', at_least_zero('positions.shelfware_seats - queued.seats_before')) ~ ' * queued.net_unit_price_annual'
                ) ~ ' * queued.fx_rate') }}
        end as waste_annual
    from queued
    left join positions on queued.account_key = positions.account_key and queued.product = positions.product

),

summed as (

    select
        account_key,
        case when count(stake_annual) = count(*) then {{ money_sum('stake_annual') }} end as stake_annual,
        case when count(waste_annual) = count(*) then {{ money_sum('waste_annual') }} end as waste_annual,
        min(case when opt_out_date >= {{ as_of_date() }} then opt_out_date end) as next_opt_out_on,
        min(case when end_date >= {{ as_of_date() }} then end_date end) as next_renewal_on
    from valued
    group by account_key

),

final as (

    select
        accounts.account_key,
        accounts.segment,
        coalesce(lower(accounts.csm_email), accounts.csm_name) as csm,
        lower(accounts.director_email) as director,
        summed.stake_annual,
        summed.waste_annual,
        coalesce(summed.next_opt_out_on, summed.next_renewal_on) as deadline_on,
        case
            when summed.next_opt_out_on is not null then 'opt_out'
            when summed.next_renewal_on is not null then 'renewal'
            else 'none'
        end as deadline_kind,
        cast({{ threshold('action_hours_per_csm') }} as double) as csm_hours,
        cast({{ threshold('action_hours_per_director') }} as double) as director_hours,
        cast({{ threshold('action_hours_of_data') }} as double) as data_hours
    from accounts
    left join summed on accounts.account_key = summed.account_key

)

select * from final
