{#-
    The facts of the phases that never end: touchpoints, follow-up and notes of meetings, the CRM record (5), what can be seen (6), and how
    escalated tickets are answered (7). One row per account.

    A follow-up is a task that names its meeting. An escalated ticket is acknowledged by the first answer after it was opened: no source tells
    the moment of the escalation itself.
-#}
with accounts as (

    select
        account_key,
        usage_status,
        contract_status,
        ticket_status
    from {{ ref('int_accounts') }}
    where hold_reason is null

),

cycles as (

    select
        account_key,
        evidence_from
    from {{ ref('int_contract_cycles') }}

),

all_meetings as (

    select
        meetings.account_key,
        meetings.meeting_key,
        cast(meetings.held_at as date) as held_on,
        coalesce(meetings.meeting_kind, 'other') in ('internal', 'handoff') as is_inside,
        meetings.meeting_kind = 'internal' as is_internal,
        trim(coalesce(meetings.notes, '')) <> '' as has_notes,
        meetings.status = 'held' and meetings.held_at < {{ as_of_end() }} as is_held,
        meetings.status = 'planned' and meetings.held_at >= {{ as_of_end() }} as is_ahead
    from {{ ref('stg_crm__meetings') }} as meetings
    inner join cycles on meetings.account_key = cycles.account_key
    where cycles.evidence_from is null or cast(meetings.held_at as date) >= cycles.evidence_from

),

meetings as (

    select
        account_key,
        max(case when is_held and not is_inside then held_on end) as last_touchpoint_on,
        min(case when is_ahead and not is_inside then held_on end) as next_touchpoint_on,
        max(case when is_held and is_inside then held_on end) as last_internal_on
    from all_meetings
    group by account_key

),

newest_meetings as (

    select
        account_key,
        max(case when not is_inside then meeting_key end) as last_touchpoint_key,
        max(case when is_inside then meeting_key end) as last_internal_key
    from (
        select
            account_key,
            meeting_key,
            is_inside
        from all_meetings
        where is_held
        qualify row_number() over (partition by account_key, is_inside order by held_on desc nulls last, meeting_key desc nulls last) = 1
    ) as newest
    group by account_key

),

follow_ups as (

    select
        account_key,
        task_key,
        meeting_key,
        coalesce(status, 'open') as status,
        due_date,
        completed_on
    from {{ ref('stg_crm__tasks') }}
    where meeting_key is not null and coalesce(status, 'open') <> 'cancelled' and (created_on is null or created_on <= {{ as_of_date() }})

),

followed as (

    select distinct meeting_key from follow_ups

),

recent_meetings as (

    select
        all_meetings.account_key,
        cast(count(*) as bigint) as meetings_recent,
        cast(sum(case when all_meetings.has_notes then 1 else 0 end) as bigint) as meetings_noted,
        cast(sum(case when followed.meeting_key is not null then 1 else 0 end) as bigint) as meetings_followed,
        cast(sum(case when all_meetings.has_notes and followed.meeting_key is not null then 1 else 0 end) as bigint) as meetings_effective,
        max(case when followed.meeting_key is null then all_meetings.meeting_key end) as meeting_unfollowed_key
    from all_meetings
    left join followed on all_meetings.meeting_key = followed.meeting_key
    where
        all_meetings.is_held
        and not all_meetings.is_inside
        and all_meetings.held_on > {{ days_after(as_of_date(), '-' ~ threshold('practice_window_days')) }}
        and all_meetings.held_on <= {{ days_after(as_of_date(), '-' ~ threshold('follow_up_grace_days')) }}
    group by all_meetings.account_key

),

recent_follow_ups as (

    select
        account_key,
        cast(count(*) as bigint) as follow_ups_due,
        cast(sum(case
            when status = 'done' and (completed_on is null or completed_on <= due_date) then 0
            else 1
        end) as bigint) as follow_ups_late,
        max(case when status <> 'done' then task_key end) as follow_up_open_key
    from follow_ups
    where due_date < {{ as_of_date() }} and due_date > {{ days_after(as_of_date(), '-' ~ threshold('practice_window_days')) }}
    group by account_key

),

risk_tasks as (

    select
        account_key,
        cast(count(*) as bigint) as risk_tasks_owned,
        min(task_key) as risk_task_key
    from {{ ref('stg_crm__tasks') }}
    where
        status = 'open'
        and (created_on is null or created_on <= {{ as_of_date() }})
        and trim(coalesce(owner_email, '')) <> ''
        and (
            task_kind in ('red_flag', 'save_play')
            or lower(subject) like '%red flag%'
            or lower(subject) like '%risk%'
            or lower(subject) like '%mitigation%'
        )
    group by account_key

),

hygiene as (

    select
        account_key,
        cast(count(*) as bigint) as crm_fields_expected,
        cast(sum(case when is_filled then 1 else 0 end) as bigint) as crm_fields_filled,
        {{ dbt.listagg("case when not is_filled then label end", "', '", "order by label") }} as crm_fields_missing
    from {{ ref('int_crm_fields') }}
    group by account_key

),

features as (

    select
        account_key,
        cast(count(*) as bigint) as features_seen,
        cast(sum(case when is_used_28d then 1 else 0 end) as bigint) as features_used,
        cast(sum(case when is_never_used then 1 else 0 end) as bigint) as features_never_used
    from {{ ref('int_feature_use') }}
    where status = 'ok'
    group by account_key

),

escalated as (

    select
        ticket_key,
        account_key,
        opened_at,
        coalesce(solved_at >= {{ as_of_end() }}, true)
        and (solved_at is not null or coalesce(status, 'open') not in ('solved', 'closed')) as is_open
    from {{ ref('stg_support__tickets') }}
    where
        is_escalated
        and opened_at < {{ as_of_end() }}
        and coalesce(status, 'open') <> 'deleted'
        and cast(opened_at as date) > {{ days_after(as_of_date(), '-' ~ threshold('ticket_window_days')) }}

),

answers as (

    select
        events.ticket_key,
        min(events.occurred_at) as answered_at
    from {{ ref('stg_support__ticket_events') }} as events
    inner join escalated on events.ticket_key = escalated.ticket_key
    where
        events.metric = 'reply_time'
        and events.event_type = 'fulfill'
        and events.occurred_at >= escalated.opened_at
        and events.occurred_at < {{ as_of_end() }}
    group by events.ticket_key

),

waits as (

    select
        escalated.account_key,
        escalated.ticket_key,
        answers.answered_at is not null as is_acknowledged,
        escalated.is_open and answers.answered_at is null as is_waiting,
        {{ safe_divide(dbt.datediff('escalated.opened_at', 'coalesce(answers.answered_at, ' ~ as_of_end() ~ ')', 'minute'), 60) }} as hours
    from escalated
    left join answers on escalated.ticket_key = answers.ticket_key

),

escalations as (

    select
        account_key,
        cast(count(*) as bigint) as escalations_recent,
        cast(sum(case when is_acknowledged then 1 else 0 end) as bigint) as escalations_acknowledged,
        round({{ percentile('case when is_acknowledged then hours end', 0.5) }}, 4) as escalation_ack_median_hours,
        round(max(case when is_waiting then hours end), 4) as escalation_open_worst_hours,
        max(case when is_waiting then ticket_key end) as escalation_waiting_key,
        max(ticket_key) as escalation_key
    from waits
    group by account_key

),

feeds as (

    select
        (select count(*) from all_meetings where is_held and not is_inside) > 0 as is_touchpoint_fed,
        (select count(*) from all_meetings where is_internal) > 0 as is_internal_meeting_fed,
        (select count(*) from all_meetings where is_held and has_notes) > 0 as is_meeting_note_fed,
        (select count(*) from follow_ups) > 0 as is_follow_up_fed,
        (select count(*) from {{ ref('int_account_sentiment') }}) > 0 as is_voice_fed,
        (select count(*) from answers) > 0 as is_acknowledgement_fed,
        (select count(*) from accounts where ticket_status <> 'unknown') > 0 as is_ticket_fed,
        (select count(*) from accounts where usage_status <> 'unknown') > 0 as is_usage_fed,
        (select count(*) from accounts where contract_status <> 'unknown') > 0 as is_contract_fed

),

final as (

    select
        accounts.account_key,
        meetings.last_touchpoint_on,
        newest_meetings.last_touchpoint_key,
        meetings.next_touchpoint_on,
        meetings.last_internal_on,
        newest_meetings.last_internal_key,
        {%- for column in ['meetings_recent', 'meetings_noted', 'meetings_followed', 'meetings_effective'] %}
        coalesce(recent_meetings.{{ column }}, 0) as {{ column }},
        {%- endfor %}
        recent_meetings.meeting_unfollowed_key,
        coalesce(recent_follow_ups.follow_ups_due, 0) as follow_ups_due,
        coalesce(recent_follow_ups.follow_ups_late, 0) as follow_ups_late,
        recent_follow_ups.follow_up_open_key,
        coalesce(risk_tasks.risk_tasks_owned, 0) as risk_tasks_owned,
        risk_tasks.risk_task_key,
        hygiene.crm_fields_expected,
        hygiene.crm_fields_filled,
        hygiene.crm_fields_missing,
        features.features_seen,
        features.features_used,
        features.features_never_used,
        accounts.ticket_status,
        sentiment.sentiment_score,
        coalesce(sentiment.sentiment_voices, 0) as sentiment_voices,
        coalesce(sentiment.sentiment_survey_voices, 0) as sentiment_survey_voices,
        sentiment.sentiment_last_on,
        case when feeds.is_ticket_fed then coalesce(escalations.escalations_recent, 0) end as escalations_recent,
        case when feeds.is_ticket_fed then coalesce(escalations.escalations_acknowledged, 0) end as escalations_acknowledged,
        escalations.escalation_ack_median_hours,
        escalations.escalation_open_worst_hours,
        escalations.escalation_waiting_key,
        escalations.escalation_key,
        {%- for kind in ['touchpoint', 'internal_meeting', 'meeting_note', 'follow_up', 'voice', 'acknowledgement', 'ticket', 'usage', 'contract'] %}
        feeds.is_{{ kind }}_fed{{ "," if not loop.last }}
        {%- endfor %}
    from accounts
    cross join feeds
    left join meetings on accounts.account_key = meetings.account_key
    left join newest_meetings on accounts.account_key = newest_meetings.account_key
    left join recent_meetings on accounts.account_key = recent_meetings.account_key
    left join recent_follow_ups on accounts.account_key = recent_follow_ups.account_key
    left join risk_tasks on accounts.account_key = risk_tasks.account_key
    left join hygiene on accounts.account_key = hygiene.account_key
    left join features on accounts.account_key = features.account_key
    left join {{ ref('int_account_sentiment') }} as sentiment on accounts.account_key = sentiment.account_key
    left join escalations on accounts.account_key = escalations.account_key

)

select * from final
