{#-
    Days from the start of the relation that counts to the first value milestone that the customer defined. Whoever has not reached it is
    censored: at D, or on the last day of the contract if there is none any more.
-#}
with evidence as (

    select
        account_key,
        fttv_milestones,
        fttv_reached_on
    from {{ ref('int_lifecycle_evidence') }}

),

cycles as (

    select
        account_key,
        cycle_started_on,
        lines_active
    from {{ ref('int_contract_cycles') }}

),

last_ends as (

    select
        account_key,
        max(end_date) as last_end_date
    from {{ ref('int_contract_lines') }}
    where line_status = 'ok' and contract_status <> 'draft'
    group by account_key

),

dated as (

    select
        cycles.account_key,
        cycles.cycle_started_on,
        evidence.fttv_reached_on,
        case
            when evidence.fttv_reached_on is not null then evidence.fttv_reached_on
            when cycles.lines_active = 0 and last_ends.last_end_date < {{ as_of_date() }} then last_ends.last_end_date
            else {{ as_of_date() }}
        end as observed_until,
        case
            when not {{ is_fed('milestone') }} then 'milestones are not fed'
            when coalesce(evidence.fttv_milestones, 0) = 0 then 'no value milestone is defined'
            when cycles.cycle_started_on is null then 'no contract has begun'
        end as unknown_reason
    from cycles
    left join evidence on cycles.account_key = evidence.account_key
    left join last_ends on cycles.account_key = last_ends.account_key

),

final as (

    select
        account_key,
        case when unknown_reason is null then {{ at_least_zero(days_between('cycle_started_on', 'observed_until')) }} end as days,
        case when unknown_reason is null then fttv_reached_on is not null end as is_reached,
        case when unknown_reason is null then {{ days_between('cycle_started_on', as_of_date()) }} end as age_days,
        cycle_started_on,
        case when unknown_reason is null then 'ok' else 'unknown' end as status,
        unknown_reason as status_reason
    from dated

)

select * from final
