with versions as (

    {{ latest_versions('contract_lines', 'contract_line_key') }}

),

held as (

    {{ held_accounts() }}

),

final as (

    select
        versions.contract_line_key,
        versions.account_key,
        versions.product,
        versions.seats,
        versions.list_unit_price_annual,
        versions.net_unit_price_annual,
        versions.currency,
        versions.start_date,
        versions.end_date,
        versions.notice_days,
        versions.auto_renew,
        versions.status,
        versions.notice_served_on,
        versions.term_months,
        versions.billing_frequency,
        versions.sla_tier,
        versions.discount_expires_on,
        versions.known_at,
        held.hold_reason
    from versions
    left join held on versions.account_key = held.account_key
    where not versions.is_deleted

)

select * from final
