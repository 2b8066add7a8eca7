with versions as (

    {{ latest_versions('fx_rates', 'fx_rate_key') }}

),

final as (

    select
        versions.fx_rate_key,
        versions.currency,
        versions.rate_date,
        versions.rate,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
