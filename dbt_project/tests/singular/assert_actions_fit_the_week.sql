-- No owner has more hours in the queue than the week has; hours of what is already over count too, so this is the weaker half.
{{ config(tags=['marts']) }}

select
    queue_owner,
    sum(effort_hours) as hours,
    max(weekly_hours) as weekly_hours
from {{ ref('fct_next_best_actions') }}
where as_of_date = {{ as_of_date() }} and is_in_capacity
group by queue_owner
having sum(effort_hours) > max(weekly_hours) + 0.000001
