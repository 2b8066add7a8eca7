with versions as (

    select * from {{ ref('base_support__ticket_events') }}

),

final as (

    select
        versions.ticket_event_key,
        versions.ticket_key,
        versions.metric,
        versions.event_type,
        versions.occurred_at,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
