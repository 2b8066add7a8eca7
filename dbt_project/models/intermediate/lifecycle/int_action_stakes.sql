with accounts as (

    select * from {{ ref('int_accounts') }}

),

lines as (

    select * from {{ ref('int_line_waste') }}

),

valued as (

    select
        account_key,
        opt_out_date,
        renewal_date,
        waste_annual_portfolio as waste_annual,
        case
            when seats = 0 then 0
            else {{ money('seats * net_unit_price_annual * fx_rate') }}
        end as stake_annual
    from lines

),

summed as (

    select
        account_key,
        case when count(stake_annual) = count(*) then {{ money_sum('stake_annual') }} end as stake_annual,
        case when count(waste_annual) = count(*) then {{ money_sum('waste_annual') }} end as waste_annual,
        min(case when opt_out_date >= {{ as_of_date() }} then opt_out_date end) as next_opt_out_on,
        min(case when renewal_date >= {{ as_of_date() }} then renewal_date end) as next_renewal_on
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
