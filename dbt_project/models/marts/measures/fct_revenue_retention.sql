{#-
    Gross and net retention of the accounts that paid something a year ago, and the share of what was up for renewal since then that was
    renewed. METRICS.md section 5: gross is capped per account, net has no new customers, the renewal rate has its own denominator.
-#}
with revenue as (

    select * from {{ ref('int_account_revenue') }}

),

accounts as (

    select
        account_key,
        coalesce(segment, 'unknown') as segment
    from {{ ref('int_accounts') }}

),

segmented as (

    select
        accounts.segment,
        revenue.*
    from revenue
    inner join accounts on revenue.account_key = accounts.account_key

    union all

    select
        '*' as segment,
        revenue.*
    from revenue

),

totals as (

    select
        segment,
        cast(sum(case when arr_then > 0 then 1 else 0 end) as bigint) as accounts_in_cohort,
        cast(sum(case when arr_then > 0 and arr_now = 0 then 1 else 0 end) as bigint) as accounts_lost,
        cast(sum(case when status <> 'ok' then 1 else 0 end) as bigint) as accounts_unknown,
        {{ any_true("status = 'ok'") }} as has_known,
        {{ money_sum('coalesce(arr_then, 0)') }} as arr_start,
        {{ money_sum('case when arr_then > 0 then arr_now else 0 end') }} as arr_end,
        {{ money_sum('case when arr_then > 0 then ' ~ lesser('arr_now', 'arr_then') ~ ' else 0 end') }} as arr_kept,
        {{ money_sum('coalesce(arr_available, 0)') }} as arr_available_to_renew,
        {{ money_sum('coalesce(arr_renewed, 0)') }} as arr_renewed,
        {{ money_sum('coalesce(arr_undecided, 0)') }} as arr_undecided,
        cast(coalesce(sum(renewals_due), 0) as bigint) as renewals_due
    from segmented
    group by segment

),

rated as (

    select
        totals.*,
        cast({{ threshold('retention_window_days') }} as bigint) as window_days,
        {{ safe_divide('arr_kept', 'arr_start') }} as gross_retention,
        {{ safe_divide('arr_end', 'arr_start') }} as net_retention,
        {{ safe_divide('arr_renewed', 'arr_available_to_renew') }} as renewal_rate
    from totals

),

final as (

    select
        rated.segment,
        {{ as_of_date() }} as as_of_date,
        {{ days_after(as_of_date(), '-' ~ threshold('retention_window_days')) }} as window_start,
        {{ as_of_date() }} as window_end,
        rated.window_days,
        rated.accounts_in_cohort,
        rated.accounts_lost,
        rated.accounts_unknown,
        {{ portfolio_currency() }} as portfolio_currency,
        {%- for amount in ['arr_start', 'arr_end', 'arr_kept', 'arr_available_to_renew', 'arr_renewed', 'arr_undecided'] %}
        case when rated.has_known then rated.{{ amount }} end as {{ amount }},
        {%- endfor %}
        rated.gross_retention,
        rated.net_retention,
        -- A year is 365 days; over another window the rate compounds.
        power(rated.gross_retention, {{ safe_divide('365', 'rated.window_days') }}) as gross_retention_annualised,
        power(rated.net_retention, {{ safe_divide('365', 'rated.window_days') }}) as net_retention_annualised,
        rated.renewals_due,
        rated.renewal_rate,
        case
            when not rated.has_known then 'unknown'
            when rated.accounts_in_cohort = 0 then 'insufficient'
            else 'ok'
        end as status,
        case
            when not rated.has_known then 'contracts are not known'
            when rated.accounts_in_cohort = 0 then 'no account paid anything at the start of the window'
        end as status_reason
    from rated

)

select * from final
