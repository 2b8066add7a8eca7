with versions as (

    select * from {{ ref('base_support__tickets') }}

),

final as (

    select
        versions.ticket_key,
        versions.account_key,
        versions.subject,
        versions.priority,
        versions.status,
        versions.requester_key,
        versions.opened_at,
        versions.solved_at,
        versions.reopen_count,
        versions.is_escalated,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
