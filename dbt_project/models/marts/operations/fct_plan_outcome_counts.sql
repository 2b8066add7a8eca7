{#- Plans, not criteria: what a team asks is how many plans came to something. The share leaves out what has no answer. -#}
{{ config(materialized='table') }}

with plans as (

    select * from {{ ref('fct_plan_outcomes') }}
    where criterion_number = 1

),

counted as (

    select
        as_of_date,
        document,
        segment,
        cast(count(*) as bigint) as plans,
        cast(count(executed_on) as bigint) as plans_executed,
        {%- for state in ['open', 'met', 'missed', 'expired', 'unknown'] %}
        cast(sum(case when plan_state = '{{ state }}' then 1 else 0 end) as bigint) as plans_{{ state }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from plans
    group by as_of_date, document, segment

),

final as (

    select
        as_of_date,
        document,
        segment,
        plans,
        plans_executed,
        plans_open,
        plans_met,
        plans_missed,
        plans_expired,
        plans_unknown,
        {{ safe_divide('plans_met', '(plans_met + plans_missed)') }} as met_share,
        {{ wilson_bound('plans_met', '(plans_met + plans_missed)', '-') }} as met_share_low,
        {{ wilson_bound('plans_met', '(plans_met + plans_missed)', '+') }} as met_share_high
    from counted

)

select * from final
