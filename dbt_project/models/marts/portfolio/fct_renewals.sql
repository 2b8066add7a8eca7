with lines as (

    select * from {{ ref('int_contract_lines') }}
    where is_active

),

signals as (

    select * from {{ ref('fct_account_signals') }}
    where as_of_date = {{ as_of_date() }}

),

open_renewals as (

    select
        account_key,
        cast(count(*) as bigint) as open_renewal_opportunities
    from {{ ref('stg_crm__opportunities') }}
    where opportunity_type = 'renewal' and not coalesce(is_closed, false)
    group by account_key

),

valued as (

    select
        lines.*,
        {{ money('lines.seats * lines.net_unit_price_annual') }} as line_value_annual
    from lines

),

final as (

    select
        valued.account_key,
        {{ as_of_date() }} as as_of_date,
        valued.contract_line_key,
        signals.account_name,
        valued.product,
        cast(valued.seats as bigint) as seats,
        valued.currency,
        valued.line_value_annual,
        {{ money('valued.line_value_annual * valued.fx_rate') }} as line_value_annual_portfolio,
        {{ portfolio_currency() }} as portfolio_currency,
        valued.start_date,
        valued.end_date as renewal_date,
        valued.opt_out_date,
        cast(valued.days_to_renewal as bigint) as days_to_renewal,
        cast(valued.days_to_opt_out as bigint) as days_to_opt_out,
        case
            when valued.end_date is null then 'open-ended'
            when valued.opt_out_date is null then 'notice period unknown'
            when valued.days_to_opt_out < 0 then 'opt-out passed'
            when valued.days_to_opt_out <= 30 then '0-30 days'
            when valued.days_to_opt_out <= 90 then '31-90 days'
            when valued.days_to_opt_out <= 180 then '91-180 days'
            when valued.days_to_opt_out <= 365 then '181-365 days'
            else 'over 365 days'
        end as opt_out_window,
        valued.auto_renew,
        cast(valued.notice_days as bigint) as notice_days,
        valued.notice_served_on,
        case when {{ is_fed('opportunity') }} then coalesce(open_renewals.open_renewal_opportunities, 0) end as open_renewal_opportunities,
        signals.lean_risk,
        signals.risk_band
    from valued
    left join signals on valued.account_key = signals.account_key
    left join open_renewals on valued.account_key = open_renewals.account_key

)

select * from final
