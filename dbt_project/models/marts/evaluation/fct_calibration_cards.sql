-- No as-of partition: a card is made on no schedule, and cards of earlier models stay beside the newest.
{{ config(materialized='table') }}

with cards as (

    select * from {{ source('computed', 'calibration_cards') }}

),

newest as (

    select
        subject,
        max(as_of_date) as newest_as_of_date
    from cards
    group by subject

),

final as (

    select
        cards.card_id,
        cards.as_of_date,
        cards.subject,
        cards.label,
        cards.model,
        cards.model_version,
        cards.probability_method,
        cards.verdict,
        cards.may_be_used_for,
        cards.limits,
        cards.data_hash,
        cards.trained_from,
        cards.trained_to,
        cast(cards.train_rows as bigint) as train_rows,
        cast(cards.train_losses as bigint) as train_losses,
        cards.tested_from,
        cards.tested_to,
        cast(cards.test_rows as bigint) as test_rows,
        cast(cards.test_losses as bigint) as test_losses,
        cards.metric,
        cards.ranking,
        cards.slice,
        cast(cards.value as double) as value,
        cast(cards.low_95 as double) as low_95,
        cast(cards.high_95 as double) as high_95,
        cast(cards.predicted as double) as predicted,
        cast(cards.n_obs as bigint) as n_obs,
        cast(cards.n_losses as bigint) as n_losses,
        coalesce(cards.as_of_date = newest.newest_as_of_date, false) as is_of_newest_date
    from cards
    inner join newest on cards.subject = newest.subject

)

select * from final
