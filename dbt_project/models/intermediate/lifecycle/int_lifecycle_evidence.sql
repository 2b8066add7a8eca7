{#-
    The facts that the lifecycle's requirements are judged by, one row per account, each with the key of the row that proves it.
    No judgement here: which fact satisfies which requirement is data in vim_pipelines/lifecycle/phases.yaml.

    A count of 0 means looked and found none; whether anybody feeds it at all stands in the is_*_fed columns. A kind of row that no
    account of the whole portfolio has is not fed either: churn notes mapped to documents made 500 customers lack a handoff that
    their vendor never writes down.
-#}
{%- set kinds = {
    'handoff_document': ('document', ref('stg_crm__documents'), "document_kind = 'handoff'"),
    'success_plan': ('document', ref('stg_crm__documents'), "document_kind = 'success_plan'"),
    'handoff_meeting': ('meeting', ref('stg_crm__meetings'), "meeting_kind = 'handoff'"),
    'kickoff_meeting': ('meeting', ref('stg_crm__meetings'), "meeting_kind = 'kickoff'"),
    'cadence_meeting': ('meeting', ref('stg_crm__meetings'), "meeting_kind = 'cadence'"),
    'contact': ('contact', ref('stg_crm__contacts'), "true"),
    'contact_role': ('contact', ref('stg_crm__contacts'), "role in ('sponsor', 'champion')"),
    'pain_metric': ('milestone', ref('stg_crm__milestones'), "milestone_kind = 'pain_metric'"),
    'fttv': ('milestone', ref('stg_crm__milestones'), "milestone_kind = 'fttv'"),
    'red_flag': ('task', ref('stg_crm__tasks'), "(task_kind = 'red_flag' or lower(subject) like '%red flag%')"),
    'questionnaire': ('survey_response', ref('stg_crm__survey_responses'), "survey_kind = 'questionnaire'"),
    'training_completion': ('training_completion', ref('stg_crm__training_completions'), "true"),
    'license_assignment': ('license_assignment', ref('stg_product__license_assignments'), "true"),
} %}

with accounts as (

    -- A held account is not judged tonight: it stays where it stood, as an account that was gone for a night does.
    select * from {{ ref('int_accounts') }}
    where hold_reason is null

),

cycles as (

    select * from {{ ref('int_contract_cycles') }}

),

handoff as (

    select
        account_key,
        document_key as handoff_document_key,
        authored_on as handoff_authored_on
    from {{ ref('int_handoff_documents') }}
    where document_kind = 'handoff'

),

contacts as (

    select
        account_key,
        {%- for role in ['sponsor', 'champion'] %}
        cast(sum(case when role = '{{ role }}' then 1 else 0 end) as bigint) as {{ role }}s_named,
        cast(sum(case when role = '{{ role }}' and is_there then 1 else 0 end) as bigint) as {{ role }}s_active,
        cast(sum(case when role = '{{ role }}' and not is_there then 1 else 0 end) as bigint) as {{ role }}s_left,
        min(case when role = '{{ role }}' and is_there then full_name end) as {{ role }}_name,
        min(case when role = '{{ role }}' and is_there then contact_key end) as {{ role }}_key,
        max(case when role = '{{ role }}' and not is_there and left_on <= {{ as_of_date() }} then left_on end) as {{ role }}_left_on,
        {%- endfor %}
        cast(count(*) as bigint) as contacts_named
    from (
        select
            *,
            coalesce(is_active, true) and (left_on is null or left_on > {{ as_of_date() }}) as is_there
        from {{ ref('stg_crm__contacts') }}
    ) as judged_contacts
    group by account_key

),

meetings as (

    select
        meetings.account_key,
        meetings.meeting_key,
        meetings.meeting_kind,
        cast(meetings.held_at as date) as held_on,
        meetings.status = 'held' and meetings.held_at < {{ as_of_end() }} as is_held,
        meetings.status = 'planned' and meetings.held_at >= {{ as_of_end() }} as is_ahead
    from {{ ref('stg_crm__meetings') }} as meetings
    inner join cycles on meetings.account_key = cycles.account_key
    where cycles.evidence_from is null or cast(meetings.held_at as date) >= cycles.evidence_from

),

meeting_evidence as (

    select
        account_key,
        {%- for kind in ['handoff', 'kickoff'] %}
        min(case when meeting_kind = '{{ kind }}' and is_held then held_on end) as {{ kind }}_meeting_held_on,
        min(case when meeting_kind = '{{ kind }}' and is_held then meeting_key end) as {{ kind }}_meeting_key,
        {%- endfor %}
        cast(sum(case when meeting_kind = 'cadence' and is_held then 1 else 0 end) as bigint) as cadence_meetings_held,
        cast(sum(case when meeting_kind = 'cadence' and is_ahead then 1 else 0 end) as bigint) as cadence_meetings_ahead,
        max(case when meeting_kind = 'cadence' and is_held then held_on end) as last_cadence_on,
        max(case when meeting_kind = 'cadence' and (is_held or is_ahead) then meeting_key end) as cadence_meeting_key
    from meetings
    group by account_key

),

milestones as (

    select
        milestones.account_key,
        min(case when milestone_kind = 'pain_metric' and baseline_value is not null then milestone_key end) as pain_milestone_key,
        min(case when milestone_kind = 'pain_metric' and baseline_value is not null then metric_name end) as pain_metric_name,
        cast(sum(case when milestone_kind = 'pain_metric' then 1 else 0 end) as bigint) as pain_metrics_named,
        cast(sum(case when milestone_kind = 'fttv' then 1 else 0 end) as bigint) as fttv_milestones,
        min(case when milestone_kind = 'fttv' then milestone_key end) as fttv_milestone_key,
        min(case when milestone_kind = 'fttv' then due_date end) as fttv_due_on,
        min(case when milestone_kind = 'fttv' and reached_on <= {{ as_of_date() }} then reached_on end) as fttv_reached_on
    from {{ ref('stg_crm__milestones') }} as milestones
    inner join cycles on milestones.account_key = cycles.account_key
    where
        cycles.evidence_from is null
        or coalesce(milestones.reached_on, milestones.due_date, cycles.evidence_from) >= cycles.evidence_from
    group by milestones.account_key

),

red_flags as (

    select
        account_key,
        cast(count(*) as bigint) as red_flags_open,
        cast(sum(case when owner_email is null or trim(owner_email) = '' then 1 else 0 end) as bigint) as red_flags_unowned,
        min(task_key) as red_flag_key
    from {{ ref('stg_crm__tasks') }}
    where coalesce(status, 'open') = 'open' and (task_kind = 'red_flag' or lower(subject) like '%red flag%')
    group by account_key

),

success_plans as (

    select
        documents.account_key,
        max(documents.document_key) as success_plan_key,
        max(documents.authored_on) as success_plan_authored_on
    from {{ ref('stg_crm__documents') }} as documents
    inner join cycles on documents.account_key = cycles.account_key
    where
        documents.document_kind = 'success_plan'
        and (documents.authored_on is null or documents.authored_on <= {{ as_of_date() }})
        and (cycles.evidence_from is null or documents.authored_on >= cycles.evidence_from)
    group by documents.account_key

),

questionnaires as (

    select
        surveys.account_key,
        min(surveys.survey_response_key) as questionnaire_key,
        min(cast(surveys.responded_at as date)) as questionnaire_on
    from {{ ref('stg_crm__survey_responses') }} as surveys
    inner join cycles on surveys.account_key = cycles.account_key
    where
        surveys.survey_kind = 'questionnaire'
        and surveys.responded_at < {{ as_of_end() }}
        and (cycles.evidence_from is null or cast(surveys.responded_at as date) >= cycles.evidence_from)
    group by surveys.account_key

),

trainings as (

    select
        account_key,
        cast(count(distinct user_key) as bigint) as users_trained,
        min(training_completion_key) as training_key,
        max(cast(completed_at as date)) as last_trained_on
    from {{ ref('stg_crm__training_completions') }}
    where completed_at < {{ as_of_end() }}
    group by account_key

),

assignments as (

    select
        account_key,
        cast(count(distinct user_key) as bigint) as users_assigned,
        min(assignment_key) as assignment_key,
        min(cast(assigned_at as date)) as first_assigned_on
    from {{ ref('stg_product__license_assignments') }}
    where
        (assigned_at is null or assigned_at < {{ as_of_end() }})
        and (revoked_at is null or revoked_at >= {{ as_of_end() }})
    group by account_key

),

recent_weeks as (

    select
        account_key,
        cast(count(*) as bigint) as weeks_seen,
        cast(sum(case when active_users > 0 then 1 else 0 end) as bigint) as weeks_in_use
    from {{ ref('int_account_weeks') }}
    where week_start >= {{ last_complete_week(-12) }} and not is_known_event_week
    group by account_key

),

feeds as (

    select
        {%- for kind, (entity, relation, condition) in kinds.items() %}
        {{ is_fed(entity) }} and (select count(*) from {{ relation }} where {{ condition }}) > 0 as is_{{ kind }}_fed{{ "," if not loop.last }}
        {%- endfor %}

),

final as (

    select
        accounts.account_key,
        accounts.csm_name,
        accounts.owner_name,
        cycles.cycle_started_on,
        {{ days_between('cycles.cycle_started_on', as_of_date()) }} as cycle_age_days,
        cycles.won_back_on,
        cycles.notice_on,
        cycles.notice_is_open,
        cycles.lines_active,
        handoff.handoff_document_key,
        handoff.handoff_authored_on,
        meeting_evidence.handoff_meeting_key,
        meeting_evidence.handoff_meeting_held_on,
        meeting_evidence.kickoff_meeting_key,
        meeting_evidence.kickoff_meeting_held_on,
        coalesce(meeting_evidence.cadence_meetings_held, 0) as cadence_meetings_held,
        coalesce(meeting_evidence.cadence_meetings_ahead, 0) as cadence_meetings_ahead,
        meeting_evidence.last_cadence_on,
        meeting_evidence.cadence_meeting_key,
        coalesce(contacts.contacts_named, 0) as contacts_named,
        {%- for role in ['sponsor', 'champion'] %}
        {%- for count in ['named', 'active', 'left'] %}
        case when feeds.is_contact_role_fed then coalesce(contacts.{{ role }}s_{{ count }}, 0) end as {{ role }}s_{{ count }},
        {%- endfor %}
        contacts.{{ role }}_name,
        contacts.{{ role }}_key,
        contacts.{{ role }}_left_on,
        {%- endfor %}
        milestones.pain_milestone_key,
        milestones.pain_metric_name,
        coalesce(milestones.pain_metrics_named, 0) as pain_metrics_named,
        coalesce(milestones.fttv_milestones, 0) as fttv_milestones,
        milestones.fttv_milestone_key,
        milestones.fttv_due_on,
        milestones.fttv_reached_on,
        coalesce(red_flags.red_flags_open, 0) as red_flags_open,
        coalesce(red_flags.red_flags_unowned, 0) as red_flags_unowned,
        red_flags.red_flag_key,
        success_plans.success_plan_key,
        success_plans.success_plan_authored_on,
        questionnaires.questionnaire_key,
        questionnaires.questionnaire_on,
        coalesce(trainings.users_trained, 0) as users_trained,
        trainings.training_key,
        trainings.last_trained_on,
        coalesce(assignments.users_assigned, 0) as users_assigned,
        assignments.assignment_key,
        assignments.first_assigned_on,
        recent_weeks.weeks_seen,
        recent_weeks.weeks_in_use,
        accounts.utilization_28d,
        accounts.active_users_28d,
        accounts.seats_contracted,
        accounts.gap_days,
        accounts.usage_status,
        accounts.contract_status,
        {%- for kind in kinds %}
        feeds.is_{{ kind }}_fed{{ "," if not loop.last }}
        {%- endfor %}
    from accounts
    cross join feeds
    left join cycles on accounts.account_key = cycles.account_key
    left join handoff on accounts.account_key = handoff.account_key
    left join meeting_evidence on accounts.account_key = meeting_evidence.account_key
    left join contacts on accounts.account_key = contacts.account_key
    left join milestones on accounts.account_key = milestones.account_key
    left join red_flags on accounts.account_key = red_flags.account_key
    left join success_plans on accounts.account_key = success_plans.account_key
    left join questionnaires on accounts.account_key = questionnaires.account_key
    left join trainings on accounts.account_key = trainings.account_key
    left join assignments on accounts.account_key = assignments.account_key
    left join recent_weeks on accounts.account_key = recent_weeks.account_key

)

select * from final
