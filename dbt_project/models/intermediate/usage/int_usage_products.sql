{#-
    From which day on each product could be seen in the telemetry. A few rows a night, instead of a distinct over all history.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
    )
}}

with arrivals as (

    select * from {{ ref('int_usage_daily') }}
    where {{ is_new_load() }}

),

final as (

    select
        product,
        min({{ greater('known_date', 'activity_date') }}) as counts_from,
        (select max(load_number) from arrivals) as load_number
    from arrivals
    group by product

)

select * from final
