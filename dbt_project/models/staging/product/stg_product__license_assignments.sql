{#- A table and not a view: five models of a night read it, and each would choose the latest of all versions again. -#}
{{ config(materialized='table') }}

with versions as (

    {{ latest_versions('license_assignments', 'assignment_key') }}

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
