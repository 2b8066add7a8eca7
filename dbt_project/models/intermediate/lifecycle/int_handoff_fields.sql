{#-
    Which mandatory fields the newest sales handoff of each account holds. A field is there if one of its cues stands in the text
    and something other than a blank or a placeholder follows it on the same line. Plain string functions: a regular expression
    means different things on DuckDB and Snowflake.

    Seats, term and notice period are also taken from the contract lines: what the CRM holds need not be asked again.
-#}
{%- set placeholders = "'', 'tbd', 'tba', 'tbc', 'n/a', 'na', 'none', 'unknown', 'open', '?', '-', 'to be defined', 'to be confirmed', 'not known'" -%}

with accounts as (

    select
        account_key,
        evidence_from
    from {{ ref('int_contract_cycles') }}

),

cues as (

    select * from {{ ref('handoff_cues') }}

),

handoffs as (

    select
        documents.account_key,
        documents.document_key,
        documents.authored_on,
        replace(replace(replace(lower(documents.body), '*', ''), '#', ''), chr(13), '') as body
    from {{ ref('stg_crm__documents') }} as documents
    inner join accounts on documents.account_key = accounts.account_key
    where
        documents.document_kind = 'handoff'
        and (documents.authored_on is null or documents.authored_on <= {{ as_of_date() }})
        and (accounts.evidence_from is null or documents.authored_on >= accounts.evidence_from)
    qualify row_number() over (
        partition by documents.account_key
        order by documents.authored_on desc nulls last, documents.document_key desc nulls last
    ) = 1

),

found as (

    select
        handoffs.account_key,
        handoffs.document_key,
        handoffs.authored_on,
        cues.field_name,
        cues.label,
        trim(replace(replace(replace(split_part(split_part(handoffs.body, cues.cue, 2), chr(10), 1), ':', ' '), '.', ' '), chr(9), ' ')) as told
    from handoffs
    cross join cues

),

fields_in_documents as (

    select
        account_key,
        document_key,
        authored_on,
        field_name,
        label,
        {{ any_true("told not in (" ~ placeholders ~ ")") }} as is_present
    from found
    group by account_key, document_key, authored_on, field_name, label

),

-- Without a document every field that only a document can hold is missing.
expected as (

    select distinct
        accounts.account_key,
        cues.field_name,
        cues.label
    from accounts
    cross join cues

),

told_fields as (

    select
        expected.account_key,
        fields_in_documents.document_key,
        fields_in_documents.authored_on,
        expected.field_name,
        expected.label,
        coalesce(fields_in_documents.is_present, false) as is_present
    from expected
    left join fields_in_documents
        on
            expected.account_key = fields_in_documents.account_key
            and expected.field_name = fields_in_documents.field_name

),

contract_fields as (

    select
        account_key,
        {{ any_true('seats is null') }} as lacks_seats,
        {{ any_true('start_date is null') }} as lacks_term,
        {{ any_true('end_date is not null and notice_days is null') }} as lacks_notice_days
    from {{ ref('int_contract_lines') }}
    where is_active
    group by account_key

),

final as (

    select
        account_key,
        document_key,
        authored_on,
        field_name,
        label,
        is_present
    from told_fields

    {%- for field, label in [('seats', 'seats'), ('term', 'contract term'), ('notice_days', 'notice period')] %}

    union all

    select
        account_key,
        cast(null as {{ dbt.type_string() }}) as document_key,
        cast(null as date) as authored_on,
        '{{ field }}' as field_name,
        '{{ label }}' as label,
        not lacks_{{ field }} as is_present
    from contract_fields
    {%- endfor %}

)

select * from final
