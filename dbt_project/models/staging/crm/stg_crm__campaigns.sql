with versions as (

    {{ latest_versions('campaigns', 'campaign_key') }}

),

final as (

    select
        versions.campaign_key,
        versions.account_key,
        versions.campaign_kind,
        versions.campaign_name,
        versions.started_on,
        versions.ended_on,
        versions.users_targeted,
        versions.users_responded,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
