with lines as (

    select * from {{ ref('int_line_waste') }}

),

final as (

    select
        lines.account_key,
        {{ as_of_date() }} as as_of_date,
        lines.contract_line_key,
        lines.product,
        lines.seats,
        lines.active_users_28d,
        lines.unused_seats,
        lines.shelfware_seats,
        lines.net_unit_price_annual,
        lines.currency,
        lines.unused_value_annual,
        lines.waste_annual,
        lines.waste_low,
        lines.waste_high,
        lines.fx_rate,
        lines.fx_rate_date,
        lines.unused_value_annual_portfolio,
        lines.waste_annual_portfolio,
        {{ portfolio_currency() }} as portfolio_currency,
        lines.opt_out_date,
        lines.renewal_date,
        lines.status,
        lines.status_reason,
        lines.shelfware_in_use,
        lines.waste_in_use,
        lines.waste_in_use_portfolio,
        lines.waste_low_portfolio,
        lines.waste_high_portfolio
    from lines

)

select * from final
