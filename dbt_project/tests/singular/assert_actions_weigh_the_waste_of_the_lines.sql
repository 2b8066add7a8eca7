-- The right-size gap that ranks actions is charged to lines before the marts exist; it must be the one that fct_license_waste shows.
{{ config(tags=['marts']) }}

with lines as (

    select
        account_key,
        {{ money_sum('waste_annual_portfolio') }} as waste_annual,
        count(*) as lines_all,
        count(waste_annual_portfolio) as lines_known
    from {{ ref('fct_license_waste') }}
    where as_of_date = {{ as_of_date() }}
    group by account_key

)

select
    stakes.account_key,
    stakes.waste_annual,
    lines.waste_annual as waste_of_lines
from {{ ref('int_action_stakes') }} as stakes
inner join lines on stakes.account_key = lines.account_key
where
    (lines.lines_known = lines.lines_all and (stakes.waste_annual is null or stakes.waste_annual <> lines.waste_annual))
    or (lines.lines_known < lines.lines_all and stakes.waste_annual is not null)
