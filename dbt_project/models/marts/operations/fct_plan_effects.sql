{{ config(materialized='table') }}

with effects as (

    select * from {{ source('computed', 'plan_effects') }}

),

final as (

    select
        as_of_date,
        document,
        measure,
        status,
        statement,
        cast(n_treated as bigint) as n_treated,
        cast(n_matched as bigint) as n_matched,
        cast(n_controls as bigint) as n_controls,
        cast(effect as double) as effect,
        cast(low_95 as double) as low_95,
        cast(high_95 as double) as high_95,
        cast(controls_planned as double) as controls_planned,
        cast(n_placebo as bigint) as n_placebo,
        cast(placebo as double) as placebo,
        cast(placebo_low_95 as double) as placebo_low_95,
        cast(placebo_high_95 as double) as placebo_high_95,
        is_placebo_clear,
        rule_version
    from effects

)

select * from final
