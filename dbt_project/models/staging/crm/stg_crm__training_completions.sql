with versions as (

    {{ latest_versions('training_completions', 'training_completion_key') }}

),

final as (

    select
        versions.training_completion_key,
        versions.account_key,
        versions.user_key,
        versions.course,
        versions.completed_at,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
