with accounts as (

    select
        account_key,
        account_name,
        segment
    from {{ ref('int_accounts') }}

),

overlays as (

    select * from {{ ref('int_evidence_overlays') }}

),

realization as (

    select * from {{ ref('int_evidence_realization') }}

),

final as (

    select
        accounts.account_key,
        {{ as_of_date() }} as as_of_date,
        accounts.account_name,
        accounts.segment,
        cast(overlays.sentiment_score as double) as sentiment_score,
        case when overlays.is_voice_fed then overlays.sentiment_voices end as sentiment_voices,
        case when overlays.is_voice_fed then overlays.sentiment_survey_voices end as sentiment_survey_voices,
        overlays.sentiment_last_on,
        case when overlays.sentiment_score is null then 'unknown' else 'ok' end as sentiment_status,
        {{ safe_divide('overlays.crm_fields_filled', 'overlays.crm_fields_expected') }} as crm_hygiene_score,
        overlays.crm_fields_filled,
        overlays.crm_fields_expected,
        overlays.crm_fields_missing,
        overlays.last_touchpoint_on,
        overlays.next_touchpoint_on,
        case when overlays.is_touchpoint_fed then overlays.meetings_recent end as meetings_recent,
        case when overlays.is_meeting_note_fed then overlays.meetings_noted end as meetings_noted,
        case when overlays.is_follow_up_fed then overlays.meetings_followed end as meetings_followed,
        case when overlays.is_follow_up_fed then overlays.follow_ups_due end as follow_ups_due,
        case when overlays.is_follow_up_fed then overlays.follow_ups_late end as follow_ups_late,
        overlays.escalations_recent,
        case when overlays.is_acknowledgement_fed then overlays.escalations_acknowledged end as escalations_acknowledged,
        cast(overlays.escalation_ack_median_hours as double) as escalation_ack_median_hours,
        case
            when overlays.is_acknowledgement_fed then cast(overlays.escalation_open_worst_hours as double)
        end as escalation_open_worst_hours,
        realization.ttv_days,
        realization.ttv_is_reached,
        case when realization.is_outcome_fed then realization.outcomes_measured end as outcomes_measured,
        realization.outcome_measured_on,
        realization.ebr_held_on,
        realization.ebr_planned_on,
        cast(realization.maturity_level as double) as maturity_level
    from accounts
    inner join overlays on accounts.account_key = overlays.account_key
    inner join realization on accounts.account_key = realization.account_key

)

select * from final
