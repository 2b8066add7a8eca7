{#- Made anew each night: a night that is built late changes the outcomes of the days after it, and all of them are in the source. -#}
{{ config(materialized='table') }}

with outcomes as (

    select * from {{ source('computed', 'plan_outcomes') }}

),

final as (

    select
        request_id,
        account_key,
        account_name,
        coalesce(segment, 'unknown') as segment,
        document,
        cast(version as bigint) as version,
        as_of_date,
        cast(criterion_number as bigint) as criterion_number,
        criterion,
        sentence,
        measure,
        comparison,
        judged,
        cast(target as double) as target,
        cast(baseline as double) as baseline,
        baseline_on,
        cast(bar as double) as bar,
        approved_on,
        executed_on,
        withdrawn_on,
        due_on,
        state,
        cast(value as double) as value,
        value_text,
        value_on,
        reason,
        plan_state,
        rule_version
    from outcomes

)

select * from final
