with versions as (

    {{ latest_versions('meetings', 'meeting_key') }}

),

final as (

    select
        versions.meeting_key,
        versions.account_key,
        versions.meeting_kind,
        versions.subject,
        versions.held_at,
        versions.status,
        versions.notes,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
