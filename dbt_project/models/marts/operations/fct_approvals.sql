{{ config(materialized='table') }}

with requests as (

    select * from {{ source('ops', 'approval_requests') }}

),

writes as (

    select
        request_id,
        count(*) as writes_intended,
        sum(case when state in ('verified', 'skipped') then 1 else 0 end) as writes_verified
    from {{ source('ops', 'outbox') }}
    where request_id is not null
    group by request_id

),

events as (

    select
        request_id,
        count(*) as events,
        max(case when action = 'verify' then occurred_at end) as verified_at
    from {{ source('ops', 'approval_events') }}
    group by request_id

),

final as (

    select
        requests.request_id,
        requests.draft_id,
        requests.account_key,
        requests.account_name,
        requests.document,
        cast(requests.version as bigint) as version,
        requests.as_of_date,
        requests.state,
        requests.approver_role,
        requests.risk_band,
        requests.arr_amount,
        requests.currency,
        cast(requests.replan_round as bigint) as replan_round,
        requests.decided_by,
        requests.decided_role,
        requests.decided_channel,
        requests.decided_at,
        case
            when requests.decided_at is not null
                then cast({{ dbt.datediff('requests.created_at', 'requests.decided_at', 'minute') }} as bigint)
        end as minutes_to_decision,
        requests.segment,
        cast(requests.approvals_needed as bigint) as approvals_needed,
        requests.edited_by,
        requests.reminded_at,
        requests.escalated_at,
        requests.note,
        requests.payload_sha256,
        requests.approved_sha256,
        requests.policy_version,
        cast(requests.attempt as bigint) as attempt,
        cast(coalesce(writes.writes_intended, 0) as bigint) as writes_intended,
        cast(coalesce(writes.writes_verified, 0) as bigint) as writes_verified,
        cast(coalesce(events.events, 0) as bigint) as events,
        requests.created_at,
        requests.expires_at,
        events.verified_at
    from requests
    left join writes on requests.request_id = writes.request_id
    left join events on requests.request_id = events.request_id

)

select * from final
