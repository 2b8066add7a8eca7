with stakeholders as (

    select * from {{ ref('int_stakeholders') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        stakeholders.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        stakeholders.role,
        stakeholders.status,
        stakeholders.contacts_named,
        stakeholders.contacts_active,
        stakeholders.is_single_thread,
        stakeholders.contact_key,
        stakeholders.full_name,
        stakeholders.title,
        cast(stakeholders.relationship_strength as bigint) as relationship_strength,
        stakeholders.last_contacted_on,
        stakeholders.days_since_contact,
        stakeholders.last_left_on
    from stakeholders
    inner join accounts on stakeholders.account_key = accounts.account_key

)

select * from final
