with lines as (

    select * from {{ ref('int_contract_lines') }}
    where is_active

),

positions as (

    select * from {{ ref('int_license_position') }}

),

-- The surplus of a pool is charged to the line that can be cut first: earliest opt-out, open-ended lines last.
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

charged as (

    select
        queued.account_key,
        queued.contract_line_key,
        queued.product,
        queued.seats,
        queued.seats_before,
        positions.active_users_28d,
        {%- for pool_measure, line_measure in [
            ('unused_now', 'unused_seats'),
            ('shelfware_seats', 'shelfware_seats'),
            ('shelfware_low', 'seats_low'),
            ('shelfware_high', 'seats_high'),
        ] %}
        case
            when queued.seats = 0 then 0
            else {{ lesser('queued.seats', at_least_zero('positions.' ~ pool_measure ~ ' - queued.seats_before')) }}
        end as {{ line_measure }},
        {%- endfor %}
        case when queued.seats = 0 then coalesce(queued.net_unit_price_annual, 0) else queued.net_unit_price_annual end as net_unit_price_annual,
        case when queued.seats = 0 then coalesce(queued.fx_rate, 1) else queued.fx_rate end as counting_rate,
        queued.currency,
        queued.fx_rate,
        queued.fx_rate_date,
        queued.opt_out_date,
        queued.end_date as renewal_date,
        case
            when queued.seats = 0 then null
            when positions.status = 'unknown' then positions.status_reason
            when queued.net_unit_price_annual is null then 'price missing'
            when queued.fx_rate is null then 'no exchange rate'
        end as unknown_reason,
        case when queued.seats > 0 and positions.status = 'insufficient' then positions.status_reason end as insufficient_reason
    from queued
    left join positions on queued.account_key = positions.account_key and queued.product = positions.product

),

valued as (

    select
        charged.*,
        {{ money('charged.unused_seats * charged.net_unit_price_annual') }} as unused_value_annual,
        {{ money('charged.shelfware_seats * charged.net_unit_price_annual') }} as waste_annual,
        {{ money('charged.seats_low * charged.net_unit_price_annual') }} as waste_low,
        {{ money('charged.seats_high * charged.net_unit_price_annual') }} as waste_high,
        -- Seats of the gap that somebody sat on in the last 28 days: they can be given back only if people share.
        {{ at_least_zero('charged.shelfware_seats - charged.unused_seats') }} as shelfware_in_use,
        {{ money(at_least_zero('charged.shelfware_seats - charged.unused_seats') ~ ' * charged.net_unit_price_annual') }} as waste_in_use
    from charged

),

final as (

    select
        valued.account_key,
        valued.contract_line_key,
        valued.product,
        cast(valued.seats as bigint) as seats,
        cast(valued.seats_before as bigint) as seats_before,
        cast(valued.active_users_28d as bigint) as active_users_28d,
        cast(valued.unused_seats as bigint) as unused_seats,
        cast(valued.shelfware_seats as bigint) as shelfware_seats,
        cast(valued.shelfware_in_use as bigint) as shelfware_in_use,
        cast(valued.net_unit_price_annual as decimal(18, 4)) as net_unit_price_annual,
        valued.currency,
        cast(valued.fx_rate as decimal(18, 8)) as fx_rate,
        valued.fx_rate_date,
        cast(valued.counting_rate as decimal(18, 8)) as counting_rate,
        valued.opt_out_date,
        valued.renewal_date,
        {%- for amount in ['unused_value_annual', 'waste_annual', 'waste_low', 'waste_high', 'waste_in_use'] %}
        valued.{{ amount }},
        {{ money('valued.' ~ amount ~ ' * valued.counting_rate') }} as {{ amount }}_portfolio,
        {%- endfor %}
        case
            when valued.unknown_reason is not null then 'unknown'
            when valued.insufficient_reason is not null then 'insufficient'
            else 'ok'
        end as status,
        coalesce(valued.unknown_reason, valued.insufficient_reason) as status_reason
    from valued

)

select * from final
