with lines as (

    select * from {{ ref('int_contract_lines') }}
    where is_active

),

positions as (

    select * from {{ ref('int_license_position') }}

),

waste as (

    select * from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }}

),

headrooms as (

    select distinct cast(value as decimal(18, 4)) as headroom
    from {{ ref('signal_thresholds') }}
    where threshold_name in ('headroom', 'headroom_low', 'headroom_high')

),

queued as (

    select
        lines.account_key,
        lines.contract_line_key,
        lines.product,
        lines.seats,
        lines.fx_rate,
        coalesce(sum(lines.seats) over (
            partition by lines.account_key, lines.product
            order by {{ charging_order('lines') }}
            rows between unbounded preceding and 1 preceding
        ), 0) as seats_before
    from lines

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
        waste.account_key,
        waste.contract_line_key,
        waste.product,
        pools.headroom,
        waste.seats,
        case
            when queued.seats = 0 then 0
            else {{ lesser('queued.seats', at_least_zero('pools.shelfware_seats - queued.seats_before')) }}
        end as shelfware_seats,
        case when queued.seats = 0 then coalesce(waste.net_unit_price_annual, 0) else waste.net_unit_price_annual end as net_unit_price_annual,
        waste.currency,
        queued.fx_rate,
        waste.fx_rate_date,
        case when queued.seats = 0 then coalesce(queued.fx_rate, 1) else queued.fx_rate end as counting_rate,
        waste.portfolio_currency,
        waste.status,
        waste.status_reason
    from waste
    inner join queued on waste.account_key = queued.account_key and waste.contract_line_key = queued.contract_line_key
    inner join pools on waste.account_key = pools.account_key and waste.product = pools.product

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
