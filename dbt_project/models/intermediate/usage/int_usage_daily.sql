{#-
    Not as-of: the table grows with every load and keeps, per row, the day from which it was known. Readers filter on both dates.

    A repeated event is one event: an arrival is left out if an earlier one (of this load or of any before) has the same event_id and
    happened within `repeat_window_days` of it. The window bounds the search: a night looks through the events of some weeks, not
    through all that ever arrived. The rule speaks of arrivals, not of what was counted, so that loads taken in one by one or all
    at once give the same table.

    Sorted by day, so that readers of a window skip the rest of the table, also after a first load of years.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
    )
}}

with arrivals as {{ read_again() }} (

    select
        events.*,
        cast(events.occurred_at as date) as activity_date,
        cast(events.recorded_at as date) as known_date
    from {{ source('raw', 'usage_events') }} as events
    where {{ is_new_load('events.load_number') }}

),

repeated as (

    select event_id
    from arrivals
    group by event_id
    having count(*) > 1

),

ranked as (

    select
        arrivals.*,
        row_number() over (
            partition by arrivals.event_id
            order by
                arrivals.load_number, arrivals.recorded_at, arrivals.occurred_at,
                arrivals.account_key, arrivals.user_key, arrivals.product, arrivals.feature
        ) as arrival_rank
    from arrivals
    inner join repeated on arrivals.event_id = repeated.event_id

),

-- At most one per id and day is left to compare, also where a broken feed gives every event the same id.
first_of_day as (

    select *
    from ranked
    qualify row_number() over (partition by event_id, activity_date order by arrival_rank) = 1

),

first_of_repeated as (

    select first_of_day.*
    from first_of_day
    where not exists (
        select 1
        from first_of_day as earlier
        where
            earlier.event_id = first_of_day.event_id
            and earlier.arrival_rank < first_of_day.arrival_rank
            and abs({{ days_between('earlier.activity_date', 'first_of_day.activity_date') }}) <= {{ threshold('repeat_window_days') }}
    )

),

once as (

    {% for relation in ['arrivals', 'first_of_repeated'] -%}
    select
        event_id,
        account_key,
        user_key,
        product,
        feature,
        activity_date,
        known_date,
        load_number
    from {{ relation }}
    {%- if loop.first %}
    where not exists (select 1 from repeated where repeated.event_id = arrivals.event_id)

    union all

    {% endif %}
    {%- endfor %}

),

{% if is_incremental() %}
-- Where a repeat can be. The bounds are single values, so that the warehouse skips the months outside.
earlier as (

    select
        event_id,
        cast(occurred_at as date) as activity_date
    from {{ source('raw', 'usage_events') }}
    where
        load_number <= {{ newest_load() }}
        and occurred_at >= (select {{ days_after('min(activity_date)', '-' ~ threshold('repeat_window_days')) }} from once)
        and occurred_at < (select {{ days_after('max(activity_date)', '1 + ' ~ threshold('repeat_window_days')) }} from once)

),
{% endif %}

new_events as (

    select once.*
    from once
    {% if is_incremental() %}
    where not exists (
        select 1
        from earlier
        where
            earlier.event_id = once.event_id
            and abs({{ days_between('earlier.activity_date', 'once.activity_date') }}) <= {{ threshold('repeat_window_days') }}
    )
    {% endif %}

),

final as (

    select
        account_key,
        user_key,
        product,
        feature,
        activity_date,
        known_date,
        load_number,
        cast(count(*) as bigint) as events
    from new_events
    group by
        account_key,
        user_key,
        product,
        feature,
        activity_date,
        known_date,
        load_number

)

select * from final
order by activity_date
