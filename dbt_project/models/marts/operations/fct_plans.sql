{{ config(materialized='table') }}

with drafts as (

    select * from {{ source('ops', 'draft_versions') }}

),

requests as (

    select
        draft_id,
        request_id,
        state,
        decided_at,
        row_number() over (partition by draft_id order by version desc nulls last) as recency
    from {{ source('ops', 'approval_requests') }}

),

final as (

    select
        drafts.draft_id,
        drafts.account_key,
        drafts.account_name,
        drafts.document,
        drafts.audience,
        drafts.as_of_date,
        cast(drafts.version as bigint) as version,
        row_number() over (
            partition by drafts.account_key, drafts.document
            order by drafts.version desc nulls last
        ) = 1 as is_newest,
        drafts.status,
        cast(drafts.gate_finding_count as bigint) as gate_finding_count,
        drafts.gate_findings,
        drafts.is_redraft,
        drafts.written_by,
        drafts.model,
        drafts.prompt_sha256,
        drafts.draft_key,
        drafts.facts_sha256,
        drafts.rendered_sha256,
        cast(drafts.fact_count as bigint) as fact_count,
        cast(drafts.text_length as bigint) as text_length,
        drafts.cost_usd,
        requests.request_id,
        coalesce(requests.state, 'not_requested') as approval_state,
        requests.decided_at,
        drafts.created_at
    from drafts
    left join requests
        on drafts.draft_id = requests.draft_id
        and requests.recency = 1

)

select * from final
