{#-
    Seats that somebody can log in with at the end of D, per account and product. No assignment ever known for an account in which people
    work means that its assignments are kept elsewhere: unknown, and not an empty deployment.
-#}
with positions as (

    select * from {{ ref('int_license_position') }}

),

assignments as (

    select
        account_key,
        product,
        count(distinct case when assigned_at < {{ as_of_end() }} and coalesce(revoked_at >= {{ as_of_end() }}, true) then user_key end) as seats_provisioned
    from {{ ref('stg_product__license_assignments') }}
    group by account_key, product

),

assigned_accounts as (

    select distinct account_key from assignments

),

account_usage as (

    select
        account_key,
        active_users_28d,
        usage_status
    from {{ ref('int_account_usage') }}

),

judged as (

    select
        positions.account_key,
        positions.product,
        positions.seats_contracted,
        coalesce(assignments.seats_provisioned, 0) as seats_provisioned,
        case
            when not {{ is_fed('license_assignment') }} then 'licence assignments are not fed'
            when assigned_accounts.account_key is null and account_usage.active_users_28d > 0 then 'no assignment known, yet people work'
            when assigned_accounts.account_key is null and coalesce(account_usage.usage_status not in ('ok', 'insufficient'), true)
                then 'no assignment known and use cannot be seen'
        end as unknown_reason,
        positions.active_users_28d
    from positions
    left join assignments on positions.account_key = assignments.account_key and positions.product = assignments.product
    left join assigned_accounts on positions.account_key = assigned_accounts.account_key
    left join account_usage on positions.account_key = account_usage.account_key

),

final as (

    select
        account_key,
        product,
        seats_contracted,
        case when unknown_reason is null then cast(seats_provisioned as bigint) end as seats_provisioned,
        case when unknown_reason is null then cast(seats_contracted - seats_provisioned as bigint) end as deployment_gap,
        case when unknown_reason is null then cast({{ lesser('active_users_28d', 'seats_provisioned') }} as bigint) end as provisioned_in_use_28d,
        case when unknown_reason is null then 'ok' else 'unknown' end as status,
        unknown_reason as status_reason
    from judged

)

select * from final
