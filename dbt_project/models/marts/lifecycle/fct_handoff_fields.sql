with fields as (

    select * from {{ source('computed', 'handoff_fields') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        fields.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        fields.field_id,
        fields.label,
        fields.section,
        fields.is_mandatory,
        cast(fields.required_by_phase as bigint) as required_by_phase,
        fields.status,
        fields.value as field_value,
        fields.source as source_name,
        fields.reason,
        fields.crm_value,
        fields.document_value,
        fields.document_kind,
        fields.document_key,
        fields.quote,
        cast(fields.quote_start as bigint) as quote_start,
        cast(fields.quote_end as bigint) as quote_end,
        fields.sources,
        fields.who_is_chased,
        fields.rule_version
    from fields
    left join accounts on fields.account_key = accounts.account_key

)

select * from final
