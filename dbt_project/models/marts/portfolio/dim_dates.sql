{#-
    The calendar that metrics and dashboards count by. A view over digits: nothing to build in the night, the same days on every warehouse.
-#}
{{ config(materialized='view') }}

with digits as (

    {% for digit in range(10) -%}
    select {{ digit }} as digit
    {%- if not loop.last %} union all{% endif %}
    {% endfor %}

),

days as (

    select {{ days_after("cast('2015-01-01' as date)", "ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit") }} as date_day
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
    cross join digits as thousands

),

final as (

    select
        date_day,
        {{ iso_week_start('date_day') }} as week_start,
        {{ month_start('date_day') }} as month_start,
        {{ quarter_start('date_day') }} as quarter_start,
        {{ calendar_year('date_day') }} as calendar_year
    from days
    where date_day < cast('2040-01-01' as date)

)

select * from final
