with requests as (

    select * from {{ source('computed', 'anchor_requests') }}
    where as_of_date = {{ as_of_date() }}

),

states as (

    select
        account_key,
        phase
    from {{ source('computed', 'account_state') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        requests.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        coalesce(states.phase = 1, false) as is_due,
        cast(requests.request_round as bigint) as request_round,
        requests.is_escalated,
        requests.addressed_to,
        requests.addressee_name,
        requests.addressee_email,
        requests.subject,
        requests.request_text,
        requests.fields_asked,
        requests.rule_version
    from requests
    left join states on requests.account_key = states.account_key
    left join accounts on requests.account_key = accounts.account_key

)

select * from final
