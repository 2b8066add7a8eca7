with signals as (

    select * from {{ ref('fct_account_signals') }}
    where as_of_date = {{ as_of_date() }}

),

final as (

    select
        {{ as_of_date() }} as as_of_date,
        {{ portfolio_currency() }} as portfolio_currency,
        cast(count(*) as bigint) as accounts,
        cast(sum(case when usage_status = 'ok' then 1 else 0 end) as bigint) as accounts_usage_measured,
        cast(sum(case when money_status = 'ok' then 1 else 0 end) as bigint) as accounts_money_measured,
        cast(sum(case when money_status = 'unknown' then 1 else 0 end) as bigint) as accounts_money_unknown,
        cast(sum(seats_contracted) as bigint) as seats_contracted,
        cast(sum(active_users_28d) as bigint) as active_users_28d,
        cast(sum(unused_seats) as bigint) as unused_seats,
        cast(sum(shelfware_seats) as bigint) as shelfware_seats,
        {{ money_sum('unused_value_annual') }} as unused_value_annual,
        {{ money_sum('waste_annual') }} as waste_annual,
        cast(sum(case when waste_annual > 0 then 1 else 0 end) as bigint) as accounts_with_waste,
        cast(sum(tickets_28d) as bigint) as tickets_28d,
        cast(sum(tickets_open) as bigint) as tickets_open,
        {%- for band in ['green', 'yellow', 'red', 'unknown'] %}
        cast(sum(case when risk_band = '{{ band }}' then 1 else 0 end) as bigint) as accounts_{{ band }},
        {%- endfor %}
        cast(sum(case when days_to_opt_out between 0 and 90 then 1 else 0 end) as bigint) as accounts_opt_out_within_quarter
    from signals
    having count(*) > 0

)

select * from final
