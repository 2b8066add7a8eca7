-- The portfolio's money is the sum over accounts, and each account's money the sum over its lines, to the cent.
{{ config(tags=['marts']) }}

with lines as (

    select
        account_key,
        {{ money_sum('waste_annual_portfolio') }} as waste_annual,
        {{ money_sum('unused_value_annual_portfolio') }} as unused_value_annual
    from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }}
    group by account_key

),

signals as (

    select * from {{ ref('fct_account_signals') }}
    where as_of_date = {{ as_of_date() }}

),

portfolio as (

    select * from {{ ref('fct_portfolio_daily') }}
    where as_of_date = {{ as_of_date() }}

),

total as (

    select
        {{ money_sum('waste_annual') }} as waste_annual,
        count(*) as accounts
    from signals

)

select signals.account_key
from signals
inner join lines on signals.account_key = lines.account_key
where signals.waste_annual <> lines.waste_annual or signals.unused_value_annual <> lines.unused_value_annual

union all

select 'portfolio' as account_key
from portfolio
cross join total
where portfolio.waste_annual <> total.waste_annual or portfolio.accounts <> total.accounts
