with versions as (

    {{ latest_versions('tasks', 'task_key') }}

),

final as (

    select
        versions.task_key,
        versions.account_key,
        versions.subject,
        versions.status,
        versions.priority,
        versions.due_date,
        versions.owner_email,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
