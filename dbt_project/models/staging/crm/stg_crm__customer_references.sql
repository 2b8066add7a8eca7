with versions as (

    {{ latest_versions('customer_references', 'reference_key') }}

),

final as (

    select
        versions.reference_key,
        versions.account_key,
        versions.contact_key,
        versions.reference_kind,
        versions.status,
        versions.consented_on,
        versions.expires_on,
        versions.given_on,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
