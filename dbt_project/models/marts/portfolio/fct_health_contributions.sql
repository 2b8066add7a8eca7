with contributions as (

    select * from {{ source('computed', 'health_contributions') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

scores as (

    select * from {{ source('computed', 'account_scores') }}
    where as_of_date = {{ as_of_date() }}

),

final as (

    select
        contributions.account_key,
        {{ as_of_date() }} as as_of_date,
        contributions.measure,
        accounts.account_name,
        contributions.dimension,
        contributions.status,
        cast(contributions.value as double) as value,
        contributions.unit,
        cast(contributions.sub_score as double) as sub_score,
        cast(contributions.base_weight as double) as base_weight,
        cast(contributions.weight as double) as weight,
        cast(contributions.contribution as double) as contribution,
        cast(contributions.previous_contribution as double) as previous_contribution,
        cast(contributions.change as double) as change,
        contributions.detail,
        scores.previous_as_of_date,
        scores.score_version
    from contributions
    left join accounts on contributions.account_key = accounts.account_key
    left join scores on contributions.account_key = scores.account_key

)

select * from final
