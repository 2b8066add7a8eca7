-- The facts of the PSP diagnostic that the lifecycle's rules read, one row per account.
with diagnostic as (

    select * from {{ ref('int_psp_diagnostic') }}

),

final as (

    select
        account_key,
        verdict as psp_verdict,
        document as psp_document,
        reason as psp_reason,
        pain_key as psp_pain_key,
        pain_status as psp_pain_status,
        is_single_threaded as psp_is_single_threaded,
        red_flags as psp_red_flags
    from diagnostic

)

select * from final
