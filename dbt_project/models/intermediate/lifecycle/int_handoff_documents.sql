{#-
    The newest document of each kind that a handoff is audited by, of the relation that counts: a text of a relation that was lost and
    won back says nothing of the new one. `text_hash` tells a text that was read already (computed.document_terms) from a new one.
-#}
with accounts as (

    select
        account_key,
        evidence_from
    from {{ ref('int_contract_cycles') }}

),

documents as (

    select * from {{ ref('stg_crm__documents') }}

),

final as (

    select
        documents.account_key,
        documents.document_kind,
        documents.document_key,
        documents.authored_on,
        documents.body,
        {{ dbt.hash('documents.body') }} as text_hash
    from documents
    inner join accounts on documents.account_key = accounts.account_key
    where
        documents.document_kind in ('handoff', 'sales_document', 'contract')
        and (documents.authored_on is null or documents.authored_on <= {{ as_of_date() }})
        and (accounts.evidence_from is null or documents.authored_on >= accounts.evidence_from)
    qualify row_number() over (
        partition by documents.account_key, documents.document_kind
        order by documents.authored_on desc nulls last, documents.document_key desc nulls last
    ) = 1

)

select * from final
