with versions as (

    select * from {{ ref('base_product__license_assignments') }}

),

final as (

    select
        versions.assignment_key,
        versions.account_key,
        versions.user_key,
        versions.product,
        versions.user_email,
        versions.assigned_at,
        versions.revoked_at,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
