with versions as (

    {{ latest_versions('milestones', 'milestone_key') }}

),

final as (

    select
        versions.milestone_key,
        versions.account_key,
        versions.milestone_kind,
        versions.metric_name,
        versions.baseline_value,
        versions.target_value,
        versions.measured_value,
        versions.due_date,
        versions.reached_on,
        versions.measured_on,
        versions.owner_email,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
