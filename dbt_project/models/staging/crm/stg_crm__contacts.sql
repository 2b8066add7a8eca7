with versions as (

    {{ latest_versions('contacts', 'contact_key') }}

),

final as (

    select
        versions.contact_key,
        versions.account_key,
        versions.full_name,
        versions.email,
        versions.title,
        versions.role,
        versions.is_active,
        versions.left_on,
        versions.last_contacted_on,
        versions.relationship_strength,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
