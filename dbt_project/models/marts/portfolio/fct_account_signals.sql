with accounts as (

    select * from {{ ref('int_accounts') }}

),

waste as (

    select
        account_key,
        {{ money_sum('unused_value_annual_portfolio') }} as unused_value_annual,
        {{ money_sum('waste_annual_portfolio') }} as waste_annual,
        {{ any_true("status = 'unknown'") }} as has_unknown,
        {{ any_true("status = 'ok'") }} as has_ok
    from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }}
    group by account_key

),

variance as (

    select * from {{ ref('fct_adoption_variance') }}
    where as_of_date = {{ as_of_date() }}

),

tickets as (

    select * from {{ ref('fct_ticket_load') }}
    where as_of_date = {{ as_of_date() }}

),

scores as (

    select * from {{ source('computed', 'account_scores') }}
    where as_of_date = {{ as_of_date() }}

),

-- No active line is no money at stake, unless the contracts themselves are unknown.
money as (

    select
        accounts.account_key,
        case
            when accounts.contract_status <> 'ok' then 'unknown'
            when waste.account_key is null then 'ok'
            when waste.has_unknown then 'unknown'
            when not waste.has_ok then 'insufficient'
            else 'ok'
        end as money_status,
        case when waste.account_key is null then 0 else waste.unused_value_annual end as unused_value_annual,
        case when waste.account_key is null then 0 else waste.waste_annual end as waste_annual
    from accounts
    left join waste on accounts.account_key = waste.account_key

),

adoption as (

    select * from {{ ref('int_account_adoption') }}

),

provisioned as (

    select
        account_key,
        case when count(*) = count(seats_provisioned) then cast(sum(seats_provisioned) as bigint) end as seats_provisioned
    from {{ ref('int_provisioned_seats') }}
    group by account_key

),

-- Seats of the gap that somebody sat on in the last 28 days: the part of the waste that only sharing frees.
gap_in_use as (

    select
        account_key,
        cast(sum(shelfware_in_use) as bigint) as shelfware_in_use,
        {{ money_sum('waste_in_use_portfolio') }} as waste_in_use
    from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }}
    group by account_key

),

bands as (

    select * from {{ ref('utilization_bands') }}

),

final as (

    select
        accounts.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        accounts.segment,
        accounts.tier,
        accounts.csm_name,
        accounts.csm_email,
        cast(accounts.arr_amount as decimal(18, 2)) as arr_amount,
        accounts.currency,
        {{ portfolio_currency() }} as portfolio_currency,
        cast(accounts.seats_contracted as bigint) as seats_contracted,
        cast(accounts.active_users_28d as bigint) as active_users_28d,
        cast(accounts.utilization_28d as double) as utilization_28d,
        cast(accounts.unused_now as bigint) as unused_seats,
        cast(accounts.shelfware_seats as bigint) as shelfware_seats,
        case when money.money_status <> 'unknown' then cast(money.unused_value_annual as decimal(18, 2)) end as unused_value_annual,
        case when money.money_status <> 'unknown' then cast(money.waste_annual as decimal(18, 2)) end as waste_annual,
        money.money_status,
        variance.n_weeks,
        variance.cv,
        variance.cv_robust,
        variance.dispersion_p,
        variance.drop_ratio,
        variance.drop_p,
        variance.gap_days,
        variance.is_spiky,
        variance.is_gapped,
        variance.is_dropping,
        tickets.tickets_28d,
        tickets.ticket_rate,
        tickets.weighted_load,
        tickets.tickets_open,
        tickets.p_value as spike_p_value,
        tickets.spike_level,
        tickets.muri_priority,
        accounts.next_renewal_date,
        accounts.next_opt_out_date,
        cast(accounts.days_to_opt_out as bigint) as days_to_opt_out,
        cast(accounts.days_to_renewal as bigint) as days_to_renewal,
        cast(scores.muda_score as double) as muda_score,
        cast(scores.mura_score as double) as mura_score,
        cast(scores.muri_score as double) as muri_score,
        cast(scores.lean_risk as double) as lean_risk,
        cast(scores.coverage as double) as coverage,
        coalesce(scores.risk_band, 'unknown') as risk_band,
        accounts.usage_status,
        accounts.ticket_status,
        accounts.contract_status,
        case
            when accounts.utilization_28d is null or accounts.usage_status <> 'ok' or bands.green_above is null then null
            when accounts.utilization_28d > bands.green_above then 'green'
            when accounts.utilization_28d < bands.red_below or accounts.utilization_28d <= bands.red_up_to then 'red'
            else 'yellow'
        end as utilization_band,
        case when accounts.contract_status = 'ok' then provisioned.seats_provisioned end as seats_provisioned,
        case
            when accounts.seats_contracted = 0 then 0
            when accounts.shelfware_seats is not null then gap_in_use.shelfware_in_use
        end as shelfware_in_use,
        case
            when money.money_status = 'unknown' then null
            when accounts.lines_active = 0 then cast(0 as decimal(18, 2))
            else gap_in_use.waste_in_use
        end as waste_in_use,
        {%- for measure in ['feature_breadth', 'feature_depth', 'concentration_gini', 'top1_share'] %}
        case when adoption.core_status in ('ok', 'insufficient') then cast(adoption.{{ measure }} as double) end as {{ measure }},
        {%- endfor %}
        {%- for measure in ['stickiness_dau_mau', 'stickiness_wau_mau'] %}
        case when accounts.usage_status in ('ok', 'insufficient') then cast(adoption.{{ measure }} as double) end as {{ measure }},
        {%- endfor %}
        accounts.hold_reason
    from accounts
    left join money on accounts.account_key = money.account_key
    left join variance on accounts.account_key = variance.account_key
    left join tickets on accounts.account_key = tickets.account_key
    left join scores on accounts.account_key = scores.account_key
    left join adoption on accounts.account_key = adoption.account_key
    left join provisioned on accounts.account_key = provisioned.account_key
    left join gap_in_use on accounts.account_key = gap_in_use.account_key
    left join bands
        on
            accounts.contract_age_days >= bands.age_from_days
            and (bands.age_to_days is null or accounts.contract_age_days <= bands.age_to_days)

)

select * from final
