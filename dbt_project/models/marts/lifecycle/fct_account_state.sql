with states as (

    select * from {{ source('computed', 'account_state') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

requirements as (

    select * from {{ source('computed', 'requirements') }}
    where as_of_date = {{ as_of_date() }}

),

final as (

    select
        states.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        cast(states.phase as bigint) as phase,
        states.phase_name,
        states.entered_on,
        {{ days_between('states.entered_on', as_of_date()) }} as days_in_phase,
        states.blocking_requirement_id,
        requirements.title as blocking_requirement,
        requirements.status as blocking_status,
        requirements.who_is_chased,
        requirements.action,
        cast(states.spine_phase as bigint) as spine_phase,
        cast(states.exception_phase as bigint) as exception_phase,
        states.open_overlays,
        states.snoozed_until,
        states.disputed_facts,
        states.rule_version
    from states
    left join accounts on states.account_key = accounts.account_key
    left join requirements
        on
            states.account_key = requirements.account_key
            and states.blocking_requirement_id = requirements.requirement_id

)

select * from final
