with versions as (

    {{ latest_versions('opportunities', 'opportunity_key') }}

),

final as (

    select
        versions.opportunity_key,
        versions.account_key,
        versions.opportunity_name,
        versions.opportunity_type,
        versions.stage,
        versions.amount,
        versions.currency,
        versions.created_on,
        versions.close_date,
        versions.is_closed,
        versions.is_won,
        versions.owner_email,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
