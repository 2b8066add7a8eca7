with versions as (

    {{ latest_versions('tasks', 'task_key') }}

),

final as (

    select
        versions.task_key,
        versions.account_key,
        versions.subject,
        versions.task_kind,
        versions.status,
        versions.priority,
        versions.created_on,
        versions.due_date,
        versions.completed_on,
        versions.owner_email,
        versions.meeting_key,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
