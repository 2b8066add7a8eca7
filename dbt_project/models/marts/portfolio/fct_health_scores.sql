with scores as (

    select * from {{ source('computed', 'account_scores') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        scores.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        cast(scores.lean_risk as double) as lean_risk,
        scores.risk_band,
        coalesce(scores.raw_band, scores.risk_band) as raw_band,
        -- Nothing is held while there is no score to hold against.
        coalesce(scores.raw_band <> scores.risk_band and scores.risk_band <> 'unknown', false) as is_band_held,
        scores.band_reason,
        cast(scores.muda_score as double) as muda_score,
        cast(scores.mura_score as double) as mura_score,
        cast(scores.muri_score as double) as muri_score,
        cast(scores.coverage as double) as coverage,
        scores.floor_reason,
        scores.previous_as_of_date,
        cast(scores.previous_lean_risk as double) as previous_lean_risk,
        scores.previous_band,
        cast(scores.lean_risk_change as double) as lean_risk_change,
        cast(scores.rule_change as double) as rule_change,
        scores.why,
        scores.score_version
    from scores
    left join accounts on scores.account_key = accounts.account_key

)

select * from final
