{#-
    One row per account ever seen, as of the newest date on which it was seen. Rebuilding an old day leaves newer rows alone.
-#}
{{
    config(
        incremental_strategy='delete+insert',
        unique_key='account_key',
    )
}}

with accounts as (

    select * from {{ ref('int_accounts') }}

),

staged as (

    select * from {{ ref('stg_crm__accounts') }}

),

final as (

    select
        accounts.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        staged.domain,
        accounts.segment,
        accounts.tier,
        staged.parent_account_key,
        accounts.owner_name,
        accounts.owner_email,
        accounts.csm_name,
        accounts.csm_email,
        accounts.director_email,
        cast(accounts.arr_amount as decimal(18, 2)) as arr_amount,
        accounts.currency,
        accounts.customer_since,
        accounts.first_contract_start,
        accounts.notice_received_on,
        accounts.notice_served_on
    from accounts
    inner join staged on accounts.account_key = staged.account_key
    {% if is_incremental() %}
    where not exists (
        select 1
        from {{ this }} as newer
        where newer.account_key = accounts.account_key and newer.as_of_date > {{ as_of_date() }}
    )
    {% endif %}

)

select * from final
