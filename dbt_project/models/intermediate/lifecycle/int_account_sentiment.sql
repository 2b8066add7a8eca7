{#-
    How each customer sounds: the mean of what was said in the last year, each voice from -1 to 1, weighted by age (half-life in
    `signal_thresholds`). One row per account that said anything; silence is unknown, not neutral.

    A score counts by the bands of the net promoter score: 10 is 1, 7.5 (between passive and promoter) 0, 5 and below -1; on a scale to 5
    (no satisfaction score of the portfolio is higher) 5 is 1, 3.5 is 0, 2 and below -1. A text counts by the words of the seed
    `sentiment_words`, and only if it has one; it is looked at once, however often it was said. The subject of a ticket counts by words of
    full weight only: "Page loads slowly" tells of the product and not of how the customer feels (10,000 customers averaged -0.49 by it).
-#}
with surveys as (

    select
        account_key,
        survey_response_key,
        survey_kind,
        score,
        comment,
        cast(responded_at as date) as said_on
    from {{ ref('stg_crm__survey_responses') }}
    where
        survey_kind in ('nps', 'csat')
        and responded_at < {{ as_of_end() }}
        and cast(responded_at as date) > {{ days_after(as_of_date(), '-' ~ threshold('voice_window_days')) }}

),

scales as (

    select max(score) <= 5 as is_to_five
    from surveys
    where survey_kind = 'csat'

),

scored as (

    select
        surveys.account_key,
        surveys.said_on,
        'survey' as voice,
        case
            when surveys.survey_kind = 'csat' and coalesce(scales.is_to_five, false) then {{ safe_divide('(surveys.score - 3.5)', '1.5') }}
            else {{ safe_divide('(surveys.score - 7.5)', '2.5') }}
        end as tone
    from surveys
    cross join scales
    where surveys.score is not null

),

texts as (

    select
        account_key,
        said_on,
        comment as body,
        false as is_ticket
    from surveys
    where comment is not null

    union all

    select
        account_key,
        cast(held_at as date) as said_on,
        notes as body,
        false as is_ticket
    from {{ ref('stg_crm__meetings') }}
    where
        status = 'held'
        and coalesce(meeting_kind, 'other') not in ('internal', 'handoff')
        and notes is not null
        and held_at < {{ as_of_end() }}
        and cast(held_at as date) > {{ days_after(as_of_date(), '-' ~ threshold('voice_window_days')) }}

    union all

    select
        account_key,
        cast(opened_at as date) as said_on,
        subject as body,
        true as is_ticket
    from {{ ref('stg_support__tickets') }}
    where
        subject is not null
        and coalesce(status, 'open') <> 'deleted'
        and opened_at < {{ as_of_end() }}
        and cast(opened_at as date) > {{ days_after(as_of_date(), '-' ~ threshold('ticket_window_days')) }}

),

bodies as (

    select distinct body from texts

),

phrases as (

    select
        body,
        ' ' || lower({% for mark in ['.', ',', '!', '?', ';', ':'] %}replace({% endfor %}body
        {%- for mark in ['.', ',', '!', '?', ';', ':'] %}, '{{ mark }}', ' '){% endfor %}) || ' ' as padded
    from bodies

),

toned as (

    select
        phrases.body,
        sum(words.weight * case
            when phrases.padded like '% not ' || words.word || ' %' or phrases.padded like '% never ' || words.word || ' %' then -1
            else 1
        end) as tone,
        max(abs(words.weight)) as strongest
    from phrases
    inner join {{ ref('sentiment_words') }} as words on phrases.padded like '% ' || words.word || ' %'
    group by phrases.body

),

voices as (

    select
        account_key,
        said_on,
        voice,
        cast(tone as double) as tone,
        cast(1 as double) as base_weight
    from scored

    union all

    select
        texts.account_key,
        texts.said_on,
        'text' as voice,
        cast(toned.tone as double) as tone,
        cast({{ threshold('voice_text_weight') }} as double) as base_weight
    from texts
    inner join toned on texts.body = toned.body
    where not texts.is_ticket or toned.strongest >= 1

),

weighted as (

    select
        account_key,
        said_on,
        voice,
        case when tone > 1 then 1 when tone < -1 then -1 else tone end as tone,
        base_weight * power(
            cast(0.5 as double), {{ safe_divide(days_between('said_on', as_of_date()), threshold('voice_half_life_days')) }}
        ) as weight
    from voices

),

final as (

    select
        account_key,
        round({{ safe_divide('sum(weight * tone)', 'sum(weight)') }}, 6) as sentiment_score,
        cast(count(*) as bigint) as sentiment_voices,
        cast(sum(case when voice = 'survey' then 1 else 0 end) as bigint) as sentiment_survey_voices,
        max(said_on) as sentiment_last_on
    from weighted
    group by account_key

)

select * from final
