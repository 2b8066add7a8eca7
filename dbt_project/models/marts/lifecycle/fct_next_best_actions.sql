with actions as (

    select * from {{ source('computed', 'next_best_actions') }}
    where as_of_date = {{ as_of_date() }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

final as (

    select
        actions.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        actions.requirement_id,
        actions.action_id,
        cast(actions.phase as bigint) as phase,
        actions.title,
        actions.kind,
        actions.action,
        actions.yields,
        actions.document,
        actions.who_is_chased,
        actions.queue_kind,
        actions.queue_owner,
        actions.queue_week,
        actions.status,
        actions.status_reason,
        cast(actions.queue_rank as bigint) as queue_rank,
        cast(actions.account_rank as bigint) as account_rank,
        actions.is_in_capacity,
        cast(actions.weekly_hours as double) as weekly_hours,
        cast(actions.effort_hours as double) as effort_hours,
        {{ money('actions.score') }} as score,
        {{ money('actions.value_at_stake') }} as value_at_stake,
        {{ money('actions.value_ranked') }} as value_ranked,
        {{ portfolio_currency() }} as portfolio_currency,
        actions.value_kind,
        actions.value_basis,
        cast(actions.stake_share as double) as stake_share,
        cast(actions.urgency as double) as urgency,
        cast(actions.business_days_left as bigint) as business_days_left,
        actions.deadline_on,
        actions.deadline_kind,
        cast(actions.chance as double) as chance,
        cast(actions.prior_chance as double) as prior_chance,
        cast(actions.prior_weight as double) as prior_weight,
        cast(actions.tried as bigint) as tried,
        cast(actions.helped as bigint) as helped,
        actions.segment,
        actions.why,
        actions.evidence_rows,
        actions.risk_ids,
        actions.success_criterion,
        actions.success_test,
        actions.opened_on,
        actions.first_shown_on,
        actions.last_shown_on,
        actions.due_on,
        actions.cool_down_until,
        actions.done_on,
        actions.done_how,
        actions.request_id,
        actions.outcome,
        actions.outcome_on,
        actions.rule_version
    from actions
    left join accounts on actions.account_key = accounts.account_key

)

select * from final
