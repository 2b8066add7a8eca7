{#- The step by which each account came to where it stands on the spine or in the exception; a night without a step must not leave this empty. -#}
{{ config(materialized='view', contract={'enforced': false}) }}

with transitions as (

    select * from {{ ref('fct_phase_transitions') }}

),

states as (

    select * from {{ ref('fct_account_state') }}

),

final as (

    select transitions.*
    from transitions
    inner join states
        on
            transitions.account_key = states.account_key
            and transitions.as_of_date = states.as_of_date
            and transitions.to_phase = states.phase
    where transitions.region in ('spine', 'exception')
    qualify row_number() over (
        partition by transitions.account_key
        order by transitions.as_of_date desc nulls last
    ) = 1

)

select * from final
