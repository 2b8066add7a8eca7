{#-
    Not as-of: the table grows with every load and keeps, per row, the day from which it was known. Readers filter on both dates.
    A repeated event is one event: the first arrival counts, over all loads, so a replayed file changes nothing.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
    )
}}

with arrivals as (

    select *
    from {{ source('raw', 'usage_events') }}
    {% if is_incremental() %}
    where load_number > (select coalesce(max(load_number), -1) from {{ this }})
    {% endif %}

),

repeated as (

    select event_id
    from arrivals
    group by event_id
    having count(*) > 1

),

first_of_repeated as (

    select arrivals.*
    from arrivals
    inner join repeated on arrivals.event_id = repeated.event_id
    qualify row_number() over (
        partition by arrivals.event_id
        order by
            arrivals.load_number, arrivals.recorded_at, arrivals.occurred_at,
            arrivals.account_key, arrivals.user_key, arrivals.product, arrivals.feature
    ) = 1

),

once as (

    select arrivals.*
    from arrivals
    where not exists (select 1 from repeated where repeated.event_id = arrivals.event_id)

    union all

    select first_of_repeated.*
    from first_of_repeated

),

new_events as (

    select once.*
    from once
    {% if is_incremental() %}
    where not exists (
        select 1
        from {{ source('raw', 'usage_events') }} as earlier
        where
            earlier.event_id = once.event_id
            and earlier.load_number <= (select max(load_number) from {{ this }})
    )
    {% endif %}

),

final as (

    select
        new_events.account_key,
        new_events.user_key,
        new_events.product,
        new_events.feature,
        cast(new_events.occurred_at as date) as activity_date,
        cast(new_events.recorded_at as date) as known_date,
        new_events.load_number,
        cast(count(*) as bigint) as events
    from new_events
    group by
        new_events.account_key,
        new_events.user_key,
        new_events.product,
        new_events.feature,
        cast(new_events.occurred_at as date),
        cast(new_events.recorded_at as date),
        new_events.load_number

)

select * from final
