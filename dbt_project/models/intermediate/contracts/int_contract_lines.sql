with lines as (

    select * from {{ ref('stg_crm__contract_lines') }}

),

rates as (

    select
        upper(currency) as currency,
        rate,
        rate_date
    from {{ ref('stg_finance__fx_rates') }}
    where rate_date <= {{ as_of_date() }} and rate > 0
    qualify row_number() over (partition by upper(currency) order by rate_date desc nulls last, fx_rate_key) = 1

),

checked as (

    select
        lines.*,
        case
            when lines.hold_reason is not null then lines.hold_reason
            when lines.start_date is null then 'start date missing'
            when lines.end_date < lines.start_date then 'end date before start date'
            when lines.seats is null then 'seats missing'
            when lines.seats < 0 then 'negative seats'
            when lines.net_unit_price_annual < 0 then 'negative price'
        end as invalid_reason,
        {{ days_after('lines.end_date', '-lines.notice_days') }} as opt_out_date
    from lines

),

final as (

    select
        checked.account_key,
        checked.contract_line_key,
        checked.product,
        checked.seats,
        checked.list_unit_price_annual,
        checked.net_unit_price_annual,
        upper(checked.currency) as currency,
        case
            when upper(checked.currency) = {{ portfolio_currency() }} then cast(1 as decimal(18, 8))
            else cast(rates.rate as decimal(18, 8))
        end as fx_rate,
        case
            when upper(checked.currency) = {{ portfolio_currency() }} then {{ as_of_date() }}
            else rates.rate_date
        end as fx_rate_date,
        checked.start_date,
        checked.end_date,
        checked.notice_days,
        checked.opt_out_date,
        {{ days_between(as_of_date(), 'checked.opt_out_date') }} as days_to_opt_out,
        {{ days_between(as_of_date(), 'checked.end_date') }} as days_to_renewal,
        checked.auto_renew,
        case when checked.notice_served_on <= {{ as_of_date() }} then checked.notice_served_on end as notice_served_on,
        coalesce(checked.status, 'active') as contract_status,
        coalesce(
            checked.invalid_reason is null
            and checked.start_date <= {{ as_of_date() }}
            and (checked.end_date is null or checked.end_date >= {{ as_of_date() }})
            and coalesce(checked.status, 'active') not in ('draft', 'terminated'),
            false
        ) as is_active,
        case when checked.invalid_reason is null then 'ok' else 'invalid' end as line_status,
        checked.invalid_reason
    from checked
    left join rates on upper(checked.currency) = rates.currency

)

select * from final
