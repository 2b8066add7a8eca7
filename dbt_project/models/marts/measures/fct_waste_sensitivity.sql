with lines as (

    select * from {{ ref('int_line_waste') }}

),

positions as (

    select * from {{ ref('int_license_position') }}

),

headrooms as (

    select distinct cast(value as decimal(18, 4)) as headroom
    from {{ ref('signal_thresholds') }}
    where threshold_name in ('headroom', 'headroom_low', 'headroom_high')

),

pools as (

    select
        positions.account_key,
        positions.product,
        headrooms.headroom,
        {{ at_least_zero('positions.seats_contracted - ' ~ exact_ceil('(1 + headrooms.headroom)', 'positions.p95_weekly_active')) }} as shelfware_seats
    from positions
    cross join headrooms

),

charged as (

    select
        lines.account_key,
        lines.contract_line_key,
        lines.product,
        pools.headroom,
        lines.seats,
        case
            when lines.seats = 0 then 0
            else {{ lesser('lines.seats', at_least_zero('pools.shelfware_seats - lines.seats_before')) }}
        end as shelfware_seats,
        lines.net_unit_price_annual,
        lines.currency,
        lines.fx_rate,
        lines.fx_rate_date,
        lines.counting_rate,
        {{ portfolio_currency() }} as portfolio_currency,
        lines.status,
        lines.status_reason
    from lines
    inner join pools on lines.account_key = pools.account_key and lines.product = pools.product

),

valued as (

    select
        charged.*,
        {{ money('charged.shelfware_seats * charged.net_unit_price_annual') }} as waste_annual
    from charged

),

final as (

    select
        valued.account_key,
        {{ as_of_date() }} as as_of_date,
        valued.contract_line_key,
        valued.headroom,
        valued.product,
        valued.seats,
        cast(valued.shelfware_seats as bigint) as shelfware_seats,
        valued.currency,
        valued.waste_annual,
        valued.fx_rate,
        valued.fx_rate_date,
        {{ money('valued.waste_annual * valued.counting_rate') }} as waste_annual_portfolio,
        valued.portfolio_currency,
        valued.status,
        valued.status_reason
    from valued

)

select * from final
