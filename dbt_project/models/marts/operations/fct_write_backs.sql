{{ config(materialized='table') }}

with outbox as (

    select * from {{ source('ops', 'outbox') }}

),

requests as (

    select * from {{ source('ops', 'approval_requests') }}

),

final as (

    select
        outbox.entry_id,
        outbox.kind,
        outbox.action,
        outbox.target,
        outbox.object_name,
        outbox.external_id,
        outbox.record_id,
        outbox.account_key,
        outbox.request_id,
        outbox.standing_id,
        requests.document,
        requests.decided_by as approved_by,
        outbox.approved_sha256,
        outbox.state,
        cast(outbox.attempts as bigint) as attempts,
        outbox.was_created,
        outbox.before_values,
        outbox.proposed_values,
        outbox.after_values,
        outbox.error,
        outbox.created_at,
        outbox.updated_at
    from outbox
    left join requests on outbox.request_id = requests.request_id

)

select * from final
