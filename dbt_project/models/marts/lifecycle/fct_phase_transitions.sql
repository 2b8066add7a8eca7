with transitions as (

    select * from {{ source('computed', 'phase_transitions') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        transitions.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        transitions.region,
        transitions.change,
        cast(transitions.from_phase as bigint) as from_phase,
        cast(transitions.to_phase as bigint) as to_phase,
        transitions.reason,
        transitions.evidence,
        transitions.rule_version
    from transitions
    left join accounts on transitions.account_key = accounts.account_key

)

select * from final
