{#-
    Who holds each role at the customer: one row per account and role of the stakeholder map, also for a role that nobody holds.
    A person who has left holds nothing. Of several, the one we are closest to, then the one spoken to last, stands for the role.
-#}
{%- set roles = ['economic_buyer', 'champion', 'sponsor', 'admin', 'user'] -%}

with accounts as (

    select account_key from {{ ref('int_accounts') }}

),

roles as (

    {%- for role in roles %}
    select '{{ role }}' as role
    {%- if not loop.last %} union all{% endif %}
    {%- endfor %}

),

contacts as (

    select
        *,
        coalesce(is_active, true) and (left_on is null or left_on > {{ as_of_date() }}) as is_there,
        case when last_contacted_on <= {{ as_of_date() }} then last_contacted_on end as contacted_on
    from {{ ref('stg_crm__contacts') }}

),

feeds as (

    select
        {{ is_fed('contact') }} and count(case when role in ('sponsor', 'champion') then 1 end) > 0 as is_role_fed,
        count(relationship_strength) > 0 as is_strength_fed,
        count(last_contacted_on) > 0 as is_last_contact_fed
    from contacts

),

counted as (

    select
        account_key,
        role,
        cast(count(*) as bigint) as contacts_named,
        cast(sum(case when is_there then 1 else 0 end) as bigint) as contacts_active,
        max(case when not is_there and left_on <= {{ as_of_date() }} then left_on end) as last_left_on
    from contacts
    group by account_key, role

),

chosen as (

    select * from contacts
    where is_there
    qualify row_number() over (
        partition by account_key, role
        order by relationship_strength desc nulls last, contacted_on desc nulls last, contact_key asc nulls last
    ) = 1

),

joined as (

    select
        accounts.account_key,
        roles.role,
        coalesce(counted.contacts_named, 0) as contacts_named,
        coalesce(counted.contacts_active, 0) as contacts_active,
        chosen.contact_key,
        chosen.full_name,
        chosen.title,
        chosen.relationship_strength,
        chosen.contacted_on as last_contacted_on,
        {{ days_between('chosen.contacted_on', as_of_date()) }} as days_since_contact,
        counted.last_left_on,
        feeds.is_role_fed,
        feeds.is_strength_fed,
        feeds.is_last_contact_fed
    from accounts
    cross join roles
    cross join feeds
    left join counted on accounts.account_key = counted.account_key and roles.role = counted.role
    left join chosen on accounts.account_key = chosen.account_key and roles.role = chosen.role

),

final as (

    select
        account_key,
        role,
        contacts_named,
        contacts_active,
        contact_key,
        full_name,
        title,
        relationship_strength,
        last_contacted_on,
        days_since_contact,
        last_left_on,
        contacts_active = 1 as is_single_thread,
        case
            when not is_role_fed then 'unknown'
            when contacts_active = 0 and contacts_named > 0 then 'left'
            when contacts_active = 0 then 'nobody'
            when relationship_strength < {{ threshold('stakeholder_strength_min') }} then 'weak'
            when days_since_contact > {{ threshold('stakeholder_contact_days') }} then 'cold'
            when is_strength_fed and relationship_strength is null then 'unrated'
            else 'held'
        end as status
    from joined

)

select * from final
