with risks as (

    select * from {{ source('computed', 'risks') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        risks.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        risks.rule_id,
        risks.rule_version,
        risks.severity,
        risks.inputs,
        risks.threshold,
        cast(risks.p_value as double) as p_value,
        cast(risks.effect as double) as effect,
        risks.summary,
        cast(risks.q_value as double) as q_value,
        coalesce(risks.risk_status, 'open') as risk_status,
        coalesce(risks.is_within_capacity, true) as is_within_capacity,
        coalesce(risks.is_never_cut, false) as is_never_cut,
        cast(risks.capacity_rank as bigint) as capacity_rank,
        cast(risks.weekly_capacity as bigint) as weekly_capacity,
        risks.cut_reason
    from risks
    left join accounts on risks.account_key = accounts.account_key

)

select * from final
