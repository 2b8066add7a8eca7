{#-
    Which required fields of the CRM record each account has. One row per account and field that this portfolio keeps: a field that is
    empty for everybody is not mapped, and says nothing about anybody.
-#}
{%- set fields = [
    'owner', 'csm', 'segment', 'tier', 'domain', 'arr', 'currency', 'customer_since', 'contact', 'contact_email', 'contact_role',
    'renewal_date', 'notice_days', 'net_price',
] %}

with accounts as (

    select * from {{ ref('stg_crm__accounts') }}
    where hold_reason is null

),

contacts as (

    select
        account_key,
        {{ any_true("trim(coalesce(email, \'\')) <> \'\'") }} as has_contact_email,
        {{ any_true("trim(coalesce(role, \'\')) <> \'\'") }} as has_contact_role
    from {{ ref('stg_crm__contacts') }}
    where coalesce(is_active, true)
    group by account_key

),

-- Fields of the contract are asked of customers with a contract; a line without an end has no notice period to keep.
lines as (

    select
        account_key,
        not {{ any_true('end_date is null and coalesce(auto_renew, false)') }} as has_renewal_date,
        not {{ any_true('end_date is not null and notice_days is null') }} as has_notice_days,
        not {{ any_true('net_unit_price_annual is null') }} as has_net_price
    from {{ ref('int_contract_lines') }}
    where is_active
    group by account_key

),

wide as (

    select
        accounts.account_key,
        trim(coalesce(accounts.owner_name, '')) <> '' as has_owner,
        trim(coalesce(accounts.csm_name, '')) <> '' as has_csm,
        trim(coalesce(accounts.segment, '')) <> '' as has_segment,
        trim(coalesce(accounts.tier, '')) <> '' as has_tier,
        trim(coalesce(accounts.domain, '')) <> '' as has_domain,
        accounts.arr_amount is not null as has_arr,
        trim(coalesce(accounts.currency, '')) <> '' as has_currency,
        accounts.customer_since is not null as has_customer_since,
        contacts.account_key is not null as has_contact,
        coalesce(contacts.has_contact_email, false) as has_contact_email,
        coalesce(contacts.has_contact_role, false) as has_contact_role,
        lines.has_renewal_date,
        lines.has_notice_days,
        lines.has_net_price
    from accounts
    left join contacts on accounts.account_key = contacts.account_key
    left join lines on accounts.account_key = lines.account_key

),

long as (
    {% for field in fields %}
    select
        account_key,
        '{{ field }}' as field_name,
        has_{{ field }} as is_filled
    from wide
    where has_{{ field }} is not null
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}

),

kept as (

    select field_name
    from long
    where is_filled
    group by field_name

),

final as (

    select
        long.account_key,
        long.field_name,
        required.label,
        long.is_filled
    from long
    inner join kept on long.field_name = kept.field_name
    inner join {{ ref('crm_required_fields') }} as required on long.field_name = required.field_name

)

select * from final
