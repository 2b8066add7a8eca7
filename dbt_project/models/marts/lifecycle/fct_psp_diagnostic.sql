with diagnostic as (

    select * from {{ ref('int_psp_diagnostic') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        diagnostic.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        diagnostic.verdict,
        diagnostic.document,
        diagnostic.reason,
        diagnostic.economic_buyer_status,
        diagnostic.economic_buyer_name,
        diagnostic.champion_status,
        diagnostic.champion_name,
        diagnostic.sponsor_status,
        diagnostic.sponsor_name,
        diagnostic.admin_status,
        diagnostic.user_status,
        diagnostic.threads,
        diagnostic.is_single_threaded,
        diagnostic.pain_key,
        diagnostic.pain_metric,
        diagnostic.pain_baseline,
        diagnostic.pain_target,
        diagnostic.pain_due_on,
        diagnostic.pain_owner,
        diagnostic.pain_status,
        diagnostic.red_flags_seen as red_flags_open,
        diagnostic.red_flags_without_owner,
        diagnostic.red_flags
    from diagnostic
    inner join accounts on diagnostic.account_key = accounts.account_key

)

select * from final
