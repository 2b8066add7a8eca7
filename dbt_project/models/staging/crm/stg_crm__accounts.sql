with versions as (

    {{ latest_versions('accounts', 'account_key') }}

),

held as (

    {{ held_accounts() }}

),

final as (

    select
        versions.account_key,
        versions.account_name,
        versions.domain,
        versions.segment,
        versions.tier,
        versions.parent_account_key,
        versions.owner_name,
        versions.owner_email,
        versions.csm_name,
        versions.csm_email,
        versions.director_email,
        versions.arr_amount,
        versions.currency,
        versions.customer_since,
        versions.notice_received_on,
        versions.known_at,
        held.hold_reason
    from versions
    left join held on versions.account_key = held.account_key
    where not versions.is_deleted

)

select * from final
