{#-
    Days to the first value milestone, per segment: Kaplan-Meier, so that customers who are still on their way count for as long as they
    have been. Survival is a product over the days with an event of 1 - events / at risk; it is rounded to twelve places, because one half
    reached by multiplication may miss one half by the last bit.
-#}
with accounts as (

    select
        time_to_value.*,
        coalesce(accounts.segment, 'unknown') as segment
    from {{ ref('int_time_to_value') }} as time_to_value
    inner join {{ ref('int_accounts') }} as accounts on time_to_value.account_key = accounts.account_key

),

segmented as (

    select
        segment,
        days,
        is_reached,
        age_days,
        status
    from accounts

    union all

    select
        '*' as segment,
        days,
        is_reached,
        age_days,
        status
    from accounts

),

totals as (

    select
        segment,
        cast(sum(case when status = 'ok' then 1 else 0 end) as bigint) as accounts,
        cast(sum(case when is_reached then 1 else 0 end) as bigint) as accounts_reached,
        cast(sum(case when status <> 'ok' then 1 else 0 end) as bigint) as accounts_unknown,
        cast(sum(case
            when is_reached and days <= {{ threshold('activation_days') }} and age_days >= {{ threshold('activation_days') }} then 1
            else 0
        end) as bigint) as accounts_activated,
        cast(sum(case when age_days >= {{ threshold('activation_days') }} then 1 else 0 end) as bigint) as activation_cohort
    from segmented
    group by segment

),

by_day as (

    select
        segment,
        days,
        sum(case when is_reached then 1 else 0 end) as reached,
        count(*) as observed
    from segmented
    where status = 'ok'
    group by segment, days

),

at_risk as (

    select
        by_day.*,
        sum(observed) over (partition by segment order by days desc nulls last rows between unbounded preceding and current row) as exposed
    from by_day

),

-- The logarithm of zero is not taken: once everybody at risk has arrived, survival is 0 from then on.
steps as (

    select
        segment,
        days,
        case
            when max(case when reached = exposed then 1 else 0 end) over (
                partition by segment order by days rows between unbounded preceding and current row
            ) = 1 then 0
            else round(exp(sum(case when reached = exposed then 0 else ln(1 - {{ safe_divide('reached', 'exposed') }}) end) over (
                partition by segment order by days rows between unbounded preceding and current row
            )), 12)
        end as survival
    from at_risk

),

crossings as (

    select
        segment,
        min(case when survival <= 0.5 then days end) as median_days,
        min(case when survival <= 0.1 then days end) as p90_days,
        min(survival) as share_not_reached
    from steps
    group by segment

),

final as (

    select
        totals.segment,
        {{ as_of_date() }} as as_of_date,
        totals.accounts,
        totals.accounts_reached,
        totals.accounts - totals.accounts_reached as accounts_censored,
        totals.accounts_unknown,
        cast(crossings.median_days as bigint) as median_days,
        cast(crossings.p90_days as bigint) as p90_days,
        cast(crossings.share_not_reached as double) as share_not_reached,
        cast({{ threshold('activation_days') }} as bigint) as activation_days,
        totals.activation_cohort,
        totals.accounts_activated,
        {{ safe_divide('totals.accounts_activated', 'totals.activation_cohort') }} as activation_rate,
        case
            when totals.accounts = 0 then 'unknown'
            when crossings.median_days is null then 'insufficient'
            else 'ok'
        end as status,
        case
            when totals.accounts = 0 then 'no customer has a value milestone'
            when crossings.median_days is null then 'fewer than half have reached it'
        end as status_reason
    from totals
    left join crossings on totals.segment = crossings.segment

)

select * from final
