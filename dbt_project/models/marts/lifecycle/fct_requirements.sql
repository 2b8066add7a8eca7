with requirements as (

    select * from {{ source('computed', 'requirements') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        requirements.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        cast(requirements.phase as bigint) as phase,
        requirements.requirement_id,
        requirements.title,
        requirements.status,
        requirements.is_mandatory,
        requirements.who_is_chased,
        requirements.action,
        requirements.evidence,
        requirements.evidence_rows,
        requirements.rule_version
    from requirements
    left join accounts on requirements.account_key = accounts.account_key

)

select * from final
