with versions as (

    {{ latest_versions('ebrs', 'ebr_key') }}

),

final as (

    select
        versions.ebr_key,
        versions.account_key,
        versions.held_on,
        versions.status,
        versions.outcome,
        versions.sponsor_attended,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
