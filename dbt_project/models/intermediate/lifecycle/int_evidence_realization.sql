{#-
    The facts of value: the customer's agreement to the success plan, campaigns, time to first value, outcomes measured against their
    baseline, business reviews, the story of the value and the level of maturity. One row per account.

    A goal that was measured is an outcome; first value is a milestone on the way and a level of maturity is a place on a map, so neither
    counts as one. A business review is a row of its own or a meeting of that kind, whichever a CRM keeps.
-#}
with cycles as (

    select
        account_key,
        evidence_from
    from {{ ref('int_contract_cycles') }}

),

accounts as (

    select
        account_key,
        segment
    from {{ ref('int_accounts') }}
    where hold_reason is null

),

documents as (

    select
        documents.account_key,
        documents.document_key,
        documents.document_kind,
        documents.authored_on,
        replace(lower(coalesce(documents.body, '')), '*', '') as body,
        coalesce(cycles.evidence_from is null or documents.authored_on >= cycles.evidence_from, false) as is_of_cycle
    from {{ ref('stg_crm__documents') }} as documents
    inner join cycles on documents.account_key = cycles.account_key
    where
        documents.document_kind in ('success_plan', 'value_story')
        and (documents.authored_on is null or documents.authored_on <= {{ as_of_date() }})

),

-- The plan itself says so: "agreed on 3 March 2026", "signed by Dana Reed"; not "to be signed by" and no empty line for a signature.
said_agreements as (

    select
        account_key,
        'document' as entity,
        document_key as row_key,
        authored_on as agreed_on,
        is_of_cycle
    from documents
    where
        document_kind = 'success_plan'
        and (
            {%- for cue in ['agreed on', 'signed on'] %}
            {% if not loop.first %}or {% endif %}split_part(split_part(body, '{{ cue }}', 2), chr(10), 1) like '%20__%'
            {%- endfor %}
            {%- for cue in ['agreed by', 'agreed with', 'signed by'] %}
            or (
                trim(replace(replace(replace(replace(split_part(split_part(body, '{{ cue }}', 2), chr(10), 1), ':', ' '), '.', ' '), '_', ' '), chr(13), ' '))
                not in ('', '-', '?', 'tbd', 'tba', 'tbc', 'n/a', 'the customer')
                and body not like '%be {{ cue }}%'
                and body not like '%yet {{ cue }}%'
            )
            {%- endfor %}
        )

),

agreement_tasks as (

    select
        tasks.account_key,
        'task' as entity,
        tasks.task_key as row_key,
        coalesce(tasks.completed_on, tasks.due_date) as agreed_on,
        coalesce(cycles.evidence_from is null or coalesce(tasks.completed_on, tasks.due_date) >= cycles.evidence_from, false) as is_of_cycle
    from {{ ref('stg_crm__tasks') }} as tasks
    inner join cycles on tasks.account_key = cycles.account_key
    where
        tasks.status = 'done'
        and (tasks.completed_on is null or tasks.completed_on <= {{ as_of_date() }})
        and (lower(tasks.subject) like '%agree%' or lower(tasks.subject) like '%sign%')
        and (lower(tasks.subject) like '%success plan%' or lower(tasks.subject) like '%success agreement%')

),

all_agreements as (

    select * from said_agreements
    union all
    select * from agreement_tasks

),

agreements as (

    select
        account_key,
        entity,
        row_key,
        agreed_on
    from all_agreements
    where is_of_cycle
    qualify row_number() over (partition by account_key order by agreed_on desc nulls last, row_key desc nulls last) = 1

),

stories as (

    select
        account_key,
        document_key,
        authored_on
    from documents
    where document_kind = 'value_story' and is_of_cycle and trim(body) <> ''
    qualify row_number() over (partition by account_key order by authored_on desc nulls last, document_key desc nulls last) = 1

),

all_campaigns as (

    select
        campaigns.account_key,
        campaigns.campaign_key,
        campaigns.started_on,
        campaigns.users_targeted,
        campaigns.users_responded,
        coalesce(cycles.evidence_from is null or campaigns.started_on >= cycles.evidence_from, false) as is_of_cycle
    from {{ ref('stg_crm__campaigns') }} as campaigns
    inner join cycles on campaigns.account_key = cycles.account_key
    where campaigns.campaign_kind in ('training', 'adoption') and campaigns.started_on <= {{ as_of_date() }}

),

campaigns as (

    select * from all_campaigns
    where is_of_cycle
    qualify row_number() over (partition by account_key order by started_on desc nulls last, campaign_key desc nulls last) = 1

),

milestones as (

    select
        milestones.account_key,
        milestones.milestone_key,
        milestones.milestone_kind,
        milestones.metric_name,
        cast(milestones.baseline_value as double) as baseline_value,
        cast(milestones.target_value as double) as target_value,
        cast(milestones.measured_value as double) as measured_value,
        coalesce(milestones.measured_on, milestones.reached_on) as measured_on,
        milestones.milestone_kind in ('pain_metric', 'adoption', 'other') as is_outcome,
        milestones.measured_value is not null
        and (
            coalesce(milestones.measured_on, milestones.reached_on) is null
            or coalesce(milestones.measured_on, milestones.reached_on) <= {{ as_of_date() }}
        ) as is_measured,
        coalesce(
            cycles.evidence_from is null
            or coalesce(milestones.measured_on, milestones.reached_on, milestones.due_date) >= cycles.evidence_from, false
        ) as is_of_cycle
    from {{ ref('stg_crm__milestones') }} as milestones
    inner join cycles on milestones.account_key = cycles.account_key

),

outcomes as (

    select
        account_key,
        milestone_key,
        metric_name,
        baseline_value,
        target_value,
        measured_value,
        measured_on,
        count(*) over (partition by account_key) as outcomes_measured
    from milestones
    where is_outcome and is_measured and baseline_value is not null and is_of_cycle
    qualify row_number() over (partition by account_key order by measured_on desc nulls last, milestone_key desc nulls last) = 1

),

levels as (

    select
        account_key,
        milestone_key,
        measured_value,
        measured_on
    from milestones
    where milestone_kind = 'maturity' and is_measured and is_of_cycle
    qualify row_number() over (partition by account_key order by measured_on desc nulls last, milestone_key desc nulls last) = 1

),

kept_reviews as (

    select
        account_key,
        'ebr' as entity,
        ebr_key as row_key,
        held_on,
        status,
        sponsor_attended
    from {{ ref('stg_crm__ebrs') }}

    union all

    select
        account_key,
        'meeting' as entity,
        meeting_key as row_key,
        cast(held_at as date) as held_on,
        status,
        cast(null as boolean) as sponsor_attended
    from {{ ref('stg_crm__meetings') }}
    where meeting_kind = 'ebr'

),

all_reviews as (

    select
        kept_reviews.*,
        kept_reviews.status = 'held' and kept_reviews.held_on <= {{ as_of_date() }} as is_held,
        kept_reviews.status = 'planned' and kept_reviews.held_on > {{ as_of_date() }} as is_ahead
    from kept_reviews
    inner join cycles on kept_reviews.account_key = cycles.account_key
    where cycles.evidence_from is null or kept_reviews.held_on >= cycles.evidence_from

),

reviews as (

    -- Of a review and its meeting on one day, the review: it knows who was there.
    select
        account_key,
        entity,
        row_key,
        held_on,
        sponsor_attended
    from all_reviews
    where is_held
    qualify row_number() over (partition by account_key order by held_on desc nulls last, entity, row_key desc nulls last) = 1

),

planned_reviews as (

    select
        account_key,
        min(held_on) as planned_on
    from all_reviews
    where is_ahead
    group by account_key

),

feeds as (

    select
        (select count(*) from all_agreements) > 0 as is_success_agreement_fed,
        (select count(*) from all_campaigns) > 0 as is_campaign_fed,
        (select count(*) from milestones where is_outcome) > 0 and (select count(*) from milestones where is_measured) > 0 as is_outcome_fed,
        (select count(*) from milestones where milestone_kind = 'maturity') > 0 as is_maturity_fed,
        (select count(*) from kept_reviews) > 0 as is_ebr_fed,
        (select count(*) from documents where document_kind = 'value_story') > 0 as is_value_story_fed

),

final as (

    select
        accounts.account_key,
        accounts.segment as account_segment,
        agreements.entity as success_agreement_entity,
        agreements.row_key as success_agreement_key,
        agreements.agreed_on as success_agreement_on,
        campaigns.campaign_key,
        campaigns.started_on as campaign_started_on,
        campaigns.users_targeted as campaign_users_targeted,
        campaigns.users_responded as campaign_users_responded,
        time_to_value.days as ttv_days,
        time_to_value.is_reached as ttv_is_reached,
        outcomes.milestone_key as outcome_key,
        outcomes.metric_name as outcome_metric_name,
        outcomes.baseline_value as outcome_baseline,
        outcomes.target_value as outcome_target,
        outcomes.measured_value as outcome_measured,
        outcomes.measured_on as outcome_measured_on,
        cast(coalesce(outcomes.outcomes_measured, 0) as bigint) as outcomes_measured,
        reviews.entity as ebr_entity,
        reviews.row_key as ebr_key,
        reviews.held_on as ebr_held_on,
        reviews.sponsor_attended as ebr_sponsor_attended,
        planned_reviews.planned_on as ebr_planned_on,
        stories.document_key as value_story_key,
        stories.authored_on as value_story_on,
        levels.milestone_key as maturity_key,
        levels.measured_value as maturity_level,
        levels.measured_on as maturity_measured_on,
        {%- for kind in ['success_agreement', 'campaign', 'outcome', 'maturity', 'ebr', 'value_story'] %}
        feeds.is_{{ kind }}_fed{{ "," if not loop.last }}
        {%- endfor %}
    from accounts
    cross join feeds
    left join agreements on accounts.account_key = agreements.account_key
    left join campaigns on accounts.account_key = campaigns.account_key
    left join {{ ref('int_time_to_value') }} as time_to_value on accounts.account_key = time_to_value.account_key
    left join outcomes on accounts.account_key = outcomes.account_key
    left join reviews on accounts.account_key = reviews.account_key
    left join planned_reviews on accounts.account_key = planned_reviews.account_key
    left join stories on accounts.account_key = stories.account_key
    left join levels on accounts.account_key = levels.account_key

)

select * from final
