-- The points of an account's measures are its score, and their changes are the score's change: else "why did it drop" is a story.
with scores as (

    select * from {{ ref('fct_health_scores') }}
    where as_of_date = {{ as_of_date() }}

),

sums as (

    select
        account_key,
        sum(contribution) as contributions,
        sum(change) as changes
    from {{ ref('fct_health_contributions') }}
    where as_of_date = {{ as_of_date() }}
    group by account_key

)

select
    scores.account_key,
    scores.lean_risk,
    sums.contributions,
    scores.lean_risk_change,
    sums.changes
from scores
left join sums on scores.account_key = sums.account_key
where
    (scores.lean_risk is not null and (sums.contributions is null or abs(scores.lean_risk - sums.contributions) > 0.005))
    or (scores.lean_risk is null and sums.contributions is not null)
    or (scores.lean_risk_change is not null and (sums.changes is null or abs(scores.lean_risk_change - sums.changes) > 0.02))
