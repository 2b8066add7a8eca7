with versions as (

    {{ latest_versions('survey_responses', 'survey_response_key') }}

),

final as (

    select
        versions.survey_response_key,
        versions.account_key,
        versions.contact_key,
        versions.survey_kind,
        versions.score,
        versions.comment,
        versions.responded_at,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
