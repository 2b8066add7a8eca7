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
        risks.summary
    from risks
    left join accounts on risks.account_key = accounts.account_key

)

select * from final
