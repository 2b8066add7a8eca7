{#-
    The PSP diagnostic (Pain, Stakeholders, Plan): the stakeholder map and the check of the pain metric side by side, the red flags with
    their owners, and the branch. One row per account.

    A risk that is seen decides the branch even while a side is incomplete; without one, an incomplete side blocks it, because nobody may
    promise success for a pain that has no baseline. What nobody in the portfolio records can neither be a risk nor be missing.
-#}
with accounts as (

    select account_key from {{ ref('int_accounts') }}

),

cycles as (

    select * from {{ ref('int_contract_cycles') }}

),

stakeholders as (

    select
        account_key,
        {%- for role in ['economic_buyer', 'champion', 'sponsor', 'admin', 'user'] %}
        max(case when role = '{{ role }}' then status end) as {{ role }}_status,
        max(case when role = '{{ role }}' then full_name end) as {{ role }}_name,
        {%- endfor %}
        cast(sum(case when role <> 'user' then contacts_active else 0 end) as bigint) as threads
    from {{ ref('int_stakeholders') }}
    group by account_key

),

pain_metrics as (

    select
        milestones.account_key,
        milestones.milestone_key,
        milestones.metric_name,
        milestones.baseline_value,
        milestones.target_value,
        milestones.due_date,
        milestones.owner_email
    from {{ ref('stg_crm__milestones') }} as milestones
    inner join cycles on milestones.account_key = cycles.account_key
    where
        milestones.milestone_kind = 'pain_metric'
        and (
            cycles.evidence_from is null
            or coalesce(milestones.reached_on, milestones.due_date, cycles.evidence_from) >= cycles.evidence_from
        )
    qualify row_number() over (
        partition by milestones.account_key
        order by
            case when milestones.baseline_value is null then 1 else 0 end
            + case when milestones.target_value is null then 1 else 0 end
            + case when milestones.due_date is null then 1 else 0 end,
            case when milestones.baseline_value is null then 1 else 0 end,
            milestones.milestone_key
    ) = 1

),

red_flags as (

    select
        account_key,
        cast(count(*) as bigint) as red_flags_seen,
        cast(sum(case when coalesce(trim(owner_email), '') = '' then 1 else 0 end) as bigint) as red_flags_without_owner,
        {{ dbt.listagg("coalesce(subject, task_key) || ' (' || coalesce(nullif(trim(owner_email), ''), 'no owner') || ')'", "'; '", "order by task_key") }} as red_flags
    from {{ ref('stg_crm__tasks') }}
    where
        status = 'open'
        and (task_kind = 'red_flag' or lower(subject) like '%red flag%')
        and (created_on is null or created_on <= {{ as_of_date() }})
    group by account_key

),

feeds as (

    select
        {{ is_fed('milestone') }} and count(*) > 0 as is_pain_fed,
        count(owner_email) > 0 as is_pain_owner_fed
    from {{ ref('stg_crm__milestones') }}
    where milestone_kind = 'pain_metric'

),

judged as (

    select
        accounts.account_key,
        stakeholders.economic_buyer_status,
        stakeholders.economic_buyer_name,
        stakeholders.champion_status,
        stakeholders.champion_name,
        stakeholders.sponsor_status,
        stakeholders.sponsor_name,
        stakeholders.admin_status,
        stakeholders.user_status,
        stakeholders.threads,
        stakeholders.sponsor_status <> 'unknown' and stakeholders.threads = 1 as is_single_threaded,
        pain_metrics.milestone_key as pain_key,
        pain_metrics.metric_name as pain_metric,
        cast(pain_metrics.baseline_value as double) as pain_baseline,
        cast(pain_metrics.target_value as double) as pain_target,
        pain_metrics.due_date as pain_due_on,
        pain_metrics.owner_email as pain_owner,
        case
            when not feeds.is_pain_fed then 'unknown'
            when pain_metrics.milestone_key is null then 'nobody'
            when pain_metrics.baseline_value is null then 'no baseline'
            when pain_metrics.target_value is null then 'no target'
            when pain_metrics.due_date is null then 'no date'
            when feeds.is_pain_owner_fed and pain_metrics.owner_email is null then 'no owner'
            else 'complete'
        end as pain_status,
        coalesce(red_flags.red_flags_seen, 0) as red_flags_seen,
        coalesce(red_flags.red_flags_without_owner, 0) as red_flags_without_owner,
        red_flags.red_flags
    from accounts
    cross join feeds
    left join stakeholders on accounts.account_key = stakeholders.account_key
    left join pain_metrics on accounts.account_key = pain_metrics.account_key
    left join red_flags on accounts.account_key = red_flags.account_key

),

reasons as (

    select
        *,
        case when red_flags_seen > 0 then cast(red_flags_seen as {{ dbt.type_string() }}) || ' open red flags, '
            || cast(red_flags_without_owner as {{ dbt.type_string() }}) || ' without owner; ' else '' end
        || case when sponsor_status = 'left' then 'the sponsor left; ' when sponsor_status in ('weak', 'cold') then 'the sponsor is ' || sponsor_status || '; ' else '' end
        || case when champion_status = 'left' then 'the champion left; ' when champion_status in ('weak', 'cold') then 'the champion is ' || champion_status || '; ' else '' end
        || case when is_single_threaded then 'one person carries the relation; ' else '' end as risk_words,
        case when sponsor_status = 'nobody' then 'no sponsor; ' when sponsor_status = 'unknown' then 'nobody records roles of contacts; ' else '' end
        || case when champion_status = 'nobody' then 'no champion; ' else '' end
        || case
            when pain_status = 'unknown' then 'nobody records pain metrics; '
            when pain_status = 'nobody' then 'no pain metric; '
            when pain_status = 'no baseline' then 'the pain metric has no baseline; '
            else ''
        end as gap_words
    from judged

),

final as (

    select
        account_key,
        economic_buyer_status,
        economic_buyer_name,
        champion_status,
        champion_name,
        sponsor_status,
        sponsor_name,
        admin_status,
        user_status,
        threads,
        is_single_threaded,
        pain_key,
        pain_metric,
        pain_baseline,
        pain_target,
        pain_due_on,
        pain_owner,
        pain_status,
        red_flags_seen,
        red_flags_without_owner,
        red_flags,
        case when risk_words <> '' then 'risk_mitigation_plan' when gap_words <> '' then 'blocked' else 'success_plan' end as verdict,
        case when risk_words <> '' then 'risk_mitigation_plan' when gap_words <> '' then 'psp_diagnostic' else 'success_plan' end as document,
        case when risk_words || gap_words = '' then 'no risk is seen, and pain and stakeholders are known' else substring(risk_words || gap_words, 1, length(risk_words || gap_words) - 2) end as reason
    from reasons

)

select * from final
